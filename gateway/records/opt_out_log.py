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

NOTED, OWED = "opt-outs:last", "opt-outs:owed"
"""Marks in `meta`: where the log ends that the database contains, and that it may lack some of one.

Of shared records there is one of each for every node, its name behind a colon.
"""
_ROWS = 4000
ACTOR = "consentry"
REMEDY = (
    "Put the log back where `opt_out_log` says (is its disk mounted?). If it is lost, "
    "`consentry opt-outs accept --why ...` begins a new one from what the database knows"
)


class OptOutLog:
    """The log at `path` beside one database, as one process sees it."""

    def __init__(self, path: Path, node: str = "") -> None:
        self.file = LogFile(path)
        self.node = node
        """Whose log it is of those beside shared records; "" when the records are this node's."""
        self.replayed = 0
        """Records this process has brought into the database."""
        self.agreed: Position | None = None
        """Up to where a commit is known to contain the log; set by the caller after a commit."""
        self._numbered: set[str] = set()

    def is_in_step(self, connection: Connection) -> bool:
        """Whether the database contains exactly what the log has, by its size and last record."""
        noted, owes = self._look(connection)
        if owes or noted is None:
            return False
        if self.file.size() != noted.octets or not self.file.holds(noted):
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
        if not self.node and self.agreed and self.file.size() == self.agreed.octets:
            return self.agreed
        # Shared records may be older than this process knows them: a standby has taken over.
        noted, owes = self._look(connection)
        size = self.file.size()
        if noted is None:
            end = self._begin(connection)
        elif noted == self.agreed and size == noted.octets:
            end = noted
        elif size < noted.octets or not self.file.holds(noted):
            raise LogBroken(self._trouble(noted, size))
        else:
            end = self._catch_up(connection, noted, size)
        if owes:
            connection.execute(delete(meta).where(meta.c.name == self._own(OWED)))
            complete(connection)
        return end

    def write(self, connection: Connection, after: Position) -> Position | None:
        """Put what this transaction noted on the disk, behind `after`; where it ends.

        None when there is no transaction any more: its work has undone it itself.
        """
        if not connection.in_transaction():
            return None
        bodies = opt_outs.pending(connection)
        if not bodies:
            return after
        fresh = opt_outs.scopes_of(bodies) - self._numbered if self.node else set()
        if fresh:
            bodies = [*_numbers(connection, fresh), *bodies]
        end = self.file.append(after, bodies)
        self._numbered |= fresh  # only what is on the disk
        self._note_position(connection, end)
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
            if not count:
                complete(connection)
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
            self._note_position(connection, last)
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
        others = positions(connection)
        end = self._catch_up(connection, START, self.file.size())
        if end == START or had_entries:
            opt_outs.note(connection, opt_outs.Begun(int(time.time())))
            if not others:  # else the other nodes' logs have it
                note_baseline(connection)
        return end

    def _look(self, connection: Connection) -> tuple[Position | None, bool]:
        """Where the log ended that the database contains, and whether it may lack some of it."""
        names = (self._own(NOTED), self._own(OWED))
        query = select(meta.c.name, meta.c.value).where(meta.c.name.in_(names))
        found = {row.name: row.value for row in connection.execute(query)}
        noted = found.get(names[0])
        return None if noted is None else Position.parse(noted), names[1] in found

    def _own(self, mark: str) -> str:
        return own_mark(mark, self.node)

    def _note_position(self, connection: Connection, position: Position) -> None:
        name, values = self._own(NOTED), {"value": str(position)}
        noted = connection.execute(update(meta).where(meta.c.name == name).values(values))
        if not noted.rowcount:
            connection.execute(insert(meta), {"name": name, **values})

    def forget(self, connection: Connection) -> Position | None:
        """Let the next transaction begin a new log; where the old one ended."""
        noted, _ = self._look(connection)
        own = (self._own(NOTED), self._own(OWED))
        connection.execute(delete(meta).where(meta.c.name.in_(own)))
        return noted

    def _trouble(self, noted: Position, size: int) -> str:
        path = self.file.path
        if not size:
            what = "the opt-out log is missing or empty"
        elif size < noted.octets:
            what = "the opt-out log is shorter than it was"
        else:
            what = "is not the opt-out log that this database was written with"
        return f"{path}: {what}; the database has seen {noted.number} records. {REMEDY}"


def _numbers(connection: Connection, scopes: set[str]) -> list[str]:
    """Records of the numbers of these streams: another node may have given them, whose log is
    replayed later than this one."""
    return [
        opt_outs.encode(opt_outs.StreamNumbered(row.number, row.tenant, row.name))
        for row in connection.execute(select(streams).order_by(streams.c.number))
        if (f"{row.tenant}/{row.name}" if row.name else row.tenant) in scopes
    ]


def own_mark(mark: str, node: str) -> str:
    """The name in `meta` of a mark of one node's log; "" is the node of a SQLite file."""
    return f"{mark}:{node}" if node else mark


def owe(connection: Connection, node: str) -> None:
    """Note that the records were restored, and may lack what the log of `node` has."""
    connection.execute(insert(meta), {"name": own_mark(OWED, node), "value": "restored"})


def give_up(connection: Connection, node: str) -> bool:
    """Wait no longer for what the log of `node` has; whether anybody did."""
    own = (own_mark(NOTED, node), own_mark(OWED, node))
    return bool(connection.execute(delete(meta).where(meta.c.name.in_(own))).rowcount)


def complete(connection: Connection) -> None:
    """Have a complete index, unless some node's log is still to be replayed over the records."""
    if owing(connection):
        index.unmark(connection)
    elif not index.is_complete(connection):
        index.rebuild(connection)


def positions(connection: Connection) -> dict[str, Position]:
    """Where the log of each node ends that the database contains; "" is that of its own records."""
    query = select(meta.c.name, meta.c.value).where(meta.c.name.startswith(NOTED))
    return {
        row.name.removeprefix(NOTED).removeprefix(":"): Position.parse(row.value)
        for row in connection.execute(query)
    }


def owing(connection: Connection) -> list[str]:
    """The nodes whose logs restored records may still lack something of.

    Until there is none nobody may be believed not to be suppressed: the index stays incomplete.
    """
    query = select(meta.c.name).where(meta.c.name.startswith(OWED)).order_by(meta.c.name)
    names = connection.execute(query).scalars()
    return [name.removeprefix(OWED).removeprefix(":") for name in names]


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
    for source, *fields in connection.execute(query.execution_options(yield_per=_ROWS)):
        rows = waiting[source]
        rows.append(opt_outs.Row(*fields))
        if len(rows) == _ROWS:
            opt_outs.note_rows(connection, rows, source)
            rows.clear()
    for source, rows in waiting.items():
        opt_outs.note_rows(connection, rows, source)
