"""Asks clamd whether octets hold malware (its INSTREAM command, see clamd(8)).

`scan` gives what it found, "" when nothing. Raises ScannerAway when it cannot be reached, breaks
off, takes too long or answers something else: then nobody knows, and nothing may be kept.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from gateway.config.clamav import ClamAvSettings
from gateway.errors import ConsentryError

_CHUNK = 65_536
_MAX_ANSWER = 4096


class ScannerAway(ConsentryError):
    """The scanner did not say what it thinks; try again later."""


async def scan(settings: ClamAvSettings, octets: bytes) -> str:
    """The name of what was found, or ""."""
    try:
        async with asyncio.timeout(settings.timeout):
            answer = await _ask(settings, octets)
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError) as error:
        raise ScannerAway(f"clamd: {error or type(error).__name__}") from error
    text = answer.decode("utf-8", "replace").removeprefix("stream:").strip()
    if text == "OK":
        return ""
    if text.endswith(" FOUND"):
        name = "".join(c if c.isprintable() else "?" for c in text.removesuffix(" FOUND"))
        return name[:200] or "unnamed"
    raise ScannerAway("clamd did not say OK or FOUND")


async def _ask(settings: ClamAvSettings, octets: bytes) -> bytes:
    if settings.socket is not None:
        reader, writer = await asyncio.open_unix_connection(settings.socket, limit=_MAX_ANSWER)
    else:
        reader, writer = await asyncio.open_connection(
            settings.host, settings.port, limit=_MAX_ANSWER
        )
    try:
        # clamd answers and closes before the end when it takes no more: read what it says then.
        with suppress(ConnectionError):
            writer.write(b"zINSTREAM\0")
            for start in range(0, len(octets), _CHUNK):
                part = octets[start : start + _CHUNK]
                writer.write(len(part).to_bytes(4, "big") + part)
                await writer.drain()
            writer.write(bytes(4))
            await writer.drain()
        return (await reader.readuntil(b"\0"))[:-1]
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
