"""A next hop that does what a script says, over loopback, and what tests of the relay share.

`ScriptedHop` answers like a plain Postfix until `on` tells it otherwise for a verb:
`on("RCPT", b"450 4.2.0 later\\r\\n", hop.DROP)` answers the first RCPT so and breaks the connection
at the second; a function instead decides for every one. It keeps all messages it took.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import ClassVar

import pytest
import uvloop

from gateway.events import Event
from gateway.relay.hops import NextHops
from gateway.relay.settings import NextHopSettings, Timeouts, Tls


class Action(Enum):
    """What a script may say instead of a reply."""

    DROP = "break the connection"
    STALL = "answer nothing, ever"


Step = bytes | Action | None
EHLO = b"250-hop.test\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"


@dataclass
class Taken:
    """One message the hop answered 250 for (or was scripted to, after its dot)."""

    connection: int
    sender: str
    recipients: list[str]
    data: bytes


@dataclass
class ScriptedHop:
    """One listening fake; see the module's text."""

    DROP: ClassVar = Action.DROP
    STALL: ClassVar = Action.STALL
    taken: list[Taken] = field(default_factory=list)
    commands: list[tuple[int, str]] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    _rules: dict[str, Callable[[str], Step]] = field(default_factory=dict)
    _held: dict[str, asyncio.Event] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    def on(self, verb: str, *steps: Step | Callable[[str], Step]) -> None:
        """What to answer to `verb` (also GREETING and DOT); None means as usual."""
        self._held.pop(verb, None)
        if len(steps) == 1 and callable(steps[0]):
            self._rules[verb] = steps[0]
        else:
            queue = deque(steps)
            self._rules[verb] = lambda _: queue.popleft() if queue else None  # type: ignore

    def hold(self, verb: str, until: asyncio.Event) -> None:
        """Answer `verb` as usual, but not before `until` is set."""
        self._held[verb] = until

    async def until(self, condition: Callable[[], object]) -> None:
        """Let the loop run until `condition` holds."""
        while not condition():  # noqa: ASYNC110 - the condition is any state at all
            await asyncio.sleep(0)

    def of(self, verb: str) -> list[tuple[int, str]]:
        """The commands of one verb, each with the number of its connection."""
        return [(number, line) for number, line in self.commands if line.startswith(verb)]

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, limit=30_000_000
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and break every connection."""
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            await self._talk(self.connections, reader, writer)
        except (asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._tasks.discard(task)
            with contextlib.suppress(OSError, RuntimeError):
                writer.transport.abort()

    async def _talk(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        refusals, sender, recipients = 0, None, []

        async def answer(verb: str, line: str, usual: bytes) -> bytes:
            step = self._rules[verb](line) if verb in self._rules else None
            if verb in self._held:
                await self._held[verb].wait()
            if step is Action.STALL:
                await asyncio.Event().wait()
            if step is Action.DROP:
                raise ConnectionError
            reply = usual if step is None else step
            assert isinstance(reply, bytes)
            writer.write(reply)
            if b"421" in reply:
                await writer.drain()
                raise ConnectionError
            return reply

        await answer("GREETING", "", b"220 hop.test ESMTP\r\n")
        while True:
            line = (await reader.readuntil(b"\r\n")).decode().rstrip()
            self.commands.append((number, line))
            verb = line.split(" ", 1)[0].upper()
            if verb == "DATA":
                usual = b"354 go on\r\n" if recipients else b"554 5.5.1 no valid recipients\r\n"
                if (await answer(verb, line, usual)).startswith(b"354"):
                    data = await reader.readuntil(b"\r\n.\r\n")
                    self.commands.append((number, "."))
                    reply = await answer("DOT", "", b"250 2.0.0 queued\r\n")
                    if reply.startswith(b"250"):
                        data = (b"\r\n" + data[:-3]).replace(b"\r\n..", b"\r\n.")[2:]
                        self.taken.append(Taken(number, str(sender), recipients, data))
                    sender, recipients = None, []
                continue
            usual = {
                "EHLO": EHLO,
                "MAIL": b"250 2.1.0 Ok\r\n" if sender is None else b"503 5.5.1 nested MAIL\r\n",
                "RCPT": b"250 2.1.5 Ok\r\n" if sender is not None else b"503 5.5.1 no MAIL\r\n",
                "RSET": b"250 2.0.0 Ok\r\n",
                "QUIT": b"221 2.0.0 Bye\r\n",
            }.get(verb, b"502 5.5.2 unknown\r\n")
            reply = await answer(verb, line, usual)
            if reply[:1] in b"45":
                refusals += 1
                if refusals >= 20:
                    await answer("", "", b"421 4.7.0 too many errors\r\n")
            elif verb == "MAIL":
                sender = line[line.index("<") + 1 : line.index(">")]
            elif verb == "RCPT":
                recipients.append(line[line.index("<") + 1 : line.index(">")])
            elif verb == "RSET":
                sender, recipients = None, []


@dataclass
class Relay:
    """`NextHops` in front of scripted hops, the events it alarmed by, and its clock."""

    settings: list[NextHopSettings]
    events: list[Event] = field(default_factory=list)
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.hops = NextHops(self.settings, self.events.append, lambda: self.now)

    @property
    def alarms(self) -> list[str]:
        """The kinds of the events, in order."""
        return [event.kind for event in self.events]


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that serves in production, and the one it must not depend on."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture
async def hop() -> AsyncIterator[ScriptedHop]:
    """One scripted hop."""
    hop = ScriptedHop()
    await hop.start()
    yield hop
    await hop.stop()


@pytest.fixture
async def second_hop() -> AsyncIterator[ScriptedHop]:
    """Another scripted hop, to fail over to."""
    hop = ScriptedHop()
    await hop.start()
    yield hop
    await hop.stop()


@pytest.fixture
async def relay_to() -> AsyncIterator[Callable[..., Relay]]:
    """Makes a `Relay` to scripted hops; keywords go into every `NextHopSettings`."""
    made: list[Relay] = []

    def make(*hops: ScriptedHop, **settings: object) -> Relay:
        base = NextHopSettings(
            "hop", "127.0.0.1", tls=Tls.NONE, timeouts=Timeouts(0.4, 0.4, 0.4, 0.4, 0.4)
        )
        all_settings = [
            replace(base, name=f"hop-{number}", port=hop.port, **settings)  # type: ignore[arg-type]
            for number, hop in enumerate(hops, 1)
        ]
        relay = Relay(all_settings)
        made.append(relay)
        return relay

    yield make
    for relay in made:
        await relay.hops.close()
