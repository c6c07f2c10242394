"""The customer's side of SMTP as a state machine: octets in, events out. Sans-I/O.

Everything that affects the order of a session lives in this file: which command is allowed when,
what TLS and AUTH must come first, what a pipelined group is, where message data begins and ends.
The session (`session.py`) feeds octets, pulls events one at a time and tells the engine what
became of each; the next command is therefore always judged in the state its predecessor left.
Out-of-order commands come out as `Invalid` with the reply they deserve. Nothing raises.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from gateway import replies
from gateway.framing import BareLineEnding, DataReader, Flaw, LineBuffer, LineTooLong
from gateway.reply import Reply
from gateway.smtp import commands
from gateway.smtp.commands import Command, Hello, Invalid, Mail, Rcpt

GROUP = 100
"""Recipients of one pipelined group that are judged together."""


class State(Enum):
    """Where the session stands."""

    NEW = auto()
    READY = auto()
    MAIL = auto()
    RCPT = auto()
    AUTH = auto()
    DATA = auto()


@dataclass(frozen=True, slots=True)
class Offer:
    """What a listener offers and demands; `hostname` and `max_size` appear in EHLO's answer."""

    hostname: str
    max_size: int
    tls: bool = True
    needs_tls: bool = True
    auth: bool = True
    needs_auth: bool = True


@dataclass(frozen=True, slots=True)
class Group:
    """The RCPT commands that lie ready one behind the other, at most `GROUP`."""

    commands: tuple[Rcpt | Invalid, ...]


@dataclass(frozen=True, slots=True)
class AuthLine:
    """One line of an AUTH exchange, still base64."""

    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """Complete, unstuffed, checked lines of message data."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The final dot has come; `flaw` says why the data cannot be taken."""

    flaw: Flaw | None
    size: int


Event = Command | Group | AuthLine | Block | End

_TABLE: dict[type[Command], dict[State, Reply]] = {
    commands.StartTls: {
        State.MAIL: replies.SEQUENCE.fill(problem="STARTTLS comes before MAIL"),
        State.RCPT: replies.SEQUENCE.fill(problem="STARTTLS comes before MAIL"),
        State.NEW: replies.SEQUENCE.fill(problem="Say EHLO first"),
    },
    commands.Auth: {
        State.MAIL: replies.SEQUENCE.fill(problem="AUTH comes before MAIL"),
        State.RCPT: replies.SEQUENCE.fill(problem="AUTH comes before MAIL"),
        State.NEW: replies.SEQUENCE.fill(problem="Say EHLO first"),
    },
    commands.Mail: {
        State.NEW: replies.SEQUENCE.fill(problem="Say EHLO first"),
        State.MAIL: replies.SEQUENCE.fill(problem="A transaction is open already; RSET ends it"),
        State.RCPT: replies.SEQUENCE.fill(problem="A transaction is open already; RSET ends it"),
    },
    commands.Rcpt: {
        State.NEW: replies.SEQUENCE.fill(problem="MAIL comes before RCPT"),
        State.READY: replies.SEQUENCE.fill(problem="MAIL comes before RCPT"),
    },
    commands.Data: {
        State.NEW: replies.SEQUENCE.fill(problem="MAIL and RCPT come before DATA"),
        State.READY: replies.SEQUENCE.fill(problem="MAIL and RCPT come before DATA"),
        State.MAIL: replies.NO_RECIPIENTS,
    },
}
"""What a command gets in a state in which it is out of order; all else is in order."""


class Engine:
    """One session's state. `offer` may be replaced between transactions."""

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self.state = State.NEW
        self.is_encrypted = False
        self.is_authenticated = False
        self.is_extended = False
        self.hello = ""
        self._lines = LineBuffer()
        self._data: DataReader | None = None
        self._ahead: Command | None = None

    @property
    def buffered(self) -> int:
        """Octets that have come and are not yet events."""
        return len(self._lines)

    def feed(self, octets: bytes) -> None:
        """Take octets from the customer; pull events with `next_event` until it gives None."""
        self._lines.feed(octets)

    def next_event(self) -> Event | None:
        """What comes next, or None until more octets are fed."""
        if self.state is State.DATA:
            return self._next_data()
        if self.state is State.AUTH:
            return self._next_auth_line()
        command = self._next_command()
        if type(command) is Rcpt:
            return self._group(command)
        return command

    # ---- told by the session ------------------------------------------------------------------

    def greeted(self, hello: Hello) -> None:
        """EHLO or HELO was answered with 250; an open transaction is over (section 4.1.4)."""
        self.hello = hello.domain
        self.is_extended = hello.extended
        self.state = State.READY

    def started_tls(self) -> None:
        """TLS is up: everything learnt before it is forgotten (RFC 3207 section 4.2)."""
        self._lines.drain()
        self._ahead = None
        self.is_encrypted = True
        self.hello = ""
        self.state = State.NEW

    def forget_input(self) -> None:
        """Throw away what was pipelined behind STARTTLS (RFC 3207 section 6)."""
        self._lines.drain()
        self._ahead = None

    def expect_auth_line(self) -> None:
        """A challenge was sent: the next line belongs to AUTH."""
        self.state = State.AUTH

    def ended_auth(self, success: bool) -> None:
        """The AUTH exchange is over."""
        self.state = State.READY
        self.is_authenticated = self.is_authenticated or success

    def opened(self) -> None:
        """MAIL was accepted."""
        self.state = State.MAIL

    def accepted_recipient(self) -> None:
        """A RCPT was accepted."""
        self.state = State.RCPT

    def expect_data(self, max_size: int) -> None:
        """354 was sent: what follows is message data of at most `max_size` octets."""
        self.state = State.DATA
        self._data = DataReader(max_size)

    def discard_data(self, flaw: Flaw) -> None:
        """Read the message data to its end, but take none of it."""
        if self._data is not None:
            self._data.discard(flaw)

    def closed(self) -> None:
        """The transaction is over: by RSET, by a refusal, by its final reply."""
        if self.state is not State.NEW:
            self.state = State.READY

    def ehlo_reply(self) -> bytes:
        """The answer to EHLO or HELO, with what is offered in the present state."""
        offer = self.offer
        if not self.is_extended:
            return f"250 {offer.hostname}\r\n".encode("ascii")
        lines = [offer.hostname, "PIPELINING", f"SIZE {offer.max_size}", "8BITMIME", "SMTPUTF8"]
        if offer.tls and not self.is_encrypted:
            lines.append("STARTTLS")
        if offer.auth and not self.is_authenticated and self._may_authenticate():
            lines.append("AUTH PLAIN LOGIN")
        lines += ["ENHANCEDSTATUSCODES", "HELP"]
        head = "".join(f"250-{line}\r\n" for line in lines[:-1])
        return f"{head}250 {lines[-1]}\r\n".encode("ascii")

    # ---- reading ------------------------------------------------------------------------------

    def _next_command(self) -> Command | None:
        if self._ahead is not None:
            command, self._ahead = self._ahead, None
        else:
            parsed = self._parse_line()
            if parsed is None:
                return None
            command = parsed
        return self._in_order(command)

    def _parse_line(self) -> Command | None:
        try:
            line = self._lines.next_line()
        except LineTooLong:
            return Invalid(replies.LINE_TOO_LONG)
        except BareLineEnding:
            return Invalid(replies.BAD_LINE)
        if line is None:
            return None
        command = commands.parse(line)
        if type(command) is Invalid and command.chunk:
            self._lines.skip(command.chunk)
        return command

    def _group(self, first: Rcpt) -> Group:
        group: list[Rcpt | Invalid] = [first]
        while len(group) < GROUP:
            command = self._parse_line()
            if type(command) is Rcpt or (
                type(command) is Invalid and command.reply.tag == replies.RCPT_SYNTAX.tag
            ):
                group.append(command)
            else:
                self._ahead = command
                break
        return Group(tuple(group))

    def _in_order(self, command: Command) -> Command:
        kind = type(command)
        if kind is Mail or kind is Rcpt or kind is commands.Data or kind is commands.Verify:
            if self.offer.needs_tls and not self.is_encrypted:
                return Invalid(replies.TLS_REQUIRED)
            if self.offer.needs_auth and not self.is_authenticated:
                return Invalid(replies.AUTH_REQUIRED)
        elif kind is commands.Auth:
            if not self.offer.auth:
                return Invalid(replies.NOT_IMPLEMENTED.fill(verb="AUTH"))
            if not self._may_authenticate():
                return Invalid(replies.AUTH_BEFORE_TLS)
            if self.is_authenticated:
                return Invalid(replies.SEQUENCE.fill(problem="You are signed in already"))
        elif kind is commands.StartTls:
            if self.is_encrypted:
                return Invalid(replies.SEQUENCE.fill(problem="TLS is on already"))
            if not self.offer.tls:
                return Invalid(replies.NOT_IMPLEMENTED.fill(verb="STARTTLS"))
        refusals = _TABLE.get(kind)
        if refusals is not None:
            reply = refusals.get(self.state)
            if reply is not None:
                return Invalid(reply)
        return command

    def _may_authenticate(self) -> bool:
        return self.is_encrypted or not self.offer.needs_tls

    def _next_auth_line(self) -> AuthLine | Invalid | None:
        try:
            line = self._lines.next_line()
        except LineTooLong:
            return Invalid(replies.LINE_TOO_LONG)
        except BareLineEnding:
            return Invalid(replies.BAD_LINE)
        return None if line is None else AuthLine(line.decode("ascii", "replace"))

    def _next_data(self) -> Block | End | None:
        reader = self._data
        if reader is None:  # the end was handed out and the session has not closed yet
            return None
        while not reader.done:
            octets = self._lines.drain()
            if not octets:
                return None
            block = reader.feed(octets)
            if block:
                return Block(block)
        self._data = None
        self._lines.feed(reader.rest)
        return End(reader.flaw, reader.size)
