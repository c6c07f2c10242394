"""Imports of any size that never keep others waiting.

Rows are first keyed, encrypted and staged in a private temporary file, then merged in key order in
small transactions: neighbours share pages, so a million rows cost seconds, and the write lock is
held some 15 ms at a time, so that an unsubscribe or the ledger gets in between. What is in force
already, and as long as asked, is counted and skipped: running an import again, or again after a
crash, completes it.
Memory stays flat. Raises StoreUnavailable.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Table, insert, or_, select

from gateway.records.codes import RENEWED
from gateway.records.database import Database
from gateway.records.subjects import next_id
from gateway.records.tables import standing_index, subject_secrets, subjects
from suppression.keys import Sealed
from suppression.precedence import is_longer

HOLD_SECONDS = 0.015
"""How long one transaction should hold the write lock; batches grow and shrink towards it."""
MIN_BATCH, MAX_BATCH = 50, 4000
PROGRESS_ROWS = 1000
"""How many rows are read between two reports: one for each row would cost more than the row."""
_STAGE_BATCH = 1000

Progress = Callable[[int], None]
"""Told how many more rows are done."""


@dataclass(frozen=True, slots=True)
class Staged:
    """One row to merge; `code` is a suppression's code or a consent's level.

    `secret` and `sealed` are the encrypted address, None when only the key is known.
    """

    key: bytes
    scope: int
    code: int
    at: int
    ends: int | None
    secret: bytes | None
    sealed: bytes | None


@dataclass(slots=True)
class Tally:
    """What an import did: lines read, entries added, already in force, and lines refused."""

    read: int = 0
    added: int = 0
    known: int = 0
    bad: int = 0
    domains: int = 0
    """Of the lines taken, those that are a whole domain."""
    digest: str = field(default=sha256().hexdigest())
    """SHA-256 over the merged rows in order, in hex."""


class Staging:
    """The private file of one import, gone when its block ends."""

    def __init__(self) -> None:
        self._waiting: list[tuple[object, ...]] = []

    def __enter__(self) -> Self:
        # An empty name is a temporary database that is on disk and has no name there.
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.execute("PRAGMA journal_mode=OFF")
        self._file.execute("PRAGMA synchronous=OFF")
        self._file.execute("CREATE TABLE staged (key, scope, code, at, ends, secret, sealed)")
        self._file.execute("BEGIN")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(
        self, key: bytes, scope: int, code: int, at: int, ends: int | None, sealed: Sealed | None
    ) -> None:
        """Keep one row."""
        secret, data = (None, None) if sealed is None else (sealed.secret, sealed.data)
        self._waiting.append((key, scope, code, at, ends, secret, data))
        if len(self._waiting) >= _STAGE_BATCH:
            self._flush()

    def rows(self) -> Generator[Staged]:
        """Every row in key order; of several alike, the one that ends last."""
        self._flush()
        query = (
            "SELECT *, max(ifnull(ends, 1e12)) FROM staged GROUP BY key, scope, code "
            "ORDER BY key, scope, code"
        )
        with closing(self._file.execute(query)) as cursor:
            for row in cursor:
                yield Staged(*row[:7])

    def _flush(self) -> None:
        self._file.executemany("INSERT INTO staged VALUES (?,?,?,?,?,?,?)", self._waiting)
        self._waiting.clear()


def merge(
    database: Database,
    staging: Staging,
    table: Table,
    columns: Callable[[Staged], dict[str, object]],
    tally: Tally,
    now: float,
    progress: Progress,
    dry_run: bool,
) -> None:
    """Bring every staged row into force that is not yet; counts go to `tally`.

    Of rows alike all but one count as known. `columns` gives what a row of `table` has besides id,
    key, scope and subject.
    """
    digest = sha256()
    size = 500
    with closing(staging.rows()) as rows:
        while batch := list(islice(rows, size)):
            for row in batch:
                digest.update(b"%b %d %d\n" % (row.key, row.scope, row.code))
            with database.reading() if dry_run else database.transaction() as connection:
                started = time.monotonic()
                fresh = _unknown(connection, batch, now)
                if fresh and not dry_run:
                    _insert(connection, table, fresh, columns)
            held = time.monotonic() - started
            size = max(MIN_BATCH, min(MAX_BATCH, int(len(batch) * min(2.0, HOLD_SECONDS / held))))
            tally.added += len(fresh)
            progress(len(batch))
    tally.known = tally.read - tally.bad - tally.added
    tally.digest = digest.hexdigest()


def _unknown(connection: Connection, batch: list[Staged], now: float) -> list[Staged]:
    """The rows that nothing alike is in force for, or not as long as a renewal asks."""
    index = standing_index.c
    query = select(index.key, index.scope, index.code, index.ends).where(
        index.key.in_([row.key for row in batch]), or_(index.ends.is_(None), index.ends > now)
    )
    present: dict[tuple[bytes, int, int], int | None] = {}
    for key, scope, code, ends in connection.execute(query):
        same = (key, scope, code)
        if same not in present or is_longer(ends, present[same]):
            present[same] = ends

    def is_known(row: Staged) -> bool:
        same = (row.key, row.scope, row.code)
        if same not in present:
            return False
        return row.code not in RENEWED or not is_longer(row.ends, present[same])

    return [row for row in batch if not is_known(row)]


def _insert(
    connection: Connection,
    table: Table,
    rows: list[Staged],
    columns: Callable[[Staged], dict[str, object]],
) -> None:
    entry = next_id(connection, table)
    known = enumerate(
        (row for row in rows if row.sealed is not None), next_id(connection, subjects)
    )
    numbers = {id(row): number for number, row in known}
    sealed = [(numbers[id(row)], row) for row in rows if id(row) in numbers]
    if sealed:
        connection.execute(
            insert(subjects), [{"id": number, "sealed": row.sealed} for number, row in sealed]
        )
        connection.execute(
            insert(subject_secrets),
            [{"subject": number, "secret": row.secret} for number, row in sealed],
        )
    connection.execute(
        insert(table),
        [
            {
                "id": entry + offset,
                "key": row.key,
                "scope": row.scope,
                "subject": numbers.get(id(row)),
                **columns(row),
            }
            for offset, row in enumerate(rows)
        ],
    )
    connection.execute(
        insert(standing_index),
        [
            {
                "key": row.key,
                "scope": row.scope,
                "code": row.code,
                "entry": entry + offset,
                "ends": row.ends,
            }
            for offset, row in enumerate(rows)
        ],
    )
