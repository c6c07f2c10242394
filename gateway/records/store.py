"""What a kind of records has to bring: where they are, an engine, and its troubles as one.

`Store` is what `gateway.records.sqlite` and `gateway.records.postgresql` each make, `Place` what
names one of them. `as_unavailable` turns whatever a database fails with into StoreUnavailable.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, PendingRollbackError, ResourceClosedError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.config.records import PostgresSettings
from gateway.errors import StoreUnavailable

Place = Path | PostgresSettings
"""A SQLite file, or the database of a PostgreSQL server."""
LOCK_SECONDS = 4.0
"""How long a writer waits for another process's transaction."""
TROUBLES = (DBAPIError, PendingRollbackError, ResourceClosedError, PoolTimeout, sqlite3.Error)
ANY = (*TROUBLES, OSError)
_REMEMBERED = "remembered"


@dataclass(frozen=True, slots=True)
class Store:
    """Records that are there and of this version, and how to get at them."""

    place: Place
    name: str
    """As messages to the operator name it."""
    engine: Engine
    reading: Mapping[str, object]
    """Execution options of a connection that sees one state and changes nothing."""
    identity: str = ""
    """What a server's database calls itself in `meta`, ever since it was created."""
    unhurried: Callable[[Connection], AbstractContextManager[object]] = nullcontext
    """A block in which no statement on the connection is given up."""

    @property
    def is_shared(self) -> bool:
        """Whether other machines write there, too: what was read a moment ago may be old."""
        return not isinstance(self.place, Path)


def reads_only(connection: Connection) -> bool:
    """Whether `Database.reading` gave the connection."""
    return bool(connection.get_execution_options().get("reads_only"))


def is_postgresql(connection: Connection) -> bool:
    """Whether statements of its own dialect may be used."""
    return connection.dialect.name == "postgresql"


def direct(connection: Connection) -> sqlite3.Connection | None:
    """The driver's own connection, where a statement may go round SQLAlchemy: to SQLite, which runs
    one in a tenth of what SQLAlchemy takes around it. What is first in a transaction begins it, and
    a server's failures are the engine's to see: neither may."""
    if is_postgresql(connection) or not connection.in_transaction():
        return None
    return cast(sqlite3.Connection, connection.connection.dbapi_connection)


def run(connection: Connection, statement: str, given: Sequence[Any]) -> Sequence[Any]:
    """Run a statement of the driver's own, for the many rows of which SQLAlchemy's cost too much;
    the rows that it gives.

    Each `?` stands for a value of `given`: one tuple, or a list of tuples to run it for each.
    """
    raw = direct(connection)
    if raw is not None:
        is_many = isinstance(given, list)
        found = raw.executemany(statement, given) if is_many else raw.execute(statement, given)
        return found.fetchall()
    if is_postgresql(connection):
        statement = statement.replace("?", "%s")
    done = connection.exec_driver_sql(statement, given)
    return done.all() if done.returns_rows else ()


def remembered(connection: Connection) -> dict[object, Any]:
    """What this very transaction has read and need not read again; empty in the next, and once a
    part of it was undone (`forget`). Whoever changes what is in it changes it there, too."""
    here = connection.get_nested_transaction() or connection.get_transaction()
    if here is None:
        return {}
    kept = connection.info.get(_REMEMBERED)
    if kept is None or kept[0] is not here:
        kept = connection.info[_REMEMBERED] = (here, {})
    found: dict[object, Any] = kept[1]
    return found


def forget(connection: Connection) -> None:
    """Nothing that was `remembered` may be true any more."""
    connection.info.pop(_REMEMBERED, None)


@contextmanager
def as_unavailable(troubles: tuple[type[Exception], ...] = TROUBLES) -> Iterator[None]:
    """`troubles` as StoreUnavailable; an OSError in a caller's block is the caller's own."""
    try:
        yield
    except troubles as error:
        raise StoreUnavailable(f"records: {_said(error)}") from error


def _said(error: Exception) -> str:
    """What the database said, without the values that PostgreSQL repeats in its details."""
    diagnosis = getattr(getattr(error, "orig", None), "diag", None)
    return getattr(diagnosis, "message_primary", None) or str(error)
