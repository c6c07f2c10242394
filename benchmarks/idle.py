"""Memory of idle connections: how much the SMTP process grows by holding thousands with TLS.

Each is opened, encrypted and signed in, then does nothing. At the end every one must still answer.
Raises RunFailed when one does not.
"""

from __future__ import annotations

import asyncio
import base64
import ssl

import uvloop

from benchmarks.house import LOGINS, House
from benchmarks.processes import RunFailed, resident_bytes
from tests.e2e.ports import LOOPBACK

CONNECTIONS = 2_000
_AT_ONCE = 50


def bytes_per_connection(house: House) -> float:
    """Octets of memory for each of `CONNECTIONS` idle sessions."""
    return uvloop.run(_hold(house))


async def _hold(house: House) -> float:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    before = resident_bytes(house.smtp)
    held: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    for start in range(0, CONNECTIONS, _AT_ONCE):
        numbers = range(start, start + _AT_ONCE)
        held += await asyncio.gather(*(_open(house.tls, context, number) for number in numbers))
    grown = resident_bytes(house.smtp) - before
    for reader, writer in held:
        await _say(reader, writer, b"NOOP", b"250")
    for _, writer in held:
        writer.transport.abort()
    return grown / CONNECTIONS


async def _open(
    port: int, context: ssl.SSLContext, number: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(LOOPBACK, port, ssl=context)
    await _answer(reader, b"220")
    await _say(reader, writer, b"EHLO idle.test", b"250")
    secret = f"\0{LOGINS[number % len(LOGINS)]}".replace(":", "\0")
    await _say(reader, writer, b"AUTH PLAIN " + base64.b64encode(secret.encode()), b"235")
    return reader, writer


async def _say(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes, code: bytes
) -> None:
    writer.write(line + b"\r\n")
    await _answer(reader, code)


async def _answer(reader: asyncio.StreamReader, code: bytes) -> None:
    line = await reader.readline()
    while line[3:4] == b"-":
        line = await reader.readline()
    if not line.startswith(code):
        raise RunFailed(f"an idle connection heard {line!r} instead of {code.decode()}")
