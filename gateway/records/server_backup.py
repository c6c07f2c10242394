"""Backups of records in PostgreSQL: into the same archive as SQLite's, and back from either's.

`copy_out` writes one state of the database into a SQLite file while everybody works on; `put_in`
replaces the database's rows by those of such a file, in one transaction, whatever kind of records
they were of. Each node's opt-out log is then owed: until every one is replayed the index stays
incomplete, and no mail passes. Raises StoreUnavailable and TransferFailed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import Connection

from gateway.config.records import PostgresSettings
from gateway.records import feed, index, opt_out_log, postgresql, sqlite, transfer
from gateway.records.store import ANY, Store, as_unavailable
from gateway.records.tables import ledger

Progress = Callable[[int, int], None]


def copy_out(settings: PostgresSettings, target: Path, progress: Progress) -> str:
    """Copy all but the ledger into a new file at `target`; the database's identity."""
    with ExitStack() as stack, as_unavailable(ANY):
        source = _opened(stack, postgresql.open_as_it_is(settings))
        sqlite.bring_up_to_date(target)
        target.with_name(f"{target.name}.migrating").unlink()
        file = _opened(stack, sqlite.open_store(target))
        reading = stack.enter_context(source.engine.connect()).execution_options(**source.reading)
        raw = reading.connection.driver_connection
        assert raw is not None  # noqa: S101 - the connection is open
        with file.engine.begin() as writing:
            totals: dict[str, tuple[int, int]] = {}

            def tell(table: str, done: int, of: int) -> None:
                totals[table] = (done, of)
                progress(sum(one for one, _ in totals.values()), sum(n for _, n in totals.values()))

            transfer.pour(reading, writing, without=(ledger,), progress=tell)
        return source.identity


def put_in(file: Path, settings: PostgresSettings, log: Path, node: str, identity: str) -> None:
    """Replace all rows by those of the file; `identity` is given to a database that is new.

    What the nodes that are known before and after may have in their logs is owed from then on.
    """
    with ExitStack() as stack, as_unavailable(ANY):
        target = _opened(stack, postgresql.open_as_it_is(settings, identity))
        source = _opened(stack, sqlite.open_store(file))
        reading = stack.enter_context(source.engine.connect()).execution_options(**source.reading)
        with target.engine.begin() as writing, target.unhurried(writing):
            nodes = {node, *opt_out_log.positions(writing), *opt_out_log.owing(writing)}
            feed.disable(writing)  # whoever followed the rows that were here begins anew
            transfer.empty(writing)
            transfer.pour(reading, writing, without=(ledger,))
            transfer.rename(writing, "", node)
            _begin_again(writing, nodes | opt_out_log.positions(writing).keys())
        postgresql.note_identity(log, target.identity)


def _begin_again(connection: Connection, nodes: set[str]) -> None:
    """Restored rows are old: nobody's answer is believed before each node's log is replayed."""
    index.unmark(connection)
    for node in sorted(nodes - set(opt_out_log.owing(connection))):
        opt_out_log.owe(connection, node)


def _opened(stack: ExitStack, store: Store) -> Store:
    stack.callback(store.engine.dispose)
    return store
