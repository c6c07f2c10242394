"""An index over the journal: every event of a ref, a key, a Message-ID, a mailing, a tenant.

`EventIndex` is a SQLite file of its own beside the journal folder. It holds numbers made of names
and where in which file a line stands, no line and no address, and it can be deleted at any time:
`advance` reads on where it ended and begins a file anew that is not what it was (an erasure has
rewritten it); what is no longer there it forgets. Every line found is read from the journal and
checked, so an index that lags behind finds less but never something else. `coverage` says until
when it knows everything. Raises StoreUnavailable; a broken index file is begun anew. All methods
block for milliseconds and may be called from any thread.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path
from threading import Lock

from gateway.errors import StoreUnavailable
from gateway.events import Event
from gateway.journal_reader import parse
from gateway.message.message_id import message_id_digest
from gateway.records.event_names import (
    case_name,
    key_name,
    kind_name,
    mailing_name,
    message_name,
    names_of,
    ref_name,
)
from gateway.records.journal_files import JournalFile, files_in, mark_of, next_at, stretch

VERSION = 1
SLICE_OCTETS = 262_144
"""Read, parsed and committed at once: about 20 ms."""
HOUR = 3600
_TABLES = f"""
    PRAGMA journal_mode=WAL;
    CREATE TABLE files (
        id INTEGER PRIMARY KEY AUTOINCREMENT, inode INTEGER NOT NULL, mark BLOB NOT NULL,
        reached INTEGER NOT NULL, ended INTEGER, first_at REAL, last_at REAL
    ) STRICT;
    CREATE TABLE places (
        file INTEGER NOT NULL, name INTEGER NOT NULL, place INTEGER NOT NULL,
        PRIMARY KEY (file, name, place)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE counts (
        file INTEGER NOT NULL, tenant TEXT NOT NULL, hour INTEGER NOT NULL, kind TEXT NOT NULL,
        tag TEXT NOT NULL, amount INTEGER NOT NULL,
        PRIMARY KEY (file, tenant, hour, kind, tag)
    ) STRICT, WITHOUT ROWID;
    PRAGMA user_version={VERSION};
"""
"""`ended` is the ctime (ns) of a file that is finished and read to its end; `hour` counts hours of
Unix time."""


@dataclass(frozen=True, slots=True)
class DayCount:
    """How many events of a kind with a tag ("" without) a tenant had on a day."""

    day: date
    kind: str
    tag: str
    amount: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the index knows: everything from `since` to `until` (Unix seconds; None when nothing).

    `behind` octets of the journal are not read yet; while there are none, `until` is now.
    """

    since: float | None
    until: float | None
    behind: int


class EventIndex:
    """The index in `path` over the journal in `folder`; one per process that uses it."""

    def __init__(self, folder: Path, path: Path) -> None:
        self._folder = folder
        self._path = path
        self._writing = Lock()
        self._reading = Lock()
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None

    # ---- reading on -------------------------------------------------------------------------

    def advance(self, octets: int = SLICE_OCTETS) -> int:
        """Read up to `octets` more of the journal, the oldest first; how many were read."""
        with self._writing, self._as_unavailable(self._forget_file):
            connection = self._writer = self._writer or self._open()
            for file in self._compare(connection):
                is_worth_it = file.is_finished or file.reached < file.size
                if is_worth_it and (read := _read_on(connection, file, octets)):
                    return read
            return 0

    def close(self) -> None:
        """Let the file go."""
        with self._writing, self._reading:
            for connection in (self._writer, self._reader):
                if connection is not None:
                    connection.close()
            self._writer = self._reader = None

    # ---- asking -----------------------------------------------------------------------------

    def of_ref(self, ref: str) -> list[Event]:
        """All events of a transaction or session, by time. ValueError if `ref` is malformed."""
        return self._events([ref_name(ref)], 1_000)[::-1]

    def of_key(self, key: bytes, limit: int = 200) -> list[Event]:
        """The latest events that name a recipient by this exact key, newest first."""
        return self._events([key_name(key.hex())], limit)

    def of_message_id(self, message_id: str, limit: int = 200) -> list[Event]:
        """The latest events about messages with this Message-ID, newest first."""
        digest = message_id_digest(message_id.encode("utf-8", "replace"))
        return self._events([message_name(digest)], limit) if digest else []

    def of_mailing(self, tenant: str, mailing: str, limit: int = 200) -> list[Event]:
        """A mailing's latest events, newest first."""
        return self._events([mailing_name(tenant, mailing)], limit)

    def of_case(self, case: str, limit: int = 200) -> list[Event]:
        """The latest events that name a case (C-000123), newest first."""
        return self._events([case_name(case)], limit)

    def latest(self, tenant: str, kinds: str | Iterable[str], limit: int) -> list[Event]:
        """A tenant's latest events of one kind or several, newest first."""
        wanted = [kinds] if isinstance(kinds, str) else list(kinds)
        return self._events([kind_name(tenant, kind) for kind in wanted], limit)

    def counts(self, tenant: str, since: float, zone: tzinfo = UTC) -> list[DayCount]:
        """How many events a tenant had by day, kind and tag, from the hour of `since` on.

        Days are those of `zone`, cut at whole hours of Unix time.
        """
        query = (
            "SELECT hour, kind, tag, sum(amount) FROM counts WHERE tenant=? AND hour>=?"
            " GROUP BY hour, kind, tag"
        )
        days: dict[tuple[date, str, str], int] = {}
        with self._asking() as connection:
            for hour, kind, tag, amount in connection.execute(query, (tenant, int(since) // HOUR)):
                day = datetime.fromtimestamp(hour * HOUR, zone).date()
                days[day, kind, tag] = days.get((day, kind, tag), 0) + amount
        return [DayCount(*what, amount) for what, amount in sorted(days.items())]

    def coverage(self) -> Coverage:
        """What the index knows, and how many octets it has still to read."""
        with self._asking() as connection:
            since = connection.execute("SELECT min(first_at) FROM files").fetchone()[0]
            unread = [file for file in self._files(connection) if file.reached < file.size]
            behind = sum(file.size - file.reached for file in unread)
            coming = [at for file in unread if (at := next_at(file)) is not None]
            if not coming:
                return Coverage(since, datetime.now(UTC).timestamp(), 0)
            return Coverage(since, min(coming) if since is not None else None, behind)

    def _events(self, names: Sequence[int], limit: int) -> list[Event]:
        """The latest `limit` events by any of these names, newest first."""
        found: list[Event] = []
        with self._asking() as connection:
            files = sorted(self._files(connection), key=lambda file: -file.last_at)
            for file in files:
                if len(found) >= limit and file.last_at < found[limit - 1].at:
                    break
                found += _read_places(connection, file, names, limit)
                found = sorted(found, key=lambda event: -event.at)[:limit]
        return found

    # ---- files ------------------------------------------------------------------------------

    def _files(self, connection: sqlite3.Connection) -> list[JournalFile]:
        """The journal's files as they lie there, with what is known of each by its inode."""
        known = {
            inode: (number, reached, last_at)
            for number, inode, reached, last_at in connection.execute(
                "SELECT id, inode, reached, last_at FROM files"
            )
        }
        found = files_in(self._folder)
        for file in found:
            if file.inode in known:
                file.id, file.reached, last_at = known[file.inode]
                file.last_at = last_at or 0.0
        return found

    def _compare(self, connection: sqlite3.Connection) -> list[JournalFile]:
        """The files to read, oldest first, after forgetting those that are gone or changed."""
        found = self._files(connection)
        here = {file.id: file for file in found if file.id}
        unread = {file.inode: file for file in found if not file.id}
        rows = connection.execute("SELECT id, mark, ended FROM files").fetchall()
        for number, mark, ended in rows:
            file = here.get(number)
            if file is not None and ended is not None:
                if file.is_finished and (file.ctime, file.size) == (ended, file.reached):
                    continue
            elif file is not None and mark_of(file) == mark:
                unread[file.inode] = file
                continue
            with connection:
                for table in ("places", "counts"):
                    connection.execute(f"DELETE FROM {table} WHERE file=?", (number,))  # noqa: S608
                connection.execute("DELETE FROM files WHERE id=?", (number,))
            if file is not None:
                file.id = file.reached = 0
                unread[file.inode] = file
        return sorted(unread.values(), key=lambda file: file.age)

    # ---- the index's own file ---------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        """A connection that writes, to an index of this version."""
        connection = self._connect()
        if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            connection.close()
            self._forget_file()
            connection = self._connect()
            connection.executescript(_TABLES)
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA cache_size=-32768")
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=4.0, check_same_thread=False)
        self._path.chmod(0o600)
        return connection

    def _forget_file(self) -> None:
        """Begin anew: what is in the file cannot be read."""
        with self._reading:
            for connection in (self._writer, self._reader):
                if connection is not None:
                    with suppress(sqlite3.Error):
                        connection.close()
            self._writer = self._reader = None
            self._delete()

    def _delete(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    @contextmanager
    def _asking(self) -> Iterator[sqlite3.Connection]:
        """The connection that only reads; one question at a time."""
        with self._reading, self._as_unavailable():
            if self._reader is None:
                if not self._path.exists():
                    raise StoreUnavailable(f"{self._path}: the journal's index is not there yet")
                self._reader = self._connect()
                self._reader.execute("PRAGMA query_only=ON")
            with self._reader as connection:
                connection.execute("BEGIN")
                yield connection

    @contextmanager
    def _as_unavailable(self, heal: Callable[[], None] | None = None) -> Iterator[None]:
        """What SQLite or the disk cannot do, as StoreUnavailable; `heal` when it is broken."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            is_busy = isinstance(error, sqlite3.OperationalError)
            if heal is not None and isinstance(error, sqlite3.DatabaseError) and not is_busy:
                heal()
            raise StoreUnavailable(f"{self._path}: {error}") from error


def _read_on(connection: sqlite3.Connection, file: JournalFile, octets: int) -> int:
    """Index the next stretch of a file in one transaction; how many octets it has."""
    lines = stretch(file, octets)
    places: list[tuple[int, int]] = []
    counts: Counter[tuple[str, int, str, str]] = Counter()
    times: list[float] = []
    place = file.reached
    for line in lines.splitlines(keepends=True):
        if (event := parse(line)) is not None:
            places += [(name, place) for name in names_of(event)]
            times.append(event.at)
            if event.tenant:
                counts[event.tenant, int(event.at) // HOUR, event.kind, event.tag] += 1
        place += len(line)
    file.reached = place
    is_ended = file.is_finished and place >= file.size
    with connection:
        if not file.id:
            made = connection.execute(
                "INSERT INTO files (inode, mark, reached) VALUES (?, x'', 0)", (file.inode,)
            )
            file.id = made.lastrowid or 0
        connection.executemany(
            "INSERT OR IGNORE INTO places VALUES (?, ?, ?)",
            [(file.id, name, at) for name, at in sorted(places)],
        )
        connection.executemany(
            "INSERT INTO counts VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET amount = amount + excluded.amount",
            [(file.id, *what, amount) for what, amount in counts.items()],
        )
        connection.execute(
            "UPDATE files SET mark=:mark, reached=:reached, ended=:ended,"
            " first_at=coalesce(min(first_at, :first), first_at, :first),"
            " last_at=coalesce(max(last_at, :last), last_at, :last) WHERE id=:id",
            {
                "id": file.id,
                "mark": mark_of(file),
                "reached": place,
                "ended": file.ctime if is_ended else None,
                "first": min(times, default=None),
                "last": max(times, default=None),
            },
        )
    return len(lines)


def _read_places(
    connection: sqlite3.Connection, file: JournalFile, names: Sequence[int], limit: int
) -> list[Event]:
    """The file's latest events by these names, each once; what has another name is left out."""
    query = "SELECT place FROM places WHERE file=? AND name=? ORDER BY place DESC LIMIT ?"
    places = {
        place for name in names for (place,) in connection.execute(query, (file.id, name, limit))
    }
    if not places:
        return []
    found = []
    try:
        with file.path.open("rb") as opened:
            for place in sorted(places, reverse=True)[:limit]:
                opened.seek(place)
                event = parse(opened.readline())
                if event is not None and not names_of(event).isdisjoint(names):
                    found.append(event)
    except FileNotFoundError:  # rotated or pruned just now
        return found
    return found
