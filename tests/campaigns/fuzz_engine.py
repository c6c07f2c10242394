"""One dialogue through our side's engine alone, by a session that only says yes and no.

The dialogue is played twice, cut into segments and in one piece: both must give the same events.
The session here keeps its own account of what was accepted, so that what the engine lets pass is
checked against the octets and the answers, not against the engine's own state.
"""

from __future__ import annotations

from functools import lru_cache
from random import Random

from gateway.errors import AddressSyntaxError
from gateway.framing import BLOCK, COMMAND_LINE, Flaw
from gateway.message.address import parse_path
from gateway.replies import BAD_LINE, LINE_TOO_LONG
from gateway.reply import Reply
from gateway.smtp import commands
from gateway.smtp.engine import AuthLine, Block, End, Engine, Event, Group, Offer
from gateway.smtp.sasl import Credentials, Exchange
from tests.campaigns.dialogue_seeds import LOGIN, PASSWORD, PAUSE
from tests.campaigns.mutation import segments
from tests.campaigns.promises import COUNTS, promise, replies_in

OFFERS = (
    Offer("mx.test", 1_000_000, tls=False, needs_tls=False, auth=False, needs_auth=False),
    Offer("mx.test", 2_000),
    Offer("mx.test", 1_000_000, tls=True, needs_tls=False, auth=True, needs_auth=False),
    Offer("mx.test", 300, tls=True, needs_tls=False),
)
_BAD_LINES = frozenset((BAD_LINE.tag, LINE_TOO_LONG.tag))
_BAD_LINE = commands.Invalid(BAD_LINE)


class Plain:
    """The least session that leads an engine through a dialogue; `seen` is what it was given."""

    def __init__(self, offer: Offer) -> None:
        self.engine = Engine(offer)
        self.seen: list[object] = []
        self.is_over = False
        self._octets: list[bytes] = []
        self._exchange: Exchange | None = None
        self._is_greeted = self._is_secret = self._is_known = False
        self._is_mailed = self._has_recipient = False

    def feed(self, segment: bytes) -> bool:
        """Take a segment; False when what follows it before a pause is not heard any more."""
        engine = self.engine
        engine.feed(segment)
        for _ in range(len(segment) + COMMAND_LINE + 4):  # no event is made of less than an octet
            event = engine.next_event()
            if event is None:
                promise(engine.buffered <= COMMAND_LINE + 2, "little is kept between segments")
                data = engine._data
                kept = len(data._buffer) if data is not None else 0
                promise(kept < BLOCK + len(segment) + 4, "little is kept between segments", kept)
                return True
            COUNTS["events"] += 1
            self._take(event)
            if self.is_over or type(event) is commands.StartTls:
                return False
        promise(False, "the engine comes to an end", segment)
        return False

    def _take(self, event: Event) -> None:
        engine = self.engine
        match event:
            case Block():
                self._block(event.octets)
                return
            case End():
                self.seen.append((b"".join(self._octets), event.size) if not event.flaw else "bad")
                self._octets.clear()
                self._is_mailed = self._has_recipient = False
                engine.closed()
                return
            case Group():
                self._group(event)
                self.seen += event.commands
                return
            case commands.Hello():
                engine.greeted(event)
                self._is_greeted, self._is_mailed, self._has_recipient = True, False, False
                replies_in(engine.ehlo_reply(), b"")
            case commands.StartTls():
                self._start_tls()
            case commands.Auth() | AuthLine():
                self._auth(event)
            case commands.Mail():
                self._mail(event)
            case commands.Data():
                promise(self._is_mailed and self._has_recipient, "DATA comes after MAIL and RCPT")
                engine.expect_data(engine.offer.max_size)
                if len(self.seen) % 7 == 3:
                    engine.discard_data(Flaw.NO_MEMORY)
            case commands.Reset():
                self._is_mailed = self._has_recipient = False
                engine.closed()
            case commands.Quit():
                self.is_over = True
            case commands.Invalid():
                _told(event.reply)
                if self._exchange is not None:
                    self._exchange = None
                    engine.ended_auth(success=False)
                if event.reply.tag in _BAD_LINES:
                    event = _BAD_LINE  # which of the two it is may depend on the segments
        self.seen.append(event)

    def _block(self, octets: bytes) -> None:
        lines = octets.count(b"\r\n")
        promise(
            octets.endswith(b"\r\n") and octets.count(b"\n") == octets.count(b"\r") == lines
            and b"\0" not in octets,
            "no bare CR, LF or NUL leaves the data reader", octets[:200],
        )  # fmt: skip
        self._octets.append(octets)

    def _start_tls(self) -> None:
        promise(not self._is_mailed and not self._is_secret, "STARTTLS comes before MAIL, once")
        self.engine.forget_input()
        promise(self.engine.next_event() is None, "nothing pipelined behind STARTTLS is executed")
        self.engine.feed(b"MAIL FROM:<evil@acme.test>\r\nNO")
        self.engine.started_tls()
        promise(self.engine.next_event() is None, "nothing pipelined behind STARTTLS is executed")
        self._is_secret, self._is_greeted = True, False

    def _auth(self, event: commands.Auth | AuthLine) -> None:
        if isinstance(event, AuthLine):
            promise(self._exchange is not None, "an AUTH line comes in an exchange only")
            assert self._exchange is not None
            step = self._exchange.answer(event.text)
        else:
            may = self._is_secret or not self.engine.offer.needs_tls
            promise(may and self._is_greeted and not self._is_mailed, "AUTH comes in its place")
            self._exchange = Exchange(event.mechanism)
            step = self._exchange.begin(event.initial)
        if isinstance(step, str):
            replies_in(step.encode("ascii"), b"")
            self.engine.expect_auth_line()
            return
        success = isinstance(step, Credentials) and (step.login, step.password) == (LOGIN, PASSWORD)
        self._exchange = None
        self._is_known = self._is_known or success
        self.engine.ended_auth(success)

    def _mail(self, event: commands.Mail) -> None:
        offer = self.engine.offer
        promise(self._is_greeted and not self._is_mailed, "MAIL comes in its place")
        promise(self._is_secret or not offer.needs_tls, "MAIL comes after TLS where it must")
        promise(self._is_known or not offer.needs_auth, "MAIL comes after AUTH where it must")
        if _is_path(event.path):
            self._is_mailed = True
            self.engine.opened()

    def _group(self, group: Group) -> None:
        promise(self._is_mailed, "RCPT comes after MAIL")
        for command in group.commands:
            if isinstance(command, commands.Invalid):
                _told(command.reply)
            elif _is_path(command.path) and not command.path.startswith("<no"):
                self._has_recipient = True
                self.engine.accepted_recipient()


def _told(reply: Reply) -> None:
    COUNTS[f"replies {reply.code // 100}xx"] += 1
    _check(reply)


@lru_cache(maxsize=1024)
def _check(reply: Reply) -> None:
    said = reply.text.encode()
    promise(len(replies_in(reply.encode("ref"), said)) == 1, "each reply is well formed", reply)


def _is_path(path: str) -> bool:
    try:
        parse_path(path)
    except AddressSyntaxError:
        return False
    return True


def play(octets: bytes, offer: Offer, random: Random | None) -> list[object]:
    """What the engine makes of a dialogue; without `random` each flight comes in one piece."""
    session = Plain(offer)
    for flight in octets.split(PAUSE):
        for segment in segments(random, flight) if random else (flight,):
            COUNTS["segments"] += 1
            if not session.feed(segment):
                break
        if session.is_over:
            break
    return session.seen


def one_dialogue(flags: int, octets: bytes, random: Random) -> None:
    """Play it in both ways and compare; raises `Broken`."""
    offer = OFFERS[flags % len(OFFERS)]
    cut, whole = play(octets, offer, random), play(octets, offer, None)
    promise(cut == whole, "segments make no difference", (cut, whole))
