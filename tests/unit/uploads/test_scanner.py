"""clamd by its own protocol: what it finds, and every way in which it may not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.config.clamav import ClamAvSettings
from gateway.uploads.intake import CLEAN, take
from gateway.uploads.picture import Refused, Why
from gateway.uploads.scanner import ScannerAway, scan
from tests.unit.uploads.test_drawing import saved

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


async def clamd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """INSTREAM as clamd(8) describes it."""
    assert await reader.readuntil(b"\0") == b"zINSTREAM\0"
    octets = b""
    while size := int.from_bytes(await reader.readexactly(4), "big"):
        octets += await reader.readexactly(size)
    found = b"Eicar-Test-Signature FOUND" if EICAR in octets else b"OK"
    writer.write(b"stream: " + found + b"\0")
    await writer.drain()
    writer.close()


def saying(answer: bytes) -> Serve:
    """A peer that answers this, whatever it is sent, and closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(20)
        writer.write(answer)
        await writer.drain()
        writer.close()

    return serve


@asynccontextmanager
async def listening(
    serve: Serve, folder: Path, seconds: float = 5.0
) -> AsyncIterator[ClamAvSettings]:
    """That peer on a Unix socket."""
    path = folder / "clamd.ctl"
    server = await asyncio.start_unix_server(serve, path)
    try:
        yield ClamAvSettings(socket=path, timeout=seconds)
    finally:
        server.close()


async def test_what_the_scanner_finds_is_refused_and_named(tmp_path: Path) -> None:
    """A picture with the test virus behind it is not taken; a clean one is, and is called so."""
    async with listening(clamd, tmp_path) as settings:
        assert await scan(settings, bytes(200_000)) == ""
        upload = await take(saved("PNG"), "list.png", settings)
        assert upload.scanned == CLEAN
        with pytest.raises(Refused) as refusal:
            await take(saved("PNG") + EICAR, "list.png", settings)
    assert refusal.value.why is Why.VIRUS
    assert refusal.value.found == "Eicar-Test-Signature"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"stream: ",
        b"stream: OK",
        b"stream: \0",
        b"INSTREAM size limit exceeded. ERROR\0",
        b"UNKNOWN COMMAND\0",
        b"stream: OK FOUNDLING\0",
        b"x" * 10_000,
    ],
)
async def test_a_scanner_that_does_not_say_ok_has_not_said_it(
    answer: bytes, tmp_path: Path
) -> None:
    """Cut short, an error, too long or something else: nobody knows, and nothing is taken."""
    async with listening(saying(answer), tmp_path) as settings:
        with pytest.raises(ScannerAway):
            await take(saved("PNG"), "list.png", settings)


async def test_a_scanner_that_is_away_or_silent_is_away(tmp_path: Path) -> None:
    """Nobody listens on socket or port, or nobody answers in time."""
    for settings in (
        ClamAvSettings(socket=tmp_path / "none.ctl"),
        ClamAvSettings(host="127.0.0.1", port=9),
    ):
        with pytest.raises(ScannerAway):
            await scan(settings, b"octets")
    held = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        writer.close()

    async with listening(silent, tmp_path, seconds=0.05) as settings:
        with pytest.raises(ScannerAway):
            await scan(settings, b"octets")
        held.set()


@pytest.mark.parametrize("said", [{}, {"socket": "/a", "host": "b"}, {"socket": "relative.ctl"}])
def test_the_scanner_is_named_in_one_way(said: dict[str, str]) -> None:
    """Either a socket by its whole path or a host; else the configuration is refused."""
    with pytest.raises(ValueError, match="socket"):
        ClamAvSettings.model_validate(said)
