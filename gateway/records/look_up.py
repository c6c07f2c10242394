"""What every look-up of standings has in common, whatever answers it: pure functions.

`Asking` knows the keyring and the kinds of hashed lists met so far. It turns a stream and a group
of addresses into a `Question`, whose `wanted` keys are to be fetched, and the rows found under
them into one `Standing` for each address, in order. Entries out of scope or past their end are left
out. An empty answer is believed only together with the index's mark (`GENERATION_KEY`); with it
come the marks of hashed lists: who first meets one has to ask again with the digests' keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from gateway.errors import StoreUnavailable
from gateway.records.codes import CLEARED, CONSENTS, DECODED, hash_kind
from gateway.records.index import GENERATION_KEY, attested_key
from gateway.words import Address
from policies.ports import Clock
from policies.terms import StreamTerms
from suppression.hashes import HashKind, look_up_keys
from suppression.keys import Keyring
from suppression.standing import Match, Standing

Row = tuple[bytes, int, int, int, int | None]
"""Key, scope, code, entry and end of a row of `standing_index`."""


class Question(NamedTuple):  # a third of the time that a frozen dataclass takes to make
    """A group of addresses, asked about for a stream of the tenant numbered `tenant` (-1: none)."""

    stream: StreamTerms
    tenant: int
    keys: list[list[bytes]]
    """Of each address, its own current key first."""
    wanted: list[bytes]
    attested: bytes
    """The key that has a row when the tenant ever attested consent."""

    @property
    def scopes(self) -> dict[int, str]:
        """The scopes that count, with their texts."""
        stream = self.stream
        return {0: "*", self.tenant: stream.tenant, stream.number: stream.id}


class Asking:
    """Makes questions and reads answers. Used from one thread."""

    def __init__(self, keyring: Keyring, clock: Clock) -> None:
        self.keyring = keyring
        self._clock = clock
        self._hashed: set[HashKind] = set()

    def question(self, stream: StreamTerms, tenant: int, group: Sequence[Address]) -> Question:
        """What to fetch to answer for this group."""
        keys = [self.keyring.look_up_keys(address) for address in group]
        if self._hashed:
            for own, address in zip(keys, group, strict=True):
                own += look_up_keys(self.keyring, address, self._hashed)
        attested = attested_key(tenant)
        if len(keys) == 1:
            wanted = [GENERATION_KEY, attested, *keys[0]]
        else:
            wanted = list({GENERATION_KEY, attested, *(key for own in keys for key in own)})
        return Question(stream, tenant, keys, wanted, attested)

    def answer(
        self, question: Question, found: Mapping[bytes, Sequence[Row]]
    ) -> list[Standing] | None:
        """One `Standing` for each address, of the rows found by key; None: ask again.

        Raises StoreUnavailable when the mark of a complete index is not among them.
        """
        marks = found.get(GENERATION_KEY, ())
        if not is_complete(marks):
            raise StoreUnavailable("records: the standing index is not complete")
        if len(marks) > 1 and self.learn(-scope for _, scope, *_ in marks):
            return None
        has_attested = question.attested in found
        if len(found) == 1 + has_attested:
            return [Standing(own[0], (), 0, has_attested) for own in question.keys]
        scopes = question.scopes
        now = self._clock()
        standings = []
        for own in question.keys:
            about = [row for key in own if key in found for row in found[key]]
            standings.append(_standing(own[0], about, scopes, has_attested, now))
        return standings

    def learn(self, numbers: Iterable[int]) -> bool:
        """Whether there are hashed lists of a kind not known yet; it is from now on."""
        fresh = {kind for number in numbers if (kind := hash_kind(number))} - self._hashed
        self._hashed |= fresh
        return bool(fresh)


def is_complete(marks: Iterable[Row]) -> bool:
    """Whether the index's own mark is among them; those of hashed lists do not count."""
    return any(scope == 0 for _, scope, *_ in marks)


def _standing(
    key: bytes, rows: Iterable[Row], scopes: dict[int, str], has_attested: bool, now: float
) -> Standing:
    matches = []
    consent = 0
    is_cleared = False
    for _, scope, code, entry, ends in rows:
        if scope not in scopes or (ends is not None and ends <= now):
            continue
        if code in CONSENTS:
            consent = max(consent, code)
        elif code == CLEARED:
            is_cleared = True
        else:
            reason, stops, is_disclosable = DECODED[code]
            matches.append(Match(entry, reason, stops, scopes[scope], is_disclosable))
    return Standing(key, tuple(matches), consent, has_attested, is_cleared)
