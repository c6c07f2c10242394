"""The durable database: opening it, one writer at a time, and raw readers for the event loop.

`open_database(path, opt_outs)` brings the schema up to date and gives a `Database`. Everything that
is changed goes through `write` (from the event loop: one background thread, which commits what has
queued up together) or `transaction` (from a command). A change is on the disk when they return
(WAL, synchronous=FULL), what it noted for the opt-out log before that, and the next look-up of any
process sees it. Raises StoreUnavailable when SQLite or the log cannot serve, whatever the reason.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar
from urllib.parse import quote

from sqlalchemy import Connection as Connection  # for those who may not name SQLAlchemy
from sqlalchemy import create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from gateway.errors import StoreUnavailable
from gateway.records import index, schema
from gateway.records import opt_outs as noted
from gateway.records.opt_out_log import OptOutLog

T = TypeVar("T")
LOCK_SECONDS = 4.0
"""How long a writer waits for another process's transaction."""
LOCK_POLL = 0.001
"""Between tries: SQLite's own waiting grows to 100 ms and lets a busy importer win every time."""
BATCH_SECONDS = 0.02
"""A shared commit takes no further change after that time."""
_SQL = (DBAPIError, sqlite3.Error)
_ANY = (*_SQL, OSError)
MMAP_BYTES = 2_147_418_112
"""The most SQLite maps; look-ups then read pages in place."""


def open_database(
    path: Path, opt_outs: Path | None = None, *, is_thorough: bool = False
) -> Database:
    """The database at `path`, created or migrated, its index rebuilt and its log replayed.

    It is created once only: were lost records begun anew, nobody would be suppressed any more.
    `opt_outs` is the opt-out log (beside the database when not given): missing, shorter than it was
    or, `is_thorough`, broken anywhere, it raises LogBroken.
    """
    made = path.with_name(f"{path.name}.made")
    with _as_unavailable(_ANY):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if made.exists() and not (path.exists() and path.stat().st_size):
            raise StoreUnavailable(
                f"{path}: is missing or empty, but was there before. Restore it from your backup; "
                f"to begin again with nobody suppressed, delete {made}"
            )
        schema.bring_up_to_date(path)
        made.touch(mode=0o600)
    log = OptOutLog(opt_outs or path.with_name("opt-outs.log"))
    if is_thorough:
        log.verify()
    database = Database(path, log)
    try:
        with database.reading() as connection:
            is_ready = log.is_in_step(connection) and index.is_complete(connection)
        if not is_ready:
            with database.transaction() as connection:
                if not index.is_complete(connection):
                    index.rebuild(connection)
    except BaseException:
        database.close()
        raise
    return database


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


@dataclass(slots=True)
class _Change:
    """One queued function, whom to tell, and what came of it."""

    work: Callable[[Connection], object]
    future: asyncio.Future[object]
    loop: asyncio.AbstractEventLoop
    result: object = None
    error: BaseException | None = None

    def tell(self) -> None:
        """Resolve the future on its own loop; a caller that has left is not told."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._resolve)

    def _resolve(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Database:
    """One process's access to the records. `close()` ends the writer thread."""

    def __init__(self, path: Path, opt_outs: OptOutLog) -> None:
        self.path = path
        self.opt_outs = opt_outs
        self._engine = create_engine(
            f"sqlite:///{path}",
            hide_parameters=True,
            # Never made here: an empty file in the place of lost records would pass for theirs.
            creator=lambda: sqlite3.connect(
                f"file:{quote(str(path))}?mode=rw", uri=True, check_same_thread=False
            ),
        )
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "begin", _begin)
        event.listen(self._engine, "savepoint", noted.mark)
        event.listen(self._engine, "release_savepoint", noted.keep)
        event.listen(self._engine, "rollback_savepoint", noted.undo)
        self._queue: SimpleQueue[_Change | None] = SimpleQueue()
        self._thread: Thread | None = None

    def __repr__(self) -> str:
        return f"Database({str(self.path)!r})"

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection that holds the write lock until the block ends, then commits."""
        with _as_unavailable():
            with self._engine.begin() as connection:
                before = self.opt_outs.agree(connection)
                yield connection
                after = self.opt_outs.write(connection, before)
            self.opt_outs.agreed = after

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the database and changes nothing."""
        with _as_unavailable(), self._engine.connect() as connection:
            yield connection.execution_options(reads_only=True)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in the writer thread; its result once the change is on the disk.

        An exception of `work` undoes its own change only. Should the caller leave, the change is
        made all the same.
        """
        if self._thread is None:
            self._thread = Thread(target=self._run, name="records-writer", daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[object] = loop.create_future()
        self._queue.put(_Change(work, future, loop))
        return await future  # type: ignore[return-value]

    def close(self) -> None:
        """Finish what is queued and let the file go."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        self._engine.dispose()

    # ---- the writer thread ------------------------------------------------------------------

    def _run(self) -> None:
        connection: Connection | None = None
        while (first := self._queue.get()) is not None:
            batch = [first]
            is_last = False
            try:
                with _as_unavailable(_ANY):
                    connection = connection or self._engine.connect()
                    with connection.begin():
                        before = self.opt_outs.agree(connection)
                        is_last = self._fill(connection, batch)
                        after = self.opt_outs.write(connection, before)
                    self.opt_outs.agreed = after
            except BaseException as error:
                # Nothing of the batch is on the disk: nobody may believe otherwise.
                for change in batch:
                    change.error = change.error or error
                if connection is not None:
                    with suppress(SQLAlchemyError, sqlite3.Error):
                        connection.invalidate()
                        connection.close()
                    connection = None
            for change in batch:
                change.tell()
            if is_last:
                break
        if connection is not None:
            connection.close()

    def _fill(self, connection: Connection, batch: list[_Change]) -> bool:
        """Run the first change and whatever queues up meanwhile; True when `close` was met."""
        until = time.monotonic() + BATCH_SECONDS
        _attempt(connection, batch[0])
        while not self._queue.empty() and time.monotonic() < until:
            change = self._queue.get()
            if change is None:
                return True
            batch.append(change)
            _attempt(connection, change)
        return False


def _attempt(connection: Connection, change: _Change) -> None:
    try:
        with _as_unavailable(_ANY), connection.begin_nested():
            change.result = change.work(connection)
    except Exception as error:
        change.error = error


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
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
    if connection.get_execution_options().get("reads_only"):
        connection.exec_driver_sql("BEGIN")
        return
    noted.begin(connection)
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


@contextmanager
def _as_unavailable(troubles: tuple[type[Exception], ...] = _SQL) -> Iterator[None]:
    """`troubles` as StoreUnavailable; an OSError in a caller's block is the caller's own."""
    try:
        yield
    except troubles as error:
        raise StoreUnavailable(f"records: {error}") from error
