"""One dialogue through a whole gateway in this process: connection, session, policies, delivery.

All parts are the real ones and run on a uvloop loop, but for the sockets: a transport that only
collects what is written, a TLS handshake that succeeds or fails at once, and a next hop that
answers by the recipient's name. Between two dialogues two days pass on the gateway's steady clock,
so that no limit of one tells on the next. The dialogue's transcript is then judged from outside.
"""

from __future__ import annotations

import asyncio
import atexit
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import uvloop
from argon2 import PasswordHasher

from gateway.app import Gateway
from gateway.config.load import load
from gateway.journal import encode
from gateway.relay.answers import outcome_of
from gateway.relay.outcome import HopReply, Outcome
from gateway.relay.transaction import Copy
from gateway.smtp import commands
from gateway.smtp.authentication import Authenticator
from gateway.smtp.connection import READ_AHEAD, Connection, Waiting
from gateway.smtp.engine import AuthLine, Block, End, Engine, Event, Group
from gateway.smtp.services import Listening
from gateway.smtp.session import serve
from tests.campaigns.dialogue_seeds import PAUSE
from tests.campaigns.mutation import segments
from tests.campaigns.promises import COUNTS, Broken, promise, replies_in
from tests.campaigns.transcript import Line, check_transcript
from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import Gateway as Configuration
from tests.e2e.gateway import Settings, acme

PATIENCE = 20.0
"""Seconds after which a dialogue hangs; that it takes under one is the driver's to see."""
UPKEEP = 1000
"""Dialogues after which the windows are saved, as a running gateway does every second."""
TWO_DAYS = 172_800.0
LISTENERS = ("open", "submission", "open", "submissions")
_ADDRESS = re.compile(rb"\w@\w")
_OURS = frozenset(("session.failed", "policy.failed", "task.failed"))


class Hop:
    """A next hop that takes all but `no…` (550) and `later…` (450); notes what comes unclean."""

    def __init__(self, unkept: list[Broken]) -> None:
        self._unkept = unkept

    def transaction(self, sender: str, **_: object) -> Hop:
        """A transaction is as good as another: nothing is kept."""
        return self

    async def ask(self, recipients: Sequence[str], sender: str = "") -> list[HopReply]:
        """One reply for each."""
        return [_verdict(recipient) for recipient in recipients]

    async def send(self, copy: Copy, before_dot: Callable[[], None]) -> list[Outcome]:
        """Take the copy; its octets must be clean."""
        octets = copy.header + b"".join(copy.body)
        lines = octets.count(b"\r\n")
        if not octets.count(b"\n") == octets.count(b"\r") == lines or b"\0" in octets:
            # Kept, not raised: the delivery would take it for a fault of its own.
            self._unkept.append(Broken("no bare CR, LF or NUL reaches the next hop", octets))
        before_dot()
        COUNTS["copies sent"] += 1
        taken = HopReply(250, "2.0.0", "queued")
        return [outcome_of(taken)] * len(copy.recipients)

    def abandon(self) -> None:
        """Nothing is under way that could be dropped."""

    async def close(self) -> None:
        """Nothing is open."""

    def supports(self, smtputf8: bool) -> bool:
        """Everything is offered."""
        return True


def _verdict(recipient: str) -> HopReply:
    if recipient.startswith("no"):
        return HopReply(550, "5.1.1", "No such user")
    if recipient.startswith("later"):
        return HopReply(450, "4.2.1", "Try again")
    return HopReply(250, "2.1.5", "Ok")


class Transport(asyncio.Transport):
    """Collects what the session writes; closing it tells the connection soon, as a loop does."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: Connection) -> None:
        super().__init__()
        self.loop, self.connection = loop, connection
        self.written: list[bytes] = []
        self.is_over = False

    def write(self, data: Any) -> None:
        """Keep the octets."""
        self.written.append(bytes(data))

    def pause_reading(self) -> None:
        """Segments are fed only when the session waits, so there is nothing to hold back."""

    def resume_reading(self) -> None:
        """See `pause_reading`."""

    def close(self) -> None:
        """Tell the connection that it is over."""
        if not self.is_over:
            self.is_over = True
            self.loop.call_soon(self.connection.connection_lost, None)

    abort = close


class Watched(Engine):
    """The engine, with a record of the events that the session pulled."""

    events: list[Event]

    def next_event(self) -> Event | None:
        """What the engine gives, noted."""
        event = super().next_event()
        if event is not None and type(event) is not Block:
            self.events.append(event)
        return event


class Loop:
    """What a connection asks of its loop, and a TLS handshake without a peer."""

    def __init__(self, loop: asyncio.AbstractEventLoop, dialogue: Dialogue) -> None:
        self.time, self.create_task = loop.time, loop.create_task
        self.create_future = loop.create_future
        self._dialogue = dialogue

    async def start_tls(self, transport: Transport, *_: object, **__: object) -> Transport:
        """Up at once, or failed."""
        dialogue = self._dialogue
        promise(not dialogue.engine.buffered, "nothing pipelined behind STARTTLS is kept")
        dialogue.has_cut = True
        dialogue.connection.data_received(b"MAIL FROM:<evil@acme.test>\r\n")
        if dialogue.fails_tls:
            transport.close()
            raise OSError("handshake failed")
        await asyncio.sleep(0)
        return transport


class Dialogue:
    """One dialogue with the gateway."""

    def __init__(self, house: House, listening: Listening, flags: int) -> None:
        self.engine = Watched(listening.offer)
        self.engine.events = []
        self.engine.is_encrypted = listening.is_implicit
        self.is_over = self.has_cut = False
        self.fails_tls, self.leaves = flags & 12 == 12, flags & 0x30 == 0x30
        self.leaves_after = 3 + (flags >> 6) * 3
        self.fault: BaseException | None = None
        self.listening = listening

        async def serving(connection: Connection) -> None:
            try:
                await serve(connection, house.gateway.services, listening)
            except BaseException as fault:
                self.fault = fault
            finally:
                self.is_over = True

        services = house.gateway.services
        self.connection = Connection(
            self.engine, "127.0.0.1", services.watch, serving, services.current().idle_seconds
        )
        self.connection.loop = Loop(house.loop, self)  # type: ignore[assignment]
        self.transport = Transport(house.loop, self.connection)

    async def play(self, octets: bytes, random: Random) -> None:
        """Feed it all, leave, and wait for the end."""
        self.connection.connection_made(self.transport)
        until = time.perf_counter() + PATIENCE
        await self._settle(until)
        for flight in octets.split(PAUSE):
            self.has_cut = False
            for segment in segments(random, flight):
                if self.has_cut or self.transport.is_over:
                    break
                COUNTS["segments"] += 1
                for start in range(0, len(segment), READ_AHEAD):
                    self.connection.data_received(segment[start : start + READ_AHEAD])
                    await self._settle(until)
            if self.transport.is_over:
                break
            if self.leaves and len(self.engine.events) > self.leaves_after:
                break
        if not self.transport.is_over:
            self.transport.close()
        while not (self.is_over and self.connection.is_gone):
            await asyncio.sleep(0)
            promise(time.perf_counter() < until, "no dialogue hangs", octets[-200:])

    async def _settle(self, until: float) -> None:
        """Let the session work until it waits for octets or is over."""
        await asyncio.sleep(0)
        while self.connection.waiting is Waiting.NOTHING and not self.is_over:
            await asyncio.sleep(0)
            promise(time.perf_counter() < until, "no dialogue hangs", self.engine.events[-3:])


class House:
    """The gateway under test; made at the first dialogue, closed at exit."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="consentry-fuzz-")
        folder = Path(self._folder.name)
        tenant = acme(domains={"acme.test": {"dkim": [_ED]}}, streams=_STREAMS)
        settings = Settings(next_hop_port=1, tenants={"acme": tenant}, gateway=_GATEWAY)
        configuration = Configuration(folder, settings, make_certificates(folder / "certificates"))
        configuration.write()
        self.loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self.steady, self.played = time.time(), 0
        self.faults: list[object] = []
        self.unkept: list[Broken] = []
        """What was seen where raising it would be taken for a fault of the gateway's."""
        self.loop.run_until_complete(self._open(configuration))
        atexit.register(self._close)

    async def _open(self, configuration: Configuration) -> None:
        self.gateway = gateway = Gateway(load(configuration.config), steady=lambda: self.steady)
        cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        gateway.services.authenticator = Authenticator(gateway.stores.rates, time.time, cheap)
        gateway.services.hops = gateway.delivery._hops = Hop(self.unkept)  # type: ignore[assignment]
        write = gateway.journal.emit

        def emit(event: Any) -> None:
            if event.kind in _OURS or "fault" in str(event.detail.get("trail", "")):
                self.faults.append((event.kind, event.detail))
            line = encode(event)
            # A login is the customer's own name, whatever it looks like.
            if line.count(b"\n") != 1 or ("login" not in event.detail and _ADDRESS.search(line)):
                self.unkept.append(Broken("an event is one line without an address", line))
            write(event)

        gateway.journal.emit = emit  # type: ignore[method-assign]
        gateway.watch.max_connections = 10
        await gateway.ledger.open()
        self._ledger = asyncio.get_running_loop().create_task(gateway.ledger.run())

    def _close(self) -> None:
        self.loop.run_until_complete(self._end())
        self.loop.close()
        self._folder.cleanup()

    async def _end(self) -> None:
        self._ledger.cancel()
        with suppress(asyncio.CancelledError):
            await self._ledger
        self.gateway.services.authenticator.close()
        await self.gateway.stop()

    async def play(self, flags: int, octets: bytes, random: Random) -> None:
        """Play one dialogue and judge it; raises `Broken`."""
        self.steady += TWO_DAYS
        self.played += 1
        if self.played % UPKEEP == 0:
            assert self.gateway.stores.checkpoint is not None
            await self.gateway.stores.checkpoint.save()
        listening = self.gateway._prepared.listeners[LISTENERS[flags & 3]][1]
        dialogue = Dialogue(self, listening, flags)
        self.faults.clear()
        await dialogue.play(octets, random)
        if isinstance(dialogue.fault, Broken):
            raise dialogue.fault
        promise(dialogue.fault is None, "no session crashes", dialogue.fault)
        if self.unkept:
            first = self.unkept[0]
            self.unkept.clear()
            raise first
        promise(not self.faults, "no fault of ours is met", self.faults)
        promise(not len(self.gateway.watch), "no connection stays open")
        promise(not self.gateway.budget.used, "no memory stays reserved")
        promise(not self.gateway.ledger.owners, "no recipient stays owned")
        written = b"".join(dialogue.transport.written)
        events = [_line(event) for event in dialogue.engine.events]
        COUNTS["events"] += len(events)
        replies = replies_in(written, octets)
        COUNTS.update([f"replies {reply.code // 100}xx" for reply in replies])
        check_transcript(events, replies, listening)


def _line(event: Event) -> Line:
    """The kind of an event and how many replies it gets."""
    match event:
        case Group():
            return Line("rcpt", len(event.commands))
        case End():
            return Line("end", 1)
        case AuthLine():
            return Line("auth", 1)
    return Line(_KINDS.get(type(event), "other"), 1)


_KINDS = {
    commands.Hello: "hello", commands.StartTls: "starttls", commands.Auth: "auth",
    commands.Mail: "mail", commands.Data: "data", commands.Reset: "reset", commands.Quit: "quit",
}  # fmt: skip
_ED = {"selector": "ed", "key_file": "keys/ed.pem"}
_STREAMS = {
    "orders": {"kind": "transactional", "verified": True, "default": True},
    "weekly": {"kind": "list", "mail_from": ["weekly@acme.test"]},
}
_GATEWAY = {"journal": {"max_bytes": "1 MiB", "keep_files": 2}}
_house: list[House] = []


def one_session(flags: int, octets: bytes, random: Random) -> None:
    """Play one dialogue against the gateway of this process; raises `Broken`."""
    if not _house:
        _house.append(House())
    house = _house[0]
    house.loop.run_until_complete(house.play(flags, octets, random))
