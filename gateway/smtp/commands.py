"""One command line in, one typed command out (RFC 5321 section 4.1.1, and the extensions of EHLO).

Pure. A line that is no command gives an `Invalid` with the reply it deserves; nothing raises.
Addresses stay text here: `MAIL` and `RCPT` carry the path as written, parsed where it is judged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from gateway import replies
from gateway.reply import Reply


@dataclass(frozen=True, slots=True)
class Hello:
    """EHLO or HELO."""

    domain: str
    extended: bool


@dataclass(frozen=True, slots=True)
class StartTls:
    """STARTTLS (RFC 3207)."""


@dataclass(frozen=True, slots=True)
class Auth:
    """AUTH (RFC 4954). `initial` is the undecoded initial response, None when there is none."""

    mechanism: str
    initial: str | None


@dataclass(frozen=True, slots=True)
class Mail:
    """MAIL FROM: the path with its angle brackets, parameters with upper-case names."""

    path: str
    parameters: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rcpt:
    """RCPT TO: the path with its angle brackets, parameters with upper-case names."""

    path: str
    parameters: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Data:
    """DATA."""


@dataclass(frozen=True, slots=True)
class Reset:
    """RSET."""


@dataclass(frozen=True, slots=True)
class Noop:
    """NOOP."""


@dataclass(frozen=True, slots=True)
class Verify:
    """VRFY, which never tells."""


@dataclass(frozen=True, slots=True)
class Help:
    """HELP."""


@dataclass(frozen=True, slots=True)
class Quit:
    """QUIT."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """A line that is no valid command, with the reply for it.

    `chunk` octets follow it that its sender takes for message data: they are no commands.
    """

    reply: Reply
    chunk: int = 0


Command = (
    Hello | StartTls | Auth | Mail | Rcpt | Data | Reset | Noop | Verify | Help | Quit | Invalid
)

_PATH = re.compile(r" ?(<(?:[^<>\"\\]|\"(?:[^\"\\]|\\.)*\")*>)(?: +(.*))?\Z")
"""A path, quoted strings in it taken whole, then the parameters."""
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\x80-\U0010ffff]+))?\Z")
_DOMAIN = re.compile(r"[!-~\x80-\U0010ffff]{1,255}\Z")

_BARE: dict[str, Command] = {
    "STARTTLS": StartTls(),
    "DATA": Data(),
    "RSET": Reset(),
    "QUIT": Quit(),
}
_ANY_ARGUMENT: dict[str, Command] = {"NOOP": Noop(), "VRFY": Verify(), "HELP": Help()}
_NOT_OFFERED = frozenset({"BDAT", "EXPN", "ETRN", "TURN", "ATRN", "SEND", "SOML", "SAML", "BURL"})


def parse(line: bytes) -> Command:
    """The command on one line (without CRLF)."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return Invalid(replies.ARGUMENTS.fill(problem="The line is neither ASCII nor UTF-8"))
    verb, _, rest = text.partition(" ")
    verb = verb.upper()
    if verb == "RCPT":
        return _envelope(rest, "TO:", Rcpt)
    if verb == "MAIL":
        return _envelope(rest, "FROM:", Mail)
    if verb in _BARE:
        if rest.strip():
            return Invalid(replies.ARGUMENTS.fill(problem=f"{verb} takes no argument"))
        return _BARE[verb]
    if verb in ("EHLO", "HELO"):
        domain = rest.strip()
        if not _DOMAIN.match(domain):
            return Invalid(replies.ARGUMENTS.fill(problem=f"{verb} needs your host name"))
        return Hello(domain, verb == "EHLO")
    if verb == "AUTH":
        return _auth(rest)
    if verb in _ANY_ARGUMENT:
        return _ANY_ARGUMENT[verb]
    if verb in _NOT_OFFERED:
        return Invalid(replies.NOT_IMPLEMENTED.fill(verb=verb), _chunk(verb, rest))
    return Invalid(replies.SYNTAX)


def _envelope(rest: str, keyword: str, kind: type[Mail] | type[Rcpt]) -> Command:
    if rest[: len(keyword)].upper() != keyword:
        return Invalid(replies.ARGUMENTS.fill(problem=f"{kind.__name__.upper()} needs {keyword}<>"))
    found = _PATH.match(rest, len(keyword))
    if found is None:
        problem = "the address is not in <angle brackets>"
        shape = replies.SENDER_SYNTAX if kind is Mail else replies.RCPT_SYNTAX
        return Invalid(shape.fill(problem=problem))
    path, tail = found.groups()
    if not tail:
        return kind(path)
    parameters: dict[str, str | None] = {}
    for word in tail.split():
        pair = _PARAMETER.match(word)
        if pair is None:
            return Invalid(replies.ARGUMENTS.fill(problem="A parameter is not KEYWORD=value"))
        name = pair[1].upper()
        if name in parameters:
            return Invalid(replies.ARGUMENTS.fill(problem=f"Parameter {name} is given twice"))
        parameters[name] = pair[2]
    return kind(path, parameters)


def _chunk(verb: str, rest: str) -> int:
    # Who sends BDAT does not wait for its reply before the octets (RFC 3030 section 2).
    size = next(iter(rest.split()), "")
    return int(size) if verb == "BDAT" and size.isascii() and size.isdigit() else 0


def _auth(rest: str) -> Command:
    words = rest.split()
    if not 1 <= len(words) <= 2:
        return Invalid(replies.ARGUMENTS.fill(problem="AUTH needs a mechanism"))
    return Auth(words[0].upper(), words[1] if len(words) == 2 else None)
