"""Pre-checking a list: what is asked about each line, and what is answered.

Pure values. An `Asked` is a line of the tenant's list; an `Answer` says what RCPT would answer to
it now. Nothing in an answer is more than the reply at RCPT would say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from gateway import replies
from gateway.errors import AddressSyntaxError
from gateway.message.address import parse_mailbox
from gateway.reply import Reply
from gateway.words import Address
from suppression.address import a_label
from suppression.listfile import BadRow, Row

MAX_ADDRESSES = 100_000
"""Of one call; a file on the command line may be longer."""
VALID_SECONDS = 86_400
"""How long a receipt holds."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One line: its number from 1, its text, and the address or why it is none."""

    line: int
    text: str
    address: Address | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What RCPT would answer; no `reply` when it would be taken. `key` is the exact key."""

    asked: Asked
    key: bytes | None
    reply: Reply | None

    @property
    def tag(self) -> str:
        """The reply's tag, "" when the address is cleared."""
        return self.reply.tag if self.reply else ""


def ask(line: int, text: str) -> Asked:
    """The question about one address as text, parsed as RCPT parses it."""
    try:
        address = parse_mailbox(text)
        a_label(address.domain)
    except AddressSyntaxError as problem:
        return Asked(line, text, None, str(problem))
    return Asked(line, text, address)


def ask_row(row: Row | BadRow) -> Asked:
    """The question about one row of a list file."""
    if isinstance(row, BadRow):
        return Asked(row.line, "", None, row.problem)
    if isinstance(row.target, Address):
        return ask(row.line, row.target.text)
    text = row.target if isinstance(row.target, str) else ""
    return Asked(row.line, text, None, "only the address of a person can be a recipient")


def malformed(asked: Asked) -> Answer:
    """The answer to what is no address."""
    return Answer(asked, None, replies.RCPT_SYNTAX.fill(problem=asked.problem))


class Digest:
    """SHA-256 over the keys asked about, in order, each with its verdict."""

    def __init__(self) -> None:
        self._hash = sha256()

    def add(self, answers: Iterable[Answer]) -> None:
        """Take some answers in."""
        for answer in answers:
            self._hash.update(b"%b %b\n" % (answer.key or b"", answer.tag.encode()))

    def value(self) -> bytes:
        """32 octets."""
        return self._hash.digest()
