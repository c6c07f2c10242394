"""The look-up at RCPT: what the records say about each address of a group, in one query.

Takes a stream and addresses, gives a `Standing` for each, in order, as of the last commit of any
process. Reads SQLite directly on the event loop: measured at some 2 microseconds a key, far less
than handing it to a thread. Entries out of scope or past their end are left out. Raises
StoreUnavailable when SQLite fails, and when the index is not known to be complete: an empty
answer is believed only together with the index's mark. With that mark come those of hashed lists:
the first look-up that meets one asks again with the digests' keys, and all later ones ask at once.
"""

from __future__ import annotations

import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from gateway.errors import StoreUnavailable
from gateway.records.codes import CLEARED, CONSENTS, DECODED, hash_kind
from gateway.records.database import connect_reader
from gateway.records.index import GENERATION_KEY, attested_key
from gateway.words import Address
from policies.ports import Clock
from policies.terms import StreamTerms
from suppression.hashes import HashKind, look_up_keys
from suppression.keys import Keyring
from suppression.standing import Match, Standing

MAX_KEYS = 1024
"""Keys in one statement; a larger group takes several."""
_Row = tuple[bytes, int, int, int, int | None]


class SqliteStandings:
    """`policies.ports.Standings` over the database at `path`. Used from one thread."""

    def __init__(
        self,
        path: Path,
        keyring: Keyring,
        clock: Clock = time.time,
        observe: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self._path = path
        self._keyring = keyring
        self._clock = clock
        self._observe = observe
        self._connection: sqlite3.Connection | None = None
        self._tenants: dict[str, int] = {}
        self._hashed: set[HashKind] = set()

    def adopt(self, keyring: Keyring) -> None:
        """Look up under this keyring from now on; it knows all generations of the last one."""
        self._keyring = keyring

    async def look_up(self, stream: StreamTerms, group: Sequence[Address]) -> Sequence[Standing]:
        """One `Standing` for each address; never suspends. Tells `observe` the seconds taken."""
        started = time.perf_counter()
        standings = self._look_up(stream, group)
        self._observe(time.perf_counter() - started)
        return standings

    def _look_up(self, stream: StreamTerms, group: Sequence[Address]) -> Sequence[Standing]:
        keys = [self._keyring.look_up_keys(address) for address in group]
        if self._hashed:
            for own, address in zip(keys, group, strict=True):
                own += look_up_keys(self._keyring, address, self._hashed)
        try:
            tenant = self._tenants.get(stream.tenant) or self._find_tenant(stream.tenant)
            attested = attested_key(tenant)
            if len(keys) == 1:
                wanted = [GENERATION_KEY, attested, *keys[0]]
            else:
                wanted = list({GENERATION_KEY, attested, *(key for own in keys for key in own)})
            rows = self._select(wanted)
        except sqlite3.Error as error:
            self.close()  # whatever is wrong, the next look-up starts afresh
            raise StoreUnavailable(f"records: {error}") from error

        found: defaultdict[bytes, list[_Row]] = defaultdict(list)
        for row in rows:
            found[row[0]].append(row)
        marks = found[GENERATION_KEY]
        if not _is_complete(marks):
            raise StoreUnavailable("records: the standing index is not complete")
        if len(marks) > 1 and self._learn(marks):
            return self._look_up(stream, group)
        has_attested = attested in found
        if len(found) == 1 + has_attested:
            return [Standing(own[0], (), 0, has_attested) for own in keys]
        scopes = {0: "*", tenant: stream.tenant, stream.number: stream.id}
        now = self._clock()
        standings = []
        for own in keys:
            about = [row for key in own if key in found for row in found[key]]
            standings.append(_standing(own[0], about, scopes, has_attested, now))
        return standings

    def is_ready(self) -> bool:
        """Whether a look-up would be answered now."""
        try:
            return _is_complete(self._select([GENERATION_KEY]))
        except sqlite3.Error:
            self.close()
            return False

    def close(self) -> None:
        """Let the file go; a later look-up opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _select(self, keys: list[bytes]) -> list[_Row]:
        if self._connection is None:
            self._connection = connect_reader(self._path)
        rows: list[_Row] = []
        for start in range(0, len(keys), MAX_KEYS):
            part = keys[start : start + MAX_KEYS]
            # Few different statements, so that each is prepared once: the rest asks for nothing.
            size = len(part) if len(part) <= 16 else -(-len(part) // 32) * 32
            part += [b""] * (size - len(part))
            rows += self._connection.execute(_statement(size), part).fetchall()
        return rows

    def _learn(self, marks: Iterable[_Row]) -> bool:
        """Whether there are hashed lists of a kind not known yet; it is from now on."""
        kinds = (hash_kind(-scope) for _, scope, *_ in marks)
        fresh = {kind for kind in kinds if kind is not None} - self._hashed
        self._hashed |= fresh
        return bool(fresh)

    def _find_tenant(self, tenant: str) -> int:
        """The tenant's scope; a tenant without a number has no entries, and -1 matches none."""
        if self._connection is None:
            self._connection = connect_reader(self._path)
        query = "SELECT number FROM streams WHERE tenant=? AND name=''"
        row = self._connection.execute(query, (tenant,)).fetchone()
        if row is None:
            return -1
        self._tenants[tenant] = int(row[0])
        return int(row[0])


def _is_complete(marks: Iterable[_Row]) -> bool:
    """Whether the index's own mark is among them; those of hashed lists do not count."""
    return any(scope == 0 for _, scope, *_ in marks)


def _standing(
    key: bytes, rows: Iterable[_Row], scopes: dict[int, str], has_attested: bool, now: float
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


@lru_cache
def _statement(count: int) -> str:
    # Joining VALUES needs no temporary table, which IN (...) builds at every execution.
    values = ",".join(["(?)"] * count)
    return (
        f"WITH wanted(k) AS (VALUES {values}) "  # noqa: S608 - only question marks
        "SELECT key, scope, code, entry, ends FROM wanted CROSS JOIN standing_index ON key = k"
    )
