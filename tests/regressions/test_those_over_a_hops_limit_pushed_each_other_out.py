"""When more transactions at once opened connections than a next hop lets in, each 421 was taken for
room for who had got one before: it tried again, was refused again, got 451, and the next hop, which
was well, was passed over for seconds."""

from __future__ import annotations

import asyncio

from gateway.events import Event
from gateway.relay.hops import NextHops
from gateway.relay.settings import NextHopSettings, Tls
from gateway.words import Body
from tests.e2e.ports import LOOPBACK
from tests.faults.waiting import eventually

ROOM, OTHERS = 2, 4
ANSWERS = {b"EHLO": b"250-hop.test\r\n250 PIPELINING\r\n", b"QUIT": b"221 2.0.0 Bye\r\n"}


class Narrow:
    """A next hop with room for two; who is one too many is told so later than the one before."""

    def __init__(self) -> None:
        self.inside = self.refused = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if self.inside == ROOM:
            self.refused += 1
            await asyncio.sleep(0.01 * self.refused)
            writer.write(b"421 4.7.0 too many connections\r\n")
        else:
            self.inside += 1
            writer.write(b"220 hop.test\r\n")
            while line := await reader.readline():
                writer.write(ANSWERS.get(line[:4], b"250 2.0.0 Ok\r\n"))
            self.inside -= 1
        writer.close()


async def test_whom_the_next_hop_has_no_room_for_waits_in_line() -> None:
    """Six transactions share two connections, each is answered, and nobody is alarmed."""
    narrow = Narrow()
    alarms: list[str] = []
    all_wait = asyncio.Event()

    def alarm(event: Event) -> None:
        alarms.append(event.kind)

    server = await asyncio.start_server(narrow.talk, LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    hops = NextHops([NextHopSettings("main", LOOPBACK, port, tls=Tls.NONE)], alarm)

    async def ask() -> bool:
        relay = hops.transaction(
            "a@acme.test", size=None, body=Body.SEVEN_BIT, smtputf8=False, tenant="acme"
        )
        (reply,) = await relay.ask(["r@inbox.test"])
        await all_wait.wait()
        await relay.close()
        return reply.is_positive

    async with asyncio.timeout(60):
        asking = asyncio.gather(*(ask() for _ in range(ROOM + OTHERS)))
        await asyncio.to_thread(eventually, lambda: hops.describe()[0]["waiting"] == OTHERS)
        all_wait.set()
        assert await asking == [True] * (ROOM + OTHERS)
    assert (alarms, narrow.refused) == ([], OTHERS)
    await hops.close()
    server.close()
