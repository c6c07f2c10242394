"""The client's half of SMTP without I/O: octets of the next hop in, checked replies out.

`Engine` knows which commands are unanswered and takes a reply only in the place of the command it
answers, so that no message ever gets another's answer: what nobody asked for, a code that cannot
answer that command, a reply over 100 lines or 8 KiB or in anything but CRLF lines raises `Garbled`,
after which the connection is good for nothing. The commands' octets are made here too. It does not
know of time, connections or recipients.
"""

from __future__ import annotations

import base64
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

from gateway.framing import FramingError, LineBuffer
from gateway.relay.outcome import HopReply
from gateway.reply import clean
from gateway.words import Body

MAX_REPLY_LINES = 100
MAX_REPLY_OCTETS = 8192
_ENHANCED = re.compile(rb"([245]\.\d{1,3}\.\d{1,3})(?: |$)")
_IP = re.compile(r"\[[0-9A-Fa-f:.]+\]|(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])")
_GREETING_NAME = re.compile(r"[\w-]+(?:\.[\w-]+)+")


class Place(Enum):
    """What a reply answers."""

    GREETING = auto()
    EHLO = auto()
    HELO = auto()
    STARTTLS = auto()
    AUTH = auto()
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    DOT = auto()
    RSET = auto()
    QUIT = auto()


_POSITIVE: dict[Place, tuple[int, ...]] = {
    Place.GREETING: (220,),
    Place.EHLO: (250,),
    Place.HELO: (250,),
    Place.STARTTLS: (220,),
    Place.AUTH: (235, 334),
    Place.MAIL: (250,),
    Place.RCPT: (250, 251, 252),
    Place.DATA: (354,),
    Place.DOT: (250,),
    Place.RSET: (250,),
    Place.QUIT: (221,),
}
"""The 2xx and 3xx that can answer each command; any 4xx and 5xx can (RFC 5321 section 4.3.2)."""


class Garbled(Exception):
    """The next hop's octets are no reply, or none that fits its place."""


@dataclass(frozen=True, slots=True)
class Offers:
    """What the next hop's EHLO announced."""

    pipelining: bool = False
    eight_bit: bool = False
    smtputf8: bool = False
    size: bool = False
    starttls: bool = False
    auth: frozenset[str] = frozenset()


class Engine:
    """One connection's unanswered commands. `offers` follows the last EHLO.

    `farewell` is the 421 the next hop took its leave with, if it did: nothing is answered after
    it. The 421 itself is handed out only in the place of the final dot, which it answers for good.
    """

    __slots__ = ("_code", "_lines", "_names", "_octets", "_places", "_reply", "farewell", "offers")

    def __init__(self, names: Iterable[str]) -> None:
        """`names` are the next hop's own, which no reply's text may carry further."""
        self._lines = LineBuffer(MAX_REPLY_OCTETS)
        self._places: deque[Place] = deque()
        self._reply: list[bytes] = []
        self._octets = 0
        self._code = b""
        self._names = [name for name in names if name]
        self.offers = Offers()
        self.farewell: HopReply | None = None

    def expect(self, places: Iterable[Place]) -> None:
        """Commands were written that will be answered, in this order."""
        self._places.extend(places)

    def receive(self, data: bytes) -> list[HopReply]:
        """The replies that `data` completes, in the order of the commands; raises `Garbled`."""
        if self.farewell is not None:
            return []
        replies: list[HopReply] = []
        lines = self._lines
        lines.feed(data)
        try:
            while len(lines) and (line := lines.next_line()) is not None:
                if self._reply or line[3:4] == b"-":
                    if not self._is_last(line):
                        continue
                    texts, self._reply, self._octets = self._reply, [], 0
                    reply = _read(line[:3], texts)
                else:
                    texts = [line[4:]]
                    reply = _read_single(line)
                if not self._place(reply, texts, replies):
                    return replies
        except FramingError as error:
            raise Garbled(f"not a line: {type(error).__name__}") from error
        if not self._places and (len(lines) or self._reply):
            raise Garbled("octets that answer nothing")
        return replies

    def _is_last(self, line: bytes) -> bool:
        """Add a line to a reply of several; True when it ends the reply."""
        if self._reply and line[:3] != self._code:
            raise Garbled("a reply of two codes")
        self._code = line[:3]
        self._octets += len(line) + 2
        self._reply.append(line[4:])
        if len(self._reply) > MAX_REPLY_LINES or self._octets > MAX_REPLY_OCTETS:
            raise Garbled("a reply without end")
        if line[3:4] == b"-":
            return False
        _check_mark(line)
        return True

    def _place(self, reply: HopReply, texts: list[bytes], replies: list[HopReply]) -> bool:
        """Put a whole reply in its place; False when it is the last there will be."""
        code = reply.code
        if code >= 400:
            reply = HopReply(code, reply.enhanced, self._mask(reply.text))
        if code == 421:
            self.farewell = reply
            if self._places and self._places[0] is Place.DOT:
                replies.append(reply)
            self._places.clear()
            return False
        if not self._places:
            raise Garbled(f"a {code} that answers nothing")
        place = self._places.popleft()
        if code < 400:
            if code not in _POSITIVE[place]:
                raise Garbled(f"a {code} in the place of the reply to {place.name}")
            if place is Place.EHLO or place is Place.GREETING:
                self._learn(place, texts)
        replies.append(reply)
        return True

    def _learn(self, place: Place, lines: list[bytes]) -> None:
        first = lines[0].split(b" ", 1)[0].decode("latin-1")
        if _GREETING_NAME.fullmatch(first) and first not in self._names:
            self._names.append(first)
        if place is Place.EHLO:
            self.offers = read_offers(lines[1:])

    def _mask(self, text: str) -> str:
        # A customer must not learn the name of a host behind us; a recipient's own domain stays.
        for name in self._names:
            text = re.sub(rf"(?<![\w.@-]){re.escape(name)}(?![\w-])", "the next server", text,
                          flags=re.IGNORECASE)  # fmt: skip
        return _IP.sub("[address]", text)


def _check_mark(line: bytes) -> None:
    if line[3:4] not in (b" ", b""):
        raise Garbled("a line without a reply code")


@lru_cache(maxsize=256)  # a next hop says the same few things all day
def _read_single(line: bytes) -> HopReply:
    _check_mark(line)
    return _read(line[:3], [line[4:]])


def _read(digits: bytes, texts: list[bytes]) -> HopReply:
    if not (digits.isdigit() and b"200" <= digits <= b"599"):
        raise Garbled("a line without a reply code")
    enhanced = ""
    found = _ENHANCED.match(texts[0])
    if found is not None and texts[0][:1] == digits[:1]:
        enhanced = found[1].decode("ascii")
        prefix = found[1] + b" "
        texts = [text.removeprefix(prefix) for text in texts]
    text = b" ".join(texts).decode("latin-1").strip()
    return HopReply(int(digits), enhanced, clean(text))


def read_offers(lines: list[bytes]) -> Offers:
    """The extensions in the lines of an EHLO reply after the first (RFC 5321 section 4.1.1.1)."""
    words = {}
    for line in lines:
        keyword, _, rest = line.decode("latin-1").upper().replace("=", " ", 1).partition(" ")
        words[keyword] = rest
    return Offers(
        pipelining="PIPELINING" in words,
        eight_bit="8BITMIME" in words,
        smtputf8="SMTPUTF8" in words,
        size="SIZE" in words,
        starttls="STARTTLS" in words,
        auth=frozenset(words.get("AUTH", "").split()),
    )


def mail_command(
    sender: str, offers: Offers, size: int | None, body: Body, smtputf8: bool
) -> bytes:
    """MAIL with the parameters the next hop offers (RFC 1870, 6152, 6531); `sender` "" is `<>`.

    8-bit mail goes out without BODY to a next hop that lacks 8BITMIME (docs/decisions).
    """
    line = f"MAIL FROM:<{_one_line(sender)}>"
    if size is not None and offers.size:
        line += f" SIZE={size}"
    if body is Body.EIGHT_BIT and offers.eight_bit:
        line += " BODY=8BITMIME"
    if smtputf8 and offers.smtputf8:
        line += " SMTPUTF8"
    return line.encode() + b"\r\n"


def rcpt_command(recipient: str) -> bytes:
    """RCPT for one mailbox."""
    return f"RCPT TO:<{_one_line(recipient)}>\r\n".encode()


def _one_line(address: str) -> str:
    # Addresses were parsed long before; a line end here would be a command of somebody else's.
    if "\r" in address or "\n" in address:
        raise ValueError("an address with a line end")
    return address


def auth_plain(username: str, password: str) -> bytes:
    """AUTH PLAIN with its initial response (RFC 4616)."""
    secret = base64.b64encode(f"\0{username}\0{password}".encode())
    return b"AUTH PLAIN " + secret + b"\r\n"


def auth_text(text: str) -> bytes:
    """One answer to an AUTH LOGIN challenge."""
    return base64.b64encode(text.encode()) + b"\r\n"
