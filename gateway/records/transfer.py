"""All records from one store into another: SQLite to PostgreSQL and back, whole and counted.

`pour` copies every table from a connection that sees one state into an empty store, in the caller's
transaction there, and compares the counts of each. What belongs to a store and not to its records
stays behind: a server's identity, and the log of changes that an index followed. `rename` gives
the opt-out log's marks their names: SQLite has one node's, PostgreSQL one for each. Raises
TransferFailed when a count differs, and what the stores raise.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select, update

from gateway.errors import ConsentryError
from gateway.records import feed, opt_out_log
from gateway.records.store import is_postgresql
from gateway.records.tables import changes, meta, metadata

IDENTITY = "database:id"
ROWS = 2000
"""Read and written at once."""
OWN = frozenset({IDENTITY, feed.IDENTITY})
"""Marks of a store that are not part of its records."""

Progress = Callable[[str, int, int], None]
"""Told the table, how many of its rows are copied, and how many there are."""


class TransferFailed(ConsentryError):
    """A table did not arrive as it was, or there was something in its place."""


def filled(connection: Connection) -> str:
    """The first table that has rows of its own, "" when the store is empty."""
    for table in metadata.sorted_tables:
        query = select(*table.primary_key).limit(1)
        if table is meta:
            query = query.where(meta.c.name.not_in(OWN))
        if connection.execute(query).first() is not None:
            return str(table.name)
    return ""


def empty(connection: Connection) -> None:
    """Delete every row but the store's own marks."""
    for table in metadata.sorted_tables:
        query = delete(table)
        connection.execute(query.where(meta.c.name.not_in(OWN)) if table is meta else query)


def pour(
    source: Connection,
    target: Connection,
    *,
    without: Collection[Table] = (),
    progress: Progress = lambda _table, _done, _of: None,
) -> dict[str, int]:
    """Copy every row of `source` into `target`, which has none; how many of each table."""
    if trouble := filled(target):
        raise TransferFailed(f"there are rows in the table {trouble}; the target must be empty")
    counts = {}
    for table in metadata.sorted_tables:
        if table is changes or table in without:
            continue
        counts[table.name] = _pour_table(source, target, table, progress)
    if is_postgresql(target):
        _go_on_numbering(target)
    return counts


def rename(connection: Connection, before: str, after: str) -> None:
    """Let the opt-out log of node `before` be that of `after`; "" is the node of a SQLite file.

    Such a file knows no other node's.
    """
    if not after:
        for node in opt_out_log.positions(connection).keys() - {before}:
            opt_out_log.give_up(connection, node)
    for mark in (opt_out_log.NOTED, opt_out_log.OWED):
        own, new = opt_out_log.own_mark(mark, before), opt_out_log.own_mark(mark, after)
        connection.execute(update(meta).where(meta.c.name == own).values(name=new))


def _pour_table(source: Connection, target: Connection, table: Table, progress: Progress) -> int:
    count = select(func.count()).select_from(table)
    query = select(table).order_by(*table.primary_key)
    if table is meta:
        count, query = (one.where(meta.c.name.not_in(OWN)) for one in (count, query))
    of = int(source.execute(count).scalar_one())
    done = 0
    progress(table.name, done, of)
    with source.execute(query.execution_options(yield_per=ROWS)) as rows:
        for part in rows.partitions():
            _write(target, table, part)
            done += len(part)
            progress(table.name, done, of)
    here = int(target.execute(count).scalar_one())
    if (done, here) != (of, of):
        raise TransferFailed(f"{table.name}: of {of} rows {here} arrived")
    return of


def _write(target: Connection, table: Table, rows: Sequence[Any]) -> None:
    names = [column.name for column in table.columns]
    if is_postgresql(target):
        # Imported here: who has SQLite needs nothing of it.
        from gateway.records import postgresql

        postgresql.copy_rows(target, table.name, names, rows)
    else:
        target.execute(insert(table), [dict(zip(names, row, strict=True)) for row in rows])


def _go_on_numbering(connection: Connection) -> None:
    """Have PostgreSQL number new rows behind those that came with a number."""
    for table in metadata.sorted_tables:
        if "id" in table.c and table.c.id.primary_key:
            last = connection.execute(select(func.max(table.c.id))).scalar()
            sequence = func.setval(
                func.pg_get_serial_sequence(table.name, "id"), (last or 0) + 1, False
            )
            connection.execute(select(sequence))
