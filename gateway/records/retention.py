"""Removing what is past its time, table by table, in slices that keep nobody waiting.

`purge` takes the periods of `gateway.config.retention` and gives how many rows went of what; a dry
run only counts. What lies in a hash chain stays in it: of an old proof what is personal is
destroyed and its steps remain; the audit trail is cut at its beginning (`audit.cut`). Rows are
found without the write lock, which each slice holds some 15 ms. Texts that no row refers to any
more go last. Raises StoreUnavailable; what was done until then is done.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    delete,
    func,
    insert,
    select,
    tuple_,
    union_all,
)

from gateway.config.retention import RetentionSettings
from gateway.records import audit
from gateway.records.codes import CLEARED
from gateway.records.database import Database
from gateway.records.figures import day_of
from gateway.records.retention_rules import CODES, RULES, UNDOINGS, Rule
from gateway.records.staff_sessions import IDLE
from gateway.records.tables import audit as audit_table
from gateway.records.tables import (
    figures,
    idempotency,
    meta,
    metadata,
    staff,
    staff_sessions,
    standing_index,
    subject_secrets,
    subjects,
    unproven_mails,
)
from gateway.records.undoings import KEPT

HOLD_SECONDS = 0.015
IDEMPOTENCY_SECONDS = 86_400
CODE_SECONDS = 86_400
_FOUND_AT_ONCE = 2000
_MIN_SLICE, _MAX_SLICE = 50, 2000
_LAST = "purge:last"

_REFERRING = (
    *(
        table.c.subject
        for table in metadata.sorted_tables
        if "subject" in table.c and table is not subject_secrets
    ),
    staff.c.totp,
)
"""Every column that refers to a sealed text."""


def purge(
    database: Database, settings: RetentionSettings, now: float, actor: str, dry_run: bool = False
) -> dict[str, int]:
    """Remove what is past its time; how many of what, those that were none included."""
    removed: dict[str, int] = {}
    for rule in RULES:
        cutoff = settings.cutoff(rule.setting, now)
        removed[rule.name] = 0 if cutoff is None else _apply(database, rule, cutoff, dry_run)
    removed["mailed_codes"] = _apply(database, CODES, now - CODE_SECONDS, dry_run)
    removed["undoings"] = _apply(database, UNDOINGS, now - KEPT, dry_run)
    removed["staff_sessions"] = _sessions(database, now, dry_run)
    removed["idempotency"] = _idempotency(database, now - IDEMPOTENCY_SECONDS, dry_run)
    removed["pre_check_clearances"] = _clearances(database, now, dry_run)
    removed["figures"] = _figures(database, settings.cutoff("figures", now), dry_run)
    removed["unproven_mails"] = _unproven(database, now, dry_run)
    removed["audit"] = _audit(database, settings.cutoff("audit", now), actor, now, dry_run)
    removed["subjects"] = _orphans(database, dry_run)
    if not dry_run:
        with database.transaction() as connection:
            done = {name: count for name, count in removed.items() if count}
            if done:
                audit.append(connection, at=now, actor=actor, action="records.purged", detail=done)
            connection.execute(delete(meta).where(meta.c.name == _LAST))
            connection.execute(insert(meta), {"name": _LAST, "value": str(int(now))})
    return removed


def purged_at(connection: Connection) -> float:
    """When the last purge was complete, Unix seconds; 0 when there was none."""
    return float(connection.scalar(select(meta.c.value).where(meta.c.name == _LAST)) or 0)


# ---- slices -------------------------------------------------------------------------------------


def _apply(database: Database, rule: Rule, cutoff: float, dry_run: bool) -> int:
    past = rule.past(cutoff)
    numbers = rule.table.c.id
    if dry_run:
        with database.reading() as connection:
            query = select(func.count()).select_from(rule.table).where(past)
            return int(connection.scalar(query) or 0)

    def remove(connection: Connection, ids: list[int]) -> int:
        if rule.remove is not None:
            return rule.remove(connection, ids, past)
        query = delete(rule.table).where(numbers.in_(ids), past)
        return int(connection.execute(query).rowcount)

    removed, last = 0, -1
    while True:
        with database.reading() as connection:
            query = select(numbers).where(numbers > last, past).order_by(numbers)
            found = list(connection.execute(query.limit(_FOUND_AT_ONCE)).scalars())
        if not found:
            return removed
        last = found[-1]
        for ids in _slices(found):
            with database.transaction() as connection:
                ids.started()
                removed += remove(connection, ids.rows)


class _Slice:
    """Some of the rows found; knows how long the lock was held for those before."""

    def __init__(self, rows: list[int]) -> None:
        self.rows = rows
        self.held_from = time.monotonic()

    def started(self) -> None:
        """The lock is ours from now on."""
        self.held_from = time.monotonic()


def _slices(found: Sequence[int]) -> Iterator[_Slice]:
    """The rows in slices that grow and shrink towards HOLD_SECONDS each."""
    size, start = 100, 0
    while start < len(found):
        part = _Slice(list(found[start : start + size]))
        yield part
        start += len(part.rows)
        held = max(time.monotonic() - part.held_from, 1e-6)
        size = max(_MIN_SLICE, min(_MAX_SLICE, int(size * min(2.0, HOLD_SECONDS / held))))


def _idempotency(database: Database, cutoff: float, dry_run: bool) -> int:
    old = idempotency.c.at < cutoff
    keys = (idempotency.c.token, idempotency.c.key)
    return _by_key(database, idempotency, keys, old, dry_run)


def _sessions(database: Database, now: float, dry_run: bool) -> int:
    ended = (staff_sessions.c.ends_at <= now) | (staff_sessions.c.seen_at <= now - IDLE)
    return _by_key(database, staff_sessions, (staff_sessions.c.digest,), ended, dry_run)


def _clearances(database: Database, now: float, dry_run: bool) -> int:
    index = standing_index.c
    over = (index.code == CLEARED) & (index.ends < now)
    keys = (index.key, index.scope, index.code, index.entry)
    return _by_key(database, standing_index, keys, over, dry_run)


def _figures(database: Database, cutoff: float | None, dry_run: bool) -> int:
    old = figures.c.day < (0 if cutoff is None else day_of(cutoff))
    return _by_key(database, figures, tuple(figures.primary_key), old, dry_run)


def _unproven(database: Database, now: float, dry_run: bool) -> int:
    old = unproven_mails.c.day < day_of(now)
    return _by_key(database, unproven_mails, tuple(unproven_mails.primary_key), old, dry_run)


def _by_key(
    database: Database,
    table: Table,
    keys: tuple[ColumnElement[object], ...],
    past: ColumnElement[bool],
    dry_run: bool,
) -> int:
    """The same for tables that are clustered by several columns."""
    if dry_run:
        with database.reading() as connection:
            query = select(func.count()).select_from(table).where(past)
            return int(connection.scalar(query) or 0)
    removed = 0
    while True:
        with database.reading() as connection:
            rows = connection.execute(select(*keys).where(past).limit(_FOUND_AT_ONCE)).all()
        if not rows:
            return removed
        for start in range(0, len(rows), 100):
            part = [tuple(row) for row in rows[start : start + 100]]
            with database.transaction() as connection:
                gone = delete(table).where(tuple_(*keys).in_(part), past)
                removed += connection.execute(gone).rowcount


def _audit(database: Database, cutoff: float | None, actor: str, now: float, dry_run: bool) -> int:
    """Cut the chain first, so that it verifies at every moment; then delete before the cut."""
    if cutoff is None:
        return 0
    if dry_run:
        with database.reading() as connection:
            query = select(func.count()).select_from(audit_table).where(audit_table.c.at < cutoff)
            return int(connection.scalar(query) or 0)
    with database.transaction() as connection:
        audit.cut(connection, cutoff, actor, now)
        upto, _ = audit.beginning(connection)
    removed = 0
    while True:
        with database.reading() as connection:
            query = select(audit_table.c.id).where(audit_table.c.id <= upto).limit(_FOUND_AT_ONCE)
            found = list(connection.execute(query).scalars())
        if not found:
            return removed
        for part in _slices(found):
            with database.transaction() as connection:
                part.started()
                gone = delete(audit_table).where(audit_table.c.id.in_(part.rows))
                removed += connection.execute(gone).rowcount


def _orphans(database: Database, dry_run: bool) -> int:
    """Delete texts and secrets that no row refers to.

    What nothing refers to can never be referred to again, so that it is found without the lock.
    """
    used = union_all(*(select(column).where(column.is_not(None)) for column in _REFERRING))
    with database.reading() as connection:
        query = select(subjects.c.id).where(subjects.c.id.not_in(used)).order_by(subjects.c.id)
        found = list(connection.execute(query).scalars())
    if dry_run:
        return len(found)
    for part in _slices(found):
        with database.transaction() as connection:
            part.started()
            connection.execute(
                delete(subject_secrets).where(subject_secrets.c.subject.in_(part.rows))
            )
            connection.execute(delete(subjects).where(subjects.c.id.in_(part.rows)))
    return len(found)
