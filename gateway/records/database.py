"""The durable database: opening it, one writer at a time, whatever keeps it.

`open_database(place, opt_outs)` brings the schema up to date and gives a `Database`, over a SQLite
file or a PostgreSQL server. Everything that is changed goes through `write` (from the event loop:
one background thread, which commits what has queued up together) or `transaction` (from a command).
A change is on the disk when they return, what it noted for the opt-out log before that, and the
next look-up of any process sees it. Raises StoreUnavailable when store, log or `publisher` cannot
serve, whatever the reason.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Protocol, TypeVar

from sqlalchemy import Connection as Connection  # for those who may not name SQLAlchemy
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from gateway.records import index, sqlite
from gateway.records import opt_outs as noted
from gateway.records.opt_out_log import OptOutLog, complete
from gateway.records.store import ANY, TROUBLES, Place, Store, as_unavailable, forget, run

T = TypeVar("T")
_CHANGE = "change"
BATCH_SECONDS = 0.03
"""A shared commit takes no further change after that time."""


class Publisher(Protocol):
    """Brings changes that are on record to whoever answers look-ups beside the records."""

    def last(self, connection: Connection) -> int:
        """The number of the last change on record, in the writer's own transaction."""
        ...

    def publish(self, database: Database) -> None:
        """Bring everything on record up to now into force; StoreUnavailable when it cannot.

        Called by the thread that committed, before anybody is told.
        """
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...


def open_database(
    place: Place,
    opt_outs: Path | None = None,
    *,
    node: str = "",
    is_thorough: bool = False,
    is_service: bool = False,
) -> Database:
    """The database at `place`, created or migrated, its index rebuilt and its log replayed.

    It is created once only: were lost records begun anew, nobody would be suppressed any more.
    `opt_outs` is the opt-out log (beside a SQLite file when not given): missing, shorter than it
    was or, `is_thorough`, broken anywhere, it raises LogBroken. With PostgreSQL it is that of
    `node`, and `is_service` says not to wait for long for any one statement.
    """
    database = connect(place, _log(place, opt_outs, node), is_service=is_service)
    log = database.opt_outs
    try:
        if is_thorough:
            log.verify()
        with database.reading() as connection:
            is_ready = log.is_in_step(connection) and index.is_complete(connection)
        if not is_ready:
            with database.transaction(is_long=True) as connection:
                complete(connection)
    except BaseException:
        database.close()
        raise
    return database


def connect(place: Place, log: OptOutLog, *, is_service: bool = False) -> Database:
    """The database at `place`, created or migrated, whatever its index and log are like."""
    with as_unavailable(ANY):
        if isinstance(place, Path):
            sqlite.prepare(place)
            return Database(sqlite.open_store(place), log)
        # Imported here: who has SQLite needs nothing of it.
        from gateway.records import postgresql

        identity = postgresql.prepare(place, postgresql.marker_of(log.file.path))
        return Database(postgresql.open_store(place, identity, is_service=is_service), log)


def _log(place: Place, path: Path | None, node: str) -> OptOutLog:
    if isinstance(place, Path):
        return OptOutLog(path or place.with_name("opt-outs.log"))
    if path is None or not node:
        raise ValueError("each node has an opt-out log of its own beside shared records")
    return OptOutLog(path, node)


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

    def __init__(self, store: Store, opt_outs: OptOutLog) -> None:
        self.store = store
        self.opt_outs = opt_outs
        self.publisher: Publisher | None = None
        self._engine = store.engine
        event.listen(self._engine, "begin", noted.begin)
        self._queue: SimpleQueue[_Change | None] = SimpleQueue()
        self._thread: Thread | None = None

    def __repr__(self) -> str:
        return f"Database({self.store.name!r})"

    @property
    def path(self) -> Path:
        """The SQLite file; TypeError when the records are elsewhere."""
        place = self.store.place
        if not isinstance(place, Path):
            raise TypeError(f"{self.store.name} is no file")
        return place

    @contextmanager
    def transaction(self, *, is_long: bool = False) -> Iterator[Connection]:
        """A connection that holds the write lock until the block ends, then commits.

        `is_long`: no statement of it is given up, however long it takes.
        """
        with as_unavailable():
            with ExitStack() as stack:
                connection = stack.enter_context(self._engine.begin())
                if is_long:
                    stack.enter_context(self.store.unhurried(connection))
                known = self._last(connection)
                before = self.opt_outs.agree(connection)
                yield connection
                after = self.opt_outs.write(connection, before)
                is_news = after is not None and self._last(connection) != known
            self.opt_outs.agreed = after
        if is_news and self.publisher is not None:
            self.publisher.publish(self)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the database and changes nothing."""
        with as_unavailable(), self._engine.connect() as connection:
            yield connection.execution_options(**self.store.reading)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` reads. In a thread where the records are on a server: one that does not
        answer must hold up nobody who needs nothing of it."""

        def run() -> T:
            with self.reading() as connection:
                return work(connection)

        return await asyncio.to_thread(run) if self.store.is_shared else run()

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
        if self.publisher is not None:
            self.publisher.close()
        self._engine.dispose()

    def _last(self, connection: Connection) -> int:
        """The last change that is to be published, as this transaction sees it."""
        return 0 if self.publisher is None else self.publisher.last(connection)

    # ---- the writer thread ------------------------------------------------------------------

    def _run(self) -> None:
        connection: Connection | None = None
        while (first := self._queue.get()) is not None:
            batch = [first]
            is_last = False
            try:
                with as_unavailable(ANY):
                    connection = connection or self._engine.connect()
                    with connection.begin():
                        known = self._last(connection)
                        before = self.opt_outs.agree(connection)
                        is_last = self._fill(connection, batch)
                        after = self.opt_outs.write(connection, before)
                        is_news = self._last(connection) != known
                    self.opt_outs.agreed = after
            except BaseException as error:
                # Nothing of the batch is on the disk: nobody may believe otherwise.
                for change in batch:
                    change.error = change.error or error
                if connection is not None:
                    with suppress(SQLAlchemyError, *TROUBLES):
                        connection.invalidate()
                        connection.close()
                    connection = None
            else:
                try:
                    # What adds no change (the ledger, cases) needs no index to be in force.
                    if is_news and self.publisher is not None:
                        self.publisher.publish(self)
                except Exception as error:
                    # On record, but not in force everywhere: nobody may rely on it yet.
                    for change in batch:
                        change.error = change.error or error
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
    """Make a change; its exception undoes it alone. Where that fails so does the whole batch: a
    full disk may have undone what was before it, too."""
    kept = len(noted.pending(connection))
    run(connection, f"SAVEPOINT {_CHANGE}", ())
    try:
        with as_unavailable(ANY):
            change.result = change.work(connection)
    except Exception as error:
        change.error = error
        run(connection, f"ROLLBACK TO SAVEPOINT {_CHANGE}", ())
        forget(connection)
        noted.undo(connection, kept)
    run(connection, f"RELEASE SAVEPOINT {_CHANGE}", ())
