"""The log of changes that an index outside the database follows.

With the feed enabled, triggers note the key of every row of `standing_index` that comes, goes or
changes, and `BLOCKS_KEY` when blocks are to be read again. Notes are numbered without a gap and in
the order of commits, because every write transaction holds the one write lock. Whoever follows
takes from the records what each key stands for now: a note says where to look, never what is there.
`identity` names this log; another one means that nothing followed before can be trusted. Every
function runs in the caller's transaction.
"""

from __future__ import annotations

import os

from sqlalchemy import Connection, column, delete, func, insert, select, table

from gateway.records.tables import changes, meta

BLOCKS_KEY = b"blocks".ljust(16, b"\0")
"""Stands in the log for "read the blocks again"; no key of an address begins like this."""
IDENTITY = "feed:identity"
"""The mark of a log that is kept; it belongs to the store, not to the records."""
_ROWS = {
    "insert": "INSERT INTO changes (key) VALUES (NEW.key);",
    "delete": "INSERT INTO changes (key) VALUES (OLD.key);",
    "update": "INSERT INTO changes (key) VALUES (OLD.key), (NEW.key);",
}
_BLOCKS = f"INSERT INTO changes (key) VALUES (X'{BLOCKS_KEY.hex()}');"  # noqa: S608 - a constant
_SQLITE = {
    f"changes_{event}": f"AFTER {event.upper()} ON standing_index BEGIN {statement} END"
    for event, statement in _ROWS.items()
} | {
    f"changes_blocks_{event}": f"AFTER {event.upper()} ON meta WHEN NEW.name = 'blocks:version' "
    f"BEGIN {_BLOCKS} END"
    for event in ("insert", "update")
}
# One statement notes all its rows at once: numbers go on from the last one there is.
_NOTE = """INSERT INTO changes (n, key)
  SELECT (SELECT coalesce(max(n), 0) FROM changes) + row_number() OVER (), key FROM """
_FUNCTIONS = {
    "changes_note": "(SELECT DISTINCT key FROM touched) AS keys",
    "changes_note_both": "(SELECT key FROM gone UNION SELECT key FROM touched) AS keys",
    "changes_note_blocks": f"(SELECT '\\x{BLOCKS_KEY.hex()}'::bytea AS key) AS keys",
}
_POSTGRESQL = {
    "changes_insert": "AFTER INSERT ON standing_index REFERENCING NEW TABLE AS touched "
    "FOR EACH STATEMENT EXECUTE FUNCTION changes_note()",
    "changes_delete": "AFTER DELETE ON standing_index REFERENCING OLD TABLE AS touched "
    "FOR EACH STATEMENT EXECUTE FUNCTION changes_note()",
    "changes_update": "AFTER UPDATE ON standing_index REFERENCING OLD TABLE AS gone "
    "NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION changes_note_both()",
    "changes_blocks": "AFTER INSERT OR UPDATE ON meta FOR EACH ROW "
    "WHEN (NEW.name = 'blocks:version') EXECUTE FUNCTION changes_note_blocks()",
}


def identity(connection: Connection) -> str:
    """What this log is known by; "" while nothing is noted."""
    found = connection.execute(select(meta.c.value).where(meta.c.name == IDENTITY)).scalar()
    return str(found or "")


def is_enabled(connection: Connection) -> bool:
    """Whether every change is noted."""
    is_sqlite = connection.dialect.name == "sqlite"
    name, directory = ("name", "sqlite_master") if is_sqlite else ("tgname", "pg_trigger")
    found: set[str] = set(connection.scalars(select(column(name)).select_from(table(directory))))
    # Copied from another database there would be an identity, and nobody who notes.
    return bool(identity(connection)) and found >= (_SQLITE if is_sqlite else _POSTGRESQL).keys()


def enable(connection: Connection) -> str:
    """Note every change from now on; the log's identity, a new one when it was not noting."""
    if is_enabled(connection):
        return identity(connection)
    is_sqlite = connection.dialect.name == "sqlite"
    disable(connection)
    run = connection.exec_driver_sql
    if not is_sqlite:
        for name, keys in _FUNCTIONS.items():
            body = f"BEGIN {_NOTE}{keys}; RETURN NULL; END"
            run(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
    for name, what in (_SQLITE if is_sqlite else _POSTGRESQL).items():
        run(f"CREATE TRIGGER {name} {what}")
    made = os.urandom(8).hex()
    connection.execute(insert(meta), {"name": IDENTITY, "value": made})
    return made


def disable(connection: Connection) -> bool:
    """Note nothing any more and forget what was; whether it had been enabled."""
    known = identity(connection)
    run = connection.exec_driver_sql
    if connection.dialect.name == "sqlite":
        for name in _SQLITE:
            run(f"DROP TRIGGER IF EXISTS {name}")
    else:
        for name in _FUNCTIONS:
            run(f"DROP FUNCTION IF EXISTS {name}() CASCADE")  # with the triggers that call it
    connection.execute(delete(changes))
    connection.execute(delete(meta).where(meta.c.name == IDENTITY))
    return bool(known)


def head(connection: Connection) -> int:
    """The number of the last change, 0 when there was none."""
    return int(connection.execute(select(func.max(changes.c.n))).scalar() or 0)


def key_at(connection: Connection, n: int) -> bytes | None:
    """The key that change `n` noted; None when it is not in the log (any more)."""
    found = connection.execute(select(changes.c.key).where(changes.c.n == n)).scalar()
    return None if found is None else bytes(found)


def since(connection: Connection, n: int, key: bytes, limit: int) -> list[tuple[int, bytes]] | None:
    """Number and key of up to `limit` changes after `n`, in order.

    `key` is what change `n` noted, as the follower remembers it. None when the log does not have
    that change: it is purged, or these records are not those that were followed. Nothing can be
    brought up to date by such a log.
    """
    query = select(changes.c.n, changes.c.key).where(changes.c.n >= n).order_by(changes.c.n)
    rows = [(row[0], bytes(row[1])) for row in connection.execute(query.limit(limit + 1))]
    if n == 0:  # followed from before the first change
        return rows[:limit] if not rows or rows[0][0] == 1 else None
    return rows[1:] if rows and rows[0] == (n, key) else None


def note(connection: Connection, keys: list[bytes]) -> None:
    """Have these keys followed again, as if they had changed."""
    first = head(connection) + 1
    rows = [{"n": number, "key": key} for number, key in enumerate(keys, first)]
    if rows:
        connection.execute(insert(changes), rows)


def purge(connection: Connection, below: int, limit: int) -> int:
    """Forget the oldest changes under number `below`, never the last one; how many, of `limit`."""
    first = int(connection.execute(select(func.min(changes.c.n))).scalar() or 0)
    end = min(below, head(connection), first + limit)
    return int(connection.execute(delete(changes).where(changes.c.n < end)).rowcount)
