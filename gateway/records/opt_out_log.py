"""Database and opt-out log in step: what the log has, the database has before all else.

`OptOutLog` is called at the ends of every transaction that writes, under the write lock. `agree`
comes first: what the log has and the database lacks (a crash or a failed commit came between) is
replayed; a log that is missing, shorter than what the database has seen, or broken raises
`LogBroken`. `write` comes last and has what was noted (`opt_outs.note`) on the disk before the
commit. The database keeps in `meta` where the last record it contains ends.
"""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select, update

from gateway.errors import StoreUnavailable
from gateway.records import audit, index, opt_outs
from gateway.records.opt_out_file import START, LogBroken, LogFile, Position
from gateway.records.opt_out_replay import apply
from gateway.records.tables import meta, streams, suppressions

_NOTED = "opt-outs:last"
_ROWS = 4000
ACTOR = "consentry"
REMEDY = (
    "Put the log back where `opt_out_log` says (is its disk mounted?). If it is lost, "
    "`consentry opt-outs accept --why ...` begins a new one from what the database knows"
)


class OptOutLog:
    """The log at `path` beside one database, as one process sees it."""

    def __init__(self, path: Path) -> None:
        self.file = LogFile(path)
        self.replayed = 0
        """Records this process has brought into the database."""
        self.agreed: Position | None = None
        """Up to where a commit is known to contain the log; set by the caller after a commit."""

    def is_in_step(self, connection: Connection) -> bool:
        """Whether the database contains exactly what the log has, by its size and last record."""
        noted = noted_position(connection)
        if noted is None or self.file.size() != noted.octets or not self.file.holds(noted):
            return False
        self.agreed = noted
        return True

    def problem(self) -> str:
        """Why the next opt-out would fail, as far as a look at the file tells, or ""."""
        try:
            size = self.file.size()
        except StoreUnavailable as error:
            return str(error)
        is_short = size < (1 if self.agreed is None else self.agreed.octets)
        return f"the opt-out log {self.file.path} is missing or shorter than it was" * is_short

    def agree(self, connection: Connection) -> Position:
        """Have the database contain the whole log; where that ends."""
        if self.agreed is not None and self.file.size() == self.agreed.octets:
            return self.agreed
        noted = noted_position(connection)
        if noted is None:
            return self._begin(connection)
        size = self.file.size()
        if size < noted.octets or not self.file.holds(noted):
            raise LogBroken(self._trouble(noted, size))
        return self._catch_up(connection, noted, size)

    def write(self, connection: Connection, after: Position) -> Position | None:
        """Put what this transaction noted on the disk, behind `after`; where it ends.

        None when there is no transaction any more: its work has undone it itself.
        """
        if not connection.in_transaction():
            return None
        bodies = opt_outs.pending(connection)
        if not bodies:
            return after
        end = self.file.append(after, bodies)
        _note_position(connection, end)
        return end

    def verify(self) -> Position:
        """Walk the whole chain; where it ends. Raises LogBroken at the first record amiss."""
        last = START
        for position, _ in self.file.records():
            last = position
        return last

    def _catch_up(self, connection: Connection, noted: Position, size: int) -> Position:
        last, count = noted, 0
        for last, body in self.file.records(noted):
            if not count and not index.is_complete(connection):
                index.rebuild(connection)
            try:
                apply(connection, opt_outs.decode(body))
            except ValueError as error:
                path = self.file.path
                raise LogBroken(f"{path}: record {last.number}: {error}. {REMEDY}") from error
            count += 1
        if last.octets < size:
            self.file.cut(last)
        if count:
            self.replayed += count
            _note_position(connection, last)
            audit.append(
                connection,
                at=time.time(),
                actor=ACTOR,
                action="opt-outs.replayed",
                detail={"records": count, "first": noted.number + 1, "last": last.number},
            )
        return last

    def _begin(self, connection: Connection) -> Position:
        """A database that has had no log: it takes in one that is there, and tells it its own."""
        had_entries = connection.execute(select(suppressions.c.id).limit(1)).first() is not None
        end = self._catch_up(connection, START, self.file.size())
        if end == START or had_entries:
            opt_outs.note(connection, opt_outs.Begun(int(time.time())))
            note_baseline(connection)
        return end

    def _trouble(self, noted: Position, size: int) -> str:
        path = self.file.path
        if not size:
            what = "the opt-out log is missing or empty"
        elif size < noted.octets:
            what = "the opt-out log is shorter than it was"
        else:
            what = "is not the opt-out log that this database was written with"
        return f"{path}: {what}; the database has seen {noted.number} records. {REMEDY}"


def noted_position(connection: Connection) -> Position | None:
    """Where the last record that the database contains ends; None when it never had a log."""
    found = connection.execute(select(meta.c.value).where(meta.c.name == _NOTED)).scalar()
    return None if found is None else Position.parse(found)


def note_baseline(connection: Connection) -> None:
    """Note every stream's number and every entry that is not lifted, for a log that begins."""
    for stream in connection.execute(select(streams).order_by(streams.c.number)):
        record = opt_outs.StreamNumbered(stream.number, stream.tenant, stream.name)
        opt_outs.note(connection, record)
    entry = suppressions.c
    query = select(
        entry.source, entry.key, entry.scope, entry.code, entry.created_at, entry.ends_at
    ).where(entry.lifted_at.is_(None))
    waiting: defaultdict[int, list[opt_outs.Row]] = defaultdict(list)
    for source, *fields in connection.execute(query):
        rows = waiting[source]
        rows.append(opt_outs.Row(*fields))
        if len(rows) == _ROWS:
            opt_outs.note_rows(connection, rows, source)
            rows.clear()
    for source, rows in waiting.items():
        opt_outs.note_rows(connection, rows, source)


def _note_position(connection: Connection, position: Position) -> None:
    values = {"value": str(position)}
    noted = connection.execute(update(meta).where(meta.c.name == _NOTED).values(values))
    if not noted.rowcount:
        connection.execute(insert(meta), {"name": _NOTED, **values})


def forget_position(connection: Connection) -> None:
    """Let the next transaction begin a new log."""
    connection.execute(delete(meta).where(meta.c.name == _NOTED))
