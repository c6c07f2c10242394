"""One connection that pipelined thousands of RCPTs held the loop for seconds and was read ahead for
megabytes: its recipients were judged without a pause, and the transport was never told to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.smtp.connection import READ_AHEAD, Connection
from gateway.smtp.engine import Engine, Offer
from gateway.smtp.watch import Watch
from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import Gateway, Settings, acme
from tests.e2e.ports import LOOPBACK
from tests.e2e.session import Session
from tests.faults.hop import Hop
from tests.faults.houses import Inside

LIMIT = 1
"""Recipients per message, so that nearly all of a flood is refused."""
SENDER = "news@acme.test"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Inside]:
    """A gateway whose messages may have one recipient."""
    tenants = {"acme": acme(limits={"recipients_per_message": LIMIT})}
    with Hop() as hop:
        settings = Settings(hop.port, tenants=tenants)
        harness = Gateway(tmp_path, settings, make_certificates(tmp_path / "tls"))
        with Inside(harness) as running:
            yield running


async def left_when_others_are_heard(house: Inside, flooded: Connection, flood: bytes) -> int:
    """Octets of `flood`, come in one go, that lie there when another customer has its answer."""
    reader, writer = await asyncio.open_connection(LOOPBACK, house.port)
    await reader.readline()
    flooded.data_received(flood)
    writer.write(b"NOOP\r\n")
    assert (await reader.readline()).startswith(b"250 ")
    left = flooded.engine.buffered
    writer.close()
    await writer.wait_closed()
    return left


def test_others_are_heard_before_the_flood_is_through(house: Inside) -> None:
    """A NOOP that comes after thousands of recipients is answered before most are judged."""
    count = 9000
    with Session(house.port) as flooder:
        flooder.mail(SENDER)
        flooder.rcpt("anna@inbox.test")
        (connection,) = house.gateway.watch
        flood = "".join(f"RCPT TO:<reader{n}@inbox.test>\r\n" for n in range(count)).encode()
        left = house.run(left_when_others_are_heard(house, connection, flood))
        assert left > len(flood) / 2
        assert {flooder.answer().tag for _ in range(count)} == {"RCPT-LIMIT"}


def test_a_flood_of_duplicates_comes_to_the_limit(house: Inside) -> None:
    """One recipient again and again is taken once, answered up to the limit and then put off."""
    with Session(house.port) as flooder:
        flooder.mail(SENDER)
        flooder.rcpt("anna@inbox.test")
        flooder.say(*["RCPT TO:<anna@inbox.test>"] * 1000)
        codes = [flooder.answer().code for _ in range(1000)]
    assert codes == [250] * LIMIT + [452] * (1000 - LIMIT)


class Counted(asyncio.Transport):
    """A transport that only knows whether it may be read."""

    is_paused = False

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


async def test_read_ahead_is_bounded() -> None:
    """The transport waits as soon as enough lies there, woken session or not, and goes on later."""
    heard = 0

    async def serve(connection: Connection) -> None:
        nonlocal heard
        while True:
            await connection.next_event()
            heard += 1

    engine, transport = Engine(Offer("gateway.test", 1000)), Counted()
    connection = Connection(engine, "192.0.2.1", Watch(lambda: False), serve, 5.0)
    connection.connection_made(transport)
    await asyncio.sleep(0)
    block, blocks = b"NOOP\r\n" * 10_000, 0
    while blocks < 50 and not transport.is_paused:
        connection.data_received(block)
        blocks += 1
    assert READ_AHEAD < engine.buffered < READ_AHEAD + len(block)
    await asyncio.sleep(0)
    assert (heard, engine.buffered) == (10_000 * blocks, 0)
    assert not transport.is_paused
    assert connection._task is not None
    connection._task.cancel()
