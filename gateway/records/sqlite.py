"""Records in a SQLite file: opening, the write lock, and raw readers for the event loop.

`prepare` creates or migrates the file, once only; `open_store` gives its `Store`. A change is on
the disk when it is committed (WAL, synchronous=FULL). Raises sqlite3.Error as it comes, and
StoreUnavailable when records that were there are gone.
"""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import NullPool

from gateway.errors import StoreUnavailable
from gateway.records import schema
from gateway.records.store import LOCK_SECONDS, Store, reads_only

LOCK_POLL = 0.001
"""Between tries: SQLite's own waiting grows to 100 ms and lets a busy importer win every time."""
MMAP_BYTES = 2_147_418_112
"""The most SQLite maps; look-ups then read pages in place."""


def prepare(path: Path) -> None:
    """The file at `path`, created or migrated.

    It is created once only: were lost records begun anew, nobody would be suppressed any more.
    """
    made = path.with_name(f"{path.name}.made")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if made.exists() and not (path.exists() and path.stat().st_size):
        raise StoreUnavailable(
            f"{path}: is missing or empty, but was there before. Restore it from your backup; "
            f"to begin again with nobody suppressed, delete {made}"
        )
    bring_up_to_date(path)
    made.touch(mode=0o600)


def open_store(path: Path) -> Store:
    """The store over a file that is there."""
    engine = create_engine(
        f"sqlite:///{path}",
        hide_parameters=True,
        # Never made here: an empty file in the place of lost records would pass for theirs.
        creator=lambda: sqlite3.connect(
            f"file:{quote(str(path))}?mode=rw", uri=True, check_same_thread=False
        ),
    )
    event.listen(engine, "connect", _prepare_connection)
    event.listen(engine, "begin", _begin)
    return Store(path, str(path), engine, {"reads_only": True})


def connect_reader(path: Path) -> sqlite3.Connection:
    """A raw connection that only reads, made for many small look-ups on one thread.

    It never waits for a lock (readers of a WAL need none) and raises sqlite3.Error as it comes.
    """
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw",
        uri=True,
        timeout=0.005,
        isolation_level=None,
        cached_statements=512,
        check_same_thread=False,
    )
    connection.execute("PRAGMA query_only=ON")
    connection.execute("PRAGMA cell_size_check=ON")
    connection.execute(f"PRAGMA mmap_size={MMAP_BYTES}")
    return connection


def bring_up_to_date(path: Path) -> None:
    """Create or migrate the file; one that is there already costs one small query.

    Processes that start together take turns by a lock file.
    """
    if _revision(path) == schema.HEAD:
        return
    with path.with_name(f"{path.name}.migrating").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not schema.is_behind(_revision(path), str(path)):
            return
        path.touch(mode=0o600)
        engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
        with engine.connect() as connection:
            # Before the first table, and outside a transaction: both are kept in the file itself.
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            connection.commit()
            with connection.begin():
                schema.migrate(connection)
        engine.dispose()


def _revision(path: Path) -> str | None:
    if not path.exists():
        return None
    connection = sqlite3.connect(path)
    try:
        names = connection.execute("SELECT name FROM sqlite_master WHERE name='alembic_version'")
        if names.fetchone() is None:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if row is None else str(row[0])
    finally:
        connection.close()


def _prepare_connection(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    for pragma in (
        "busy_timeout=0",
        "journal_mode=WAL",
        "synchronous=FULL",
        "cell_size_check=ON",
        "secure_delete=ON",  # what is deleted or moved is overwritten: no secret stays behind
        "cache_size=-65536",
        f"mmap_size={MMAP_BYTES}",
    ):
        _when_free(lambda pragma=pragma: connection.execute(f"PRAGMA {pragma}"))  # type: ignore[misc]


def _begin(connection: Connection) -> None:
    """BEGIN that takes the write lock at once, so that no transaction fails half way for it."""
    if reads_only(connection):
        connection.exec_driver_sql("BEGIN")
        return
    raw = connection.connection.cursor()
    _when_free(lambda: raw.execute("BEGIN IMMEDIATE"))
    raw.close()


def _when_free(action: Callable[[], object]) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            action()
            return
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > deadline:
                raise
        time.sleep(LOCK_POLL)
