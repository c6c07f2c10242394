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
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby, islice
from zlib import crc32

from sqlalchemy import Connection, Table, delete, select

from gateway.records import index, opt_outs
from gateway.records.codes import EDITIONS, RENEWED
from gateway.records.database import Database
from gateway.records.drafts import Refused
from gateway.records.list_diff import Diff, Outlasted
from gateway.records.staging import Block, Staged, Staging
from gateway.records.store import is_postgresql, run
from gateway.records.subjects import next_ids
from gateway.records.tables import meta, sources, subjects, suppressions
from suppression.listfile import BadRow, Row, block_of
from suppression.precedence import is_longer

HOLD_SECONDS = 0.015
"""How long one transaction should hold the write lock; batches grow and shrink towards it."""
MIN_BATCH, MAX_BATCH = 50, 4000
_POSITION = "import:"
"""Before the name of the staged file: the row of `meta` that says how far its merging came."""

SUPERSEDED = "superseded by a newer edition"

_Same = tuple[bytes, int, int, int]
"""Key, scope, code, group."""
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
    gone: int = 0
    """Entries of older editions that the list does not name any more: lifted, or to be."""


@dataclass(frozen=True, slots=True)
class Target:
    """The table that rows go to: id, key, scope and subject, then `columns` with their `values`.

    `actor` is who brings suppressions in: those go into the opt-out log, too.
    """

    table: Table
    columns: tuple[str, ...]
    values: Callable[[Staged], tuple[object, ...]]
    actor: str = ""

    @property
    def insert(self) -> str:
        """The statement, for tuples: SQLAlchemy's own rows cost more than SQLite's work."""
        names = ("id", "key", "scope", "subject", *self.columns)
        marks = ",".join("?" * len(names))
        return f"INSERT INTO {self.table.name} ({','.join(names)}) VALUES ({marks})"  # noqa: S608


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
    diff: Diff | None = None,
) -> None:
    """Bring every staged row into force that is not yet; counts go to `tally`, and to `diff`.

    Of rows alike all but one count as known. An edition's row that a newer one outlasts is over.
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
                fresh, outlasted = _unknown(connection, batch, now)
                if fresh and not dry_run:
                    _insert(connection, target, fresh)
                    _supersede(connection, outlasted, target.actor, now)
                _note_position(connection, name, merged, tally.added + len(fresh))
            held = time.monotonic() - started
            size = max(MIN_BATCH, min(MAX_BATCH, int(len(batch) * min(2.0, HOLD_SECONDS / held))))
            tally.added += len(fresh)
            if diff is not None:
                diff.count(fresh, outlasted)
            progress(len(batch))
    tally.known = tally.read - tally.bad - tally.added
    tally.digest = digest.hexdigest()


def forget(connection: Connection, staging: Staging) -> None:
    """Forget how far a named import came: it is over, or begins anew."""
    if staging.path is not None:
        connection.execute(delete(meta).where(meta.c.name == _POSITION + staging.path.name))


def group_of(code: int, source: int, setter: str) -> int:
    """What tells apart entries of one key, scope and code: an edition's source, or the setter.

    Whoever set a manual entry lifts it, so another's wish for the same needs an entry of its own.
    """
    if code in EDITIONS:
        return source
    return crc32(setter.encode()) if code in RENEWED else 0


def _unknown(
    connection: Connection, batch: list[Staged], now: float
) -> tuple[list[Staged], list[Outlasted]]:
    """The rows that nothing alike is in force for, or not as long as a renewal asks.

    With them the entries of older editions that those rows outlast.
    """
    keys: list[object] = [row.key for row in batch]
    wanted = f"IN ({','.join('?' * len(keys))})"
    if is_postgresql(connection):
        wanted, keys = "= ANY(?)", [keys]
    query = (
        "SELECT key, scope, code, ends, entry FROM standing_index "  # noqa: S608 - only marks
        f"WHERE key {wanted} AND (ends IS NULL OR ends > ?)"
    )
    rows = run(connection, query, (*keys, now))
    if not rows:
        return batch, []
    groups = _groups(connection, [entry for _, _, code, _, entry in rows if code in RENEWED])
    present: defaultdict[_Same, list[tuple[int | None, int]]] = defaultdict(list)
    for key, scope, code, ends, entry in rows:
        same = (key, scope, code, groups.get(entry, 0) if code in RENEWED else 0)
        present[same].append((ends, entry))

    fresh, outlasted = [], []
    for row in batch:
        alike = present.get((row.key, row.scope, row.code, row.group), ())
        if any(row.code not in RENEWED or not is_longer(row.ends, ends) for ends, _ in alike):
            continue
        fresh.append(row)
        if row.code in EDITIONS:
            outlasted += [Outlasted(entry, row.key, row.scope, row.code) for _, entry in alike]
    return fresh, outlasted


def _groups(connection: Connection, entries: list[int]) -> dict[int, int]:
    """The group of each of these suppressions."""
    if not entries:
        return {}
    query = (
        select(suppressions.c.id, suppressions.c.code, suppressions.c.source, sources.c.setter)
        .join(sources, sources.c.id == suppressions.c.source)
        .where(suppressions.c.id.in_(entries))
    )
    return {row.id: group_of(row.code, row.source, row.setter) for row in connection.execute(query)}


def _supersede(connection: Connection, outlasted: list[Outlasted], actor: str, now: float) -> None:
    """End entries of older editions, so that look-ups do not read them any more."""
    for old in outlasted:
        run(
            connection,
            "UPDATE suppressions SET lifted_at=?, lifted_by=?, lifted_reason=? WHERE id=?",
            (int(now), actor, SUPERSEDED, old.entry),
        )
        index.take(connection, old.key, old.scope, old.code, old.entry)


def _insert(connection: Connection, target: Target, rows: list[Staged]) -> None:
    """Bring `rows` into force: their addresses, the entries or consents, and the index."""
    first = next_ids(connection, target.table, len(rows))
    entries = range(first, first + len(rows))
    known = [row for row in rows if row.sealed]
    free: Iterator[int] = iter(())
    if known:
        begin = next_ids(connection, subjects, len(known))
        numbered = range(begin, begin + len(known))
        free = iter(numbered)
        sealed = [(number, row.sealed) for number, row in zip(numbered, known, strict=True)]
        run(connection, "INSERT INTO subjects (id, sealed) VALUES (?,?)", sealed)
        secrets = [(number, row.secret) for number, row in zip(numbered, known, strict=True)]
        run(connection, "INSERT INTO subject_secrets (subject, secret) VALUES (?,?)", secrets)
    numbers = [next(free) if row.sealed else None for row in rows]
    values = target.values
    if target.actor:
        for source in {row.source for row in rows}:
            some = [row for row in rows if row.source == source]
            opt_outs.note_rows(connection, some, source)
    run(
        connection,
        target.insert,
        [
            (entry, row.key, row.scope, number, *values(row))
            for entry, number, row in zip(entries, numbers, rows, strict=True)
        ],
    )
    run(
        connection,
        "INSERT INTO standing_index (key, scope, code, entry, ends) VALUES (?,?,?,?,?)",
        [
            (row.key, row.scope, row.code, entry, row.ends)
            for entry, row in zip(entries, rows, strict=True)
        ],
    )
    index.mark_hashed(connection, {row.code for row in rows})


def _position(database: Database, name: str) -> tuple[int, int]:
    """How many rows of a named import are merged, and how many of them were added."""
    with database.reading() as connection:
        found = connection.execute(select(meta.c.value).where(meta.c.name == name)).scalar()
    merged, _, added = (found or "0 0").partition(" ")
    return int(merged), int(added)


def _note_position(connection: Connection, name: str, merged: int, added: int) -> None:
    if name:
        run(
            connection,
            "INSERT INTO meta (name, value) VALUES (?,?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, f"{merged} {added}"),
        )


def _digested(batch: list[Staged]) -> bytes:
    return b"".join([b"%b %d %d\n" % row[:3] for row in batch])
