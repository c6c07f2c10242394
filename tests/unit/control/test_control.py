from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import orjson
import pytest

from gateway.control import MAX_REQUEST, ControlError, ControlServer, ask
from gateway.errors import ConfigurationError


async def echo(request: Mapping[str, object]) -> object:
    return dict(request)


async def refuse(request: Mapping[str, object]) -> object:
    raise ConfigurationError("consentry.yaml:3: listeners: add one")


async def fail(request: Mapping[str, object]) -> object:
    raise RuntimeError("a secret detail")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


HANDLERS = {"echo": echo, "refuse": refuse, "fail": fail}


@pytest.fixture
async def path(tmp_path: Path) -> AsyncIterator[Path]:
    socket = tmp_path / "control.sock"
    server = ControlServer(socket, HANDLERS)
    await server.start()
    yield socket
    await server.close()
    assert not socket.exists()


async def test_a_question_is_answered(path: Path) -> None:
    """The handler gets the arguments, the asker its result, of any size."""
    assert await ask(path, "echo", tenant="acme") == {"tenant": "acme"}
    assert await ask(path, "echo", filler="x" * 60_000) == {"filler": "x" * 60_000}


async def test_only_the_owner_may_ask(path: Path) -> None:
    """The socket is mode 0600."""
    assert mode(path) == 0o600


async def test_an_error_is_told_in_its_words_and_a_fault_is_not(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What the operator can mend is said whole; a bug goes to the log."""
    with pytest.raises(ControlError, match=r"consentry.yaml:3: listeners: add one"):
        await ask(path, "refuse")
    with pytest.raises(ControlError, match="internal error: RuntimeError"):
        await ask(path, "fail")
    assert "a secret detail" in caplog.text
    with pytest.raises(ControlError, match="known are echo, fail, refuse"):
        await ask(path, "shutdown")


@pytest.mark.parametrize("line", [b"nonsense\n", b"[1]\n", b'{"tenant": 1}\n', b'{"verb": []}\n'])
async def test_nonsense_is_answered_and_the_next_line_too(path: Path, line: bytes) -> None:
    """A malformed request costs nothing but itself."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(line + b'{"verb": "echo"}\n')
    assert not orjson.loads(await reader.readline())["ok"]
    assert orjson.loads(await reader.readline()) == {"ok": True, "result": {}}
    writer.close()


async def test_a_request_without_an_end_is_dropped(path: Path) -> None:
    """Memory stays bounded; others are still answered."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"x" * (MAX_REQUEST * 3))
    assert await reader.read() == b""
    writer.close()
    assert await ask(path, "echo") == {}


async def test_a_gateway_that_is_not_running_is_said_to_be_away(tmp_path: Path) -> None:
    """No socket, and a socket whose process is dead, read the same."""
    dead = tmp_path / "dead.sock"
    server = ControlServer(dead, HANDLERS)
    await server.start()
    left = dead.rename(tmp_path / "left.sock")
    await server.close()
    for path in (tmp_path / "none.sock", left):
        with pytest.raises(ControlError) as caught:
            await ask(path, "echo")
        assert caught.value.is_away
    again = ControlServer(left, HANDLERS)
    await again.start()
    assert await ask(left, "echo") == {}
    await again.close()


async def test_a_second_gateway_on_the_same_folder_is_refused(path: Path) -> None:
    """It would take the socket away from the one that runs."""
    with pytest.raises(ConfigurationError, match="another gateway"):
        await ControlServer(path, HANDLERS).start()
    assert await ask(path, "echo") == {}
