"""Imports of any size that never keep others waiting.

Rows are first keyed, encrypted and staged in a private file (`gateway.records.staging`), then
merged in key order in small transactions: neighbours share pages, and the write lock is held some
15 ms at a time, so that an unsubscribe or the ledger gets in between. What is in force already, and
as long as asked, is counted and skipped: running an import again, or again after a crash,
completes it. A named import notes in each transaction how far it came, so that its counts are those
of an uninterrupted one. Memory stays flat. Raises StoreUnavailable.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count, groupby, islice

from sqlalchemy import Connection, Table, delete, select

from gateway.records import opt_outs
from gateway.records.codes import RENEWED
from gateway.records.database import Database
from gateway.records.staging import Block, Staged, Staging
from gateway.records.subjects import next_id
from gateway.records.suppressions import Refused
from gateway.records.tables import meta, subjects
from suppression.listfile import BadRow, Row, block_of
from suppression.precedence import is_longer

HOLD_SECONDS = 0.015
"""How long one transaction should hold the write lock; batches grow and shrink towards it."""
MIN_BATCH, MAX_BATCH = 50, 4000
_POSITION = "import:"
"""Before the name of the staged file: the row of `meta` that says how far its merging came."""

Progress = Callable[[int], None]
"""Told how many more rows are done."""


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


@dataclass(frozen=True, slots=True)
class Target:
    """The table that rows go to: id, key, scope and subject, then `columns` with their `values`.

    `source` is the number of what suppressions came from, for the opt-out log.
    """

    table: Table
    columns: tuple[str, ...]
    values: Callable[[Staged], tuple[object, ...]]
    source: int | None = None

    @property
    def insert(self) -> str:
        """The statement, for tuples: SQLAlchemy's own rows cost more than SQLite's work."""
        names = ("id", "key", "scope", "subject", *self.columns)
        return f"INSERT INTO {self.table.name} ({','.join(names)}) VALUES ({_marks(len(names))})"  # noqa: S608


def read(
    staging: Staging,
    rows: Iterable[Row | BadRow],
    take: Callable[[Row], None],
    tally: Tally,
    progress: Progress,
    on_bad: Callable[[BadRow], None],
) -> None:
    """Stage `rows` a block at a time; `take` adds one to `staging`, or raises Refused.

    Blocks that an earlier try has staged count as they did then.
    """
    for block in staging.blocks.values():
        _count(block, tally)
        for bad in block.bad:
            on_bad(bad)
    progress(tally.read)
    for number, lines in groupby(rows, block_of):
        lines_read, domains = 0, 0
        refused: list[BadRow] = []
        for row in lines:
            lines_read += 1
            if isinstance(row, Row):
                try:
                    take(row)
                except Refused as error:
                    row = BadRow(row.line, str(error))
                else:
                    domains += isinstance(row.target, str)
                    continue
            refused.append(row)
            on_bad(row)
        block = Block(number, lines_read, domains, tuple(refused))
        staging.end_block(block)
        _count(block, tally)
        progress(block.read)


def _count(block: Block, tally: Tally) -> None:
    tally.read += block.read
    tally.domains += block.domains
    tally.bad += len(block.bad)


def merge(
    database: Database,
    staging: Staging,
    target: Target,
    tally: Tally,
    now: float,
    progress: Progress,
    dry_run: bool,
) -> None:
    """Bring every staged row into force that is not yet; counts go to `tally`.

    Of rows alike all but one count as known.
    """
    digest = sha256()
    name = "" if dry_run or staging.path is None else _POSITION + staging.path.name
    size = min(500, MAX_BATCH)
    with closing(staging.rows()) as rows:
        merged, tally.added = _position(database, name)
        for start in range(0, merged, MAX_BATCH):
            batch = list(islice(rows, min(MAX_BATCH, merged - start)))
            digest.update(_digested(batch))
        progress(merged)
        while batch := list(islice(rows, size)):
            digest.update(_digested(batch))
            merged += len(batch)
            with database.reading() if dry_run else database.transaction() as connection:
                started = time.monotonic()
                fresh = _unknown(connection, batch, now)
                if fresh and not dry_run:
                    _insert(connection, target, fresh)
                _note_position(connection, name, merged, tally.added + len(fresh))
            held = time.monotonic() - started
            size = max(MIN_BATCH, min(MAX_BATCH, int(len(batch) * min(2.0, HOLD_SECONDS / held))))
            tally.added += len(fresh)
            progress(len(batch))
    tally.known = tally.read - tally.bad - tally.added
    tally.digest = digest.hexdigest()


def forget(connection: Connection, staging: Staging) -> None:
    """Forget how far a named import came: it is over, or begins anew."""
    if staging.path is not None:
        connection.execute(delete(meta).where(meta.c.name == _POSITION + staging.path.name))


def _unknown(connection: Connection, batch: list[Staged], now: float) -> list[Staged]:
    """The rows that nothing alike is in force for, or not as long as a renewal asks."""
    query = (
        "SELECT key, scope, code, ends FROM standing_index "  # noqa: S608 - only question marks
        f"WHERE key IN ({_marks(len(batch))}) AND (ends IS NULL OR ends > ?)"
    )
    present: dict[tuple[bytes, int, int], int | None] = {}
    wanted = (*(row.key for row in batch), now)
    for key, scope, code, ends in connection.exec_driver_sql(query, wanted):
        same = (key, scope, code)
        if same not in present or is_longer(ends, present[same]):
            present[same] = ends
    if not present:
        return batch

    def is_known(row: Staged) -> bool:
        same = row[:3]
        if same not in present:
            return False
        return row.code not in RENEWED or not is_longer(row.ends, present[same])

    return [row for row in batch if not is_known(row)]


def _insert(connection: Connection, target: Target, rows: list[Staged]) -> None:
    """Bring `rows` into force: their addresses, the entries or consents, and the index."""
    run = connection.exec_driver_sql
    first = next_id(connection, target.table)
    entries = range(first, first + len(rows))
    free = count(next_id(connection, subjects))
    numbers = [None if row.sealed is None else next(free) for row in rows]
    known = [(number, row) for number, row in zip(numbers, rows, strict=True) if row.sealed]
    if known:
        sealed = [(number, row.sealed) for number, row in known]
        run("INSERT INTO subjects (id, sealed) VALUES (?,?)", sealed)
        secrets = [(number, row.secret) for number, row in known]
        run("INSERT INTO subject_secrets (subject, secret) VALUES (?,?)", secrets)
    values = target.values
    if target.source is not None:
        opt_outs.note_rows(connection, rows, target.source)
    run(
        target.insert,
        [
            (entry, row.key, row.scope, number, *values(row))
            for entry, number, row in zip(entries, numbers, rows, strict=True)
        ],
    )
    run(
        "INSERT INTO standing_index (key, scope, code, entry, ends) VALUES (?,?,?,?,?)",
        [
            (row.key, row.scope, row.code, entry, row.ends)
            for entry, row in zip(entries, rows, strict=True)
        ],
    )


def _position(database: Database, name: str) -> tuple[int, int]:
    """How many rows of a named import are merged, and how many of them were added."""
    with database.reading() as connection:
        found = connection.execute(select(meta.c.value).where(meta.c.name == name)).scalar()
    merged, _, added = (found or "0 0").partition(" ")
    return int(merged), int(added)


def _note_position(connection: Connection, name: str, merged: int, added: int) -> None:
    if name:
        connection.exec_driver_sql(
            "INSERT OR REPLACE INTO meta (name, value) VALUES (?,?)", (name, f"{merged} {added}")
        )


def _digested(batch: list[Staged]) -> bytes:
    return b"".join([b"%b %d %d\n" % row[:3] for row in batch])


def _marks(count: int) -> str:
    return ",".join("?" * count)
