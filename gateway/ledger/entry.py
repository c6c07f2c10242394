"""One entry of the ledger, its key, and the durable store that entries are kept in.

An entry says what became of one recipient of one message. Its key is 16 octets over stream,
MAIL FROM, the digest of the message as received and the recipient, so that the same message sent
again by the customer's software finds it. Plain values and one `Protocol`; does no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from gateway.relay.outcome import HopReply, Outcome, State

KEEP_SECONDS = 5 * 86_400
"""How long an entry can answer for a retry; mailing software gives up after that time."""
_NO_WORDS = HopReply(451, "4.4.2", "no answer came")


@dataclass(frozen=True, slots=True)
class Entry:
    """`state` is taken, refused or unknown; `reply` is the next hop's (None: nothing to repeat).

    `ref` is the transaction that it comes from, `at` Unix seconds.
    """

    key: bytes
    state: State
    ref: str
    at: float
    reply: HopReply | None = None

    @property
    def outcome(self) -> Outcome:
        """The entry as the outcome that a retry counts with."""
        return Outcome(self.state, self.reply or _NO_WORDS)


class LedgerStore(Protocol):
    """Where entries outlive the process. Every method raises `StoreUnavailable` when it cannot."""

    async def load(self) -> Iterable[bytes]:
        """The keys of all entries."""

    async def find(self, keys: Sequence[bytes]) -> Sequence[Entry]:
        """The entries that exist, in any order."""

    async def save(self, entries: Sequence[Entry]) -> None:
        """Write the entries, replacing those with the same key, in one commit."""

    async def end(self, keys: Sequence[bytes]) -> None:
        """Delete the entries; unknown keys are no error."""

    async def purge(self, before: float) -> int:
        """Delete the entries older than `before` (Unix seconds); how many they were."""


def entry_keys(stream: str, sender: str, digest: bytes, recipients: Sequence[str]) -> list[bytes]:
    """The key (16 octets) of each recipient, in order.

    `stream` is `tenant/stream`, `sender` the text of MAIL FROM ("" for `<>`), `digest` the 32
    octets of `Message.digest`. Recipients are told apart exactly as written: another spelling is
    another copy. NUL parts the texts, which never hold one.
    """
    mail = blake2b(digest + f"{stream}\0{sender}\0".encode(), digest_size=16)
    keys = []
    for recipient in recipients:
        one = mail.copy()
        one.update(recipient.encode())
        keys.append(one.digest())
    return keys
