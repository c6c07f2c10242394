"""The idle limit began anew with every octet, so a command sent octet by octet had no limit."""

from __future__ import annotations

import asyncio

from gateway.smtp.connection import Connection, Overdue
from gateway.smtp.engine import Engine, Offer
from gateway.smtp.watch import Watch


async def test_octets_of_an_unfinished_command_buy_no_time() -> None:
    """The limit runs from the moment the session began to wait for the command."""

    async def serve(connection: Connection) -> None:
        await connection.next_event()

    engine = Engine(Offer("gateway.test", 1000))
    connection = Connection(engine, "192.0.2.1", Watch(lambda: False), serve, 5.0)
    connection.connection_made(asyncio.Transport())
    now = 1000.0
    connection.loop = type("Clock", (), {"time": lambda _: now, "create_future": asyncio.Future})()
    for _ in range(6):
        await asyncio.sleep(0)
        connection.data_received(b"N")
        now += 1.0
    await asyncio.sleep(0)
    assert connection.check(now, False) is Overdue.SILENCE
    connection.data_received(b"OOP\r\n")
    assert connection._task is not None
    await connection._task
