from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from gateway.config.values import Endpoint
from gateway.errors import ConfigurationError
from gateway.socket_keeper import SocketKeeper
from gateway.sockets import MAX_LINE, SOCKET, Sockets, key_of

ANY = Endpoint("127.0.0.1", 0)


class Kept:
    """A keeper, and what it was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ready: list[int] = []
        self.keeper = SocketKeeper(folder, self.ready.append)

    async def take(self, process: str, name: str, endpoint: Endpoint = ANY) -> socket.socket:
        """What a process gets, in a thread as if it were one."""
        return await asyncio.to_thread(Sockets(self.folder, process).take, name, endpoint)

    async def use(self, process: str, *used: tuple[str, Endpoint]) -> None:
        """Say what a process uses."""
        keys = [key_of(name, endpoint) for name, endpoint in used]
        await asyncio.to_thread(Sockets(self.folder, process).ready, keys)

    async def say(self, octets: bytes) -> bytes:
        """What is answered to these octets."""
        reader, writer = await asyncio.open_unix_connection(self.folder / SOCKET)
        try:
            writer.write(octets)
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    kept = Kept(tmp_path)
    await kept.keeper.start()
    yield kept
    await kept.keeper.close()
    assert not (tmp_path / SOCKET).exists()


def port(of: socket.socket) -> int:
    return int(of.getsockname()[1])


def is_open(at: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", at)) == 0


async def test_workers_get_the_same_socket(kept: Kept) -> None:
    """Two that ask for one listener share it, also on any free port; another has its own."""
    assert stat.S_IMODE((kept.folder / SOCKET).stat().st_mode) == 0o600
    first, second, other = [
        await kept.take(process, name)
        for process, name in (("smtp", "a"), ("smtp-2", "a"), ("smtp", "b"))
    ]
    assert port(first) == port(second) != port(other)
    assert not first.getblocking()
    with socket.create_connection(("127.0.0.1", port(first))):
        first.close()
        accepted, _ = second.accept()
        accepted.close()
    second.close()
    other.close()


async def test_a_socket_outlives_the_process_that_used_it(kept: Kept) -> None:
    """Connections wait in it for the successor, even while others say what they use."""
    before = await kept.take("smtp", "a")
    at = port(before)
    await kept.use("smtp", ("a", ANY))
    before.close()
    await kept.use("web")
    with socket.create_connection(("127.0.0.1", at)) as client:
        after = await kept.take("smtp", "a")
        accepted, peer = after.accept()
        assert peer == client.getsockname()
        accepted.close()
        after.close()
    assert kept.ready == [os.getpid()] * 2


async def test_what_nobody_uses_any_more_is_closed(kept: Kept) -> None:
    """When the last of the workers has dropped a listener, and when one is not wanted any more."""
    taken = [await kept.take(process, "a") for process in ("smtp", "smtp-2")]
    own = await kept.take("smtp-3", "b")
    at, third = port(taken[0]), port(own)
    for one in (*taken, own):
        one.close()
    await kept.use("smtp")
    assert is_open(at)
    await kept.use("smtp-2")
    assert not is_open(at)
    assert is_open(third)
    kept.keeper.forget("smtp-3")
    assert not is_open(third)


async def test_an_address_in_use_is_told_in_the_configurations_words(kept: Kept) -> None:
    """With and without a supervisor."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = Endpoint("127.0.0.1", port(taken))
        with pytest.raises(ConfigurationError, match=r"listener a: 127\.0\.0\.1:\d+: Address"):
            await kept.take("smtp", "listener a", endpoint)
        with pytest.raises(ConfigurationError, match=r"listener a: 127\.0\.0\.1:\d+: Address"):
            Sockets(kept.folder / "alone", "smtp").take("listener a", endpoint)


def test_a_process_without_a_supervisor_has_its_own_sockets(tmp_path: Path) -> None:
    """Nobody keeps them, and a socket that a killed supervisor left is nobody, too."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / SOCKET))
    sockets = Sockets(tmp_path, "smtp")
    own = sockets.take("a", ANY)
    sockets.ready([key_of("a", ANY)])
    assert is_open(port(own))
    own.close()


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense\n",
        b"[1]\n",
        b'{"process": "smtp", "take": ["127.0.0.1", "x", ""]}\n',
        b'{"process": "smtp", "take": ["127.0.0.1", 25]}\n',
        b'{"process": "smtp", "take": ["127.0.0.1", 99999, ""]}\n',
        b'{"process": "smtp", "ready": [1], "pid": 1}\n',
        b'{"take": ["127.0.0.1", 0, ""]}\n',
    ],
)
async def test_nonsense_is_answered_with_an_error(kept: Kept, line: bytes) -> None:
    """It opens nothing, and the next request is served."""
    assert "error" in orjson.loads(await kept.say(line))
    (await kept.take("smtp", "a")).close()
    assert kept.ready == []


async def test_a_request_without_an_end_is_dropped(kept: Kept) -> None:
    """Memory stays bounded; others are still answered."""
    assert await kept.say(b"x" * (2 * MAX_LINE)) == b""
    (await kept.take("smtp", "a")).close()


async def test_a_second_supervisor_on_the_same_folder_is_refused(kept: Kept) -> None:
    """It would take the sockets away from the one that runs."""
    with pytest.raises(ConfigurationError, match="another gateway"):
        await SocketKeeper(kept.folder, lambda _pid: None).start()
