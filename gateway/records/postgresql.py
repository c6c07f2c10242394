"""Records in a PostgreSQL database that all nodes share: opening, the one write lock, patience.

`prepare` creates or migrates the tables, once only, and gives the database's identity; `open_store`
gives its `Store`. Every write transaction begins with one advisory lock, so that, as in SQLite,
there is one writer at a time: chains, numbers and the order of changes need nothing else. Every
connection is checked to reach the same records as before and gives up on a server that does not
answer. Raises SQLAlchemy's errors, StoreUnavailable when there is no server and when
the records are not those that were there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.string import StrDumperUnknown
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import NullPool

from gateway.config.records import PostgresSettings
from gateway.errors import StoreUnavailable
from gateway.records import schema
from gateway.records.store import LOCK_SECONDS, Store, reads_only

WRITE_LOCK = 0x636F6E73656E7472
"""Advisory lock of whoever writes."""
MIGRATION_LOCK, LEADER_LOCK = WRITE_LOCK + 1, WRITE_LOCK + 2
"""Advisory locks of whoever migrates, and of the node whose jobs run."""
STATEMENT_SECONDS = 4.5
"""How long a service waits for one statement; longer than for the lock."""
PATIENCE = 5.0
"""How long a service waits for any answer, also of a server that is only stopped."""
CONNECT_SECONDS = 3
"""For each of the hosts."""
IDLE_SECONDS = 20
"""How long a stopped process can keep its transaction, and with it everybody else's, open."""
UNHURRIED_IDLE_SECONDS = 600
"""The same of a command that is given time, such as a move of all records."""
POOL = 6
"""Connections of one process at most."""
_IDENTITY = "database:id"
_DIRECTORY = "SELECT to_regclass('alembic_version') IS NOT NULL"
_TCP = {
    "keepalives_idle": 3,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 4000,
}
"""Both ends notice within seconds that the other has gone without a word."""


class _Text(StrDumperUnknown):
    """Text without NUL, which PostgreSQL cannot hold."""

    def dump(self, obj: str) -> Any:
        """As text, U+FFFD for each NUL."""
        return super().dump(obj.replace("\0", "\N{REPLACEMENT CHARACTER}"))


class _Impatient(psycopg.Connection[Any]):
    """A connection that is given up when the server does not answer for `patience` seconds."""

    patience: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """What the server answered; a server that may be stopped is never waited for again."""
        try:
            return super().wait(gen, interval, timeout or self.patience)
        except psycopg.errors._WaitTimeout as error:
            self.pgconn.finish()
            raise psycopg.OperationalError("the server does not answer") from error


def connect(settings: PostgresSettings, *, is_service: bool = True) -> psycopg.Connection[Any]:
    """A raw connection to the server that takes writes; a service does not wait for long.

    Raises psycopg.OperationalError.
    """
    connection = _Impatient.connect(**parameters(settings, is_service=is_service))
    if is_service:
        connection.patience = PATIENCE
    connection.adapters.register_dumper(str, _Text)
    return connection


def parameters(settings: PostgresSettings, *, is_service: bool = True) -> dict[str, Any]:
    """What libpq is to be given; the password is read anew each time.

    Raises StoreUnavailable when its file cannot be read.
    """
    server: dict[str, int | str] = {
        name if name.startswith("tcp") else f"tcp_{name}": value for name, value in _TCP.items()
    }
    server |= {
        "lock_timeout": int(LOCK_SECONDS * 1000),
        "statement_timeout": int(STATEMENT_SECONDS * 1000) if is_service else 0,
        "idle_in_transaction_session_timeout": IDLE_SECONDS * 1000,
        "bytea_output": "hex",
    }
    given: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "dbname": settings.database,
        "user": settings.username,
        "connect_timeout": CONNECT_SECONDS,
        "target_session_attrs": "read-write",
        "application_name": "consentry",
        "client_encoding": "UTF8",
        "gssencmode": "disable",
        "sslmode": "verify-full" if settings.tls else "disable",
        "keepalives": 1,
        "options": " ".join(f"-c {name}={value}" for name, value in server.items()),
        **_TCP,
    }
    if settings.tls:
        given["sslrootcert"] = "system" if settings.ca_file is None else str(settings.ca_file)
    if settings.password_file is not None:
        try:
            first, *_ = settings.password_file.read_text().splitlines() or [""]
        except OSError as error:
            file = settings.password_file
            raise StoreUnavailable(f"{file}: cannot be read: {error.strerror}") from error
        given["password"] = first
    return given


def name_of(settings: PostgresSettings) -> str:
    """The database as messages to the operator name it."""
    return f"PostgreSQL database {settings.database} at {settings.host}"


def prepare(settings: PostgresSettings, marker: Path) -> str:
    """The tables, created or migrated; the identity that the database got when it was created.

    `marker` is this node's note of that identity: where it is, a database that is empty or another
    is refused. Were lost records begun anew, nobody would be suppressed any more.
    """
    with _as_unavailable():
        return _prepare(settings, marker)


def _prepare(settings: PostgresSettings, marker: Path) -> str:
    name = name_of(settings)
    known = marker.read_text().strip() if marker.exists() else ""
    with connect(settings, is_service=False) as connection:
        connection.autocommit = True
        revision = _revision(connection)
        if revision is None and known:
            raise StoreUnavailable(
                f"{name}: is empty, but this node's records were there before. Restore it from "
                f"your backup; to begin again with nobody suppressed, delete {marker}"
            )
        if schema.is_behind(revision, name):
            connection.execute("SET lock_timeout = 0")
            connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
            if schema.is_behind(_revision(connection), name):
                migrate(settings)
        identity = _identity(connection)
    if identity is None or known not in ("", identity):
        raise StoreUnavailable(
            f"{name}: is not the database that this node's records were in. Name the right one, or "
            f"restore it from your backup; if it has taken the other's place, delete {marker}"
        )
    if not known:
        _write_marker(marker, identity)
    return identity


def note_identity(log: Path, identity: str) -> None:
    """Note beside this node's opt-out log which database its records are in from now on."""
    _write_marker(marker_of(log), identity)


def marker_of(log: Path) -> Path:
    """Where this node notes which database its records are in."""
    return log.with_name(f"{log.name}.made")


def _write_marker(marker: Path, identity: str) -> None:
    marker.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    marker.touch(mode=0o600)
    marker.write_text(f"{identity}\n")


def vacuum(settings: PostgresSettings, table: str) -> None:
    """Drop what was overwritten in a table from its pages. Raises StoreUnavailable."""
    with _as_unavailable(), connect(settings, is_service=False) as connection:
        connection.autocommit = True
        connection.execute(sql.SQL("VACUUM {}").format(sql.Identifier(table)))


def copy_rows(
    connection: Connection, table: str, names: Iterable[str], rows: Iterable[Sequence[object]]
) -> None:
    """Append rows to a table by COPY, some ten times as fast as by INSERT."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)  # noqa: S101 - no other is made
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), columns)
    with raw.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def open_as_it_is(settings: PostgresSettings, identity: str = "") -> Store:
    """The store over whatever database is there, for a backup, a restore or a move.

    Tables are created when there are none; the database then gets `identity`. Raises
    StoreUnavailable.
    """
    with _as_unavailable(), connect(settings, is_service=False) as connection:
        connection.autocommit = True
        if schema.is_behind(_revision(connection), name_of(settings)):
            migrate(settings, identity)
        found = _identity(connection)
        if found is None:
            found = identity or token_hex(16)
            given = "INSERT INTO meta (name, value) VALUES (%s, %s)"
            connection.execute(given, (_IDENTITY, found))
    return open_store(settings, found, is_service=False)


def retire(connection: Connection) -> None:
    """Let no node take this database for its records any more: they have moved."""
    connection.exec_driver_sql("DELETE FROM meta WHERE name = %s", (_IDENTITY,))


def open_store(settings: PostgresSettings, identity: str, *, is_service: bool) -> Store:
    """The store over the database of that identity."""
    name = name_of(settings)

    def checked() -> psycopg.Connection[Any]:
        connection = connect(settings, is_service=is_service)
        try:
            connection.autocommit = True
            if _identity(connection) != identity:
                raise StoreUnavailable(f"{name}: is not the database that the records were in")
            connection.autocommit = False
        except BaseException:
            connection.close()
            raise
        return connection

    engine = create_engine(
        "postgresql+psycopg://",
        creator=checked,
        hide_parameters=True,
        pool_size=POOL,
        max_overflow=0,
        pool_timeout=LOCK_SECONDS,
        pool_use_lifo=True,
        use_native_hstore=False,
    )
    event.listen(engine, "begin", _begin)
    reading = {
        "reads_only": True,
        "isolation_level": "REPEATABLE READ",
        "postgresql_readonly": True,
    }
    return Store(settings, name, engine, reading, identity, _unhurried)


def _begin(connection: Connection) -> None:
    """Take the write lock before the first statement, whose snapshot then has all before."""
    if not reads_only(connection):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})")


@contextmanager
def _unhurried(connection: Connection) -> Iterator[None]:
    raw = connection.connection.driver_connection
    assert isinstance(raw, _Impatient)  # noqa: S101 - no other is made
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    # What it does between two statements, such as walking a chain, may take its time as well.
    connection.exec_driver_sql(
        f"SET LOCAL idle_in_transaction_session_timeout = {UNHURRIED_IDLE_SECONDS * 1000}"
    )
    before, raw.patience = raw.patience, None
    try:
        yield
    finally:
        raw.patience = before


@contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise StoreUnavailable(f"records: {error}") from error


def _revision(connection: psycopg.Connection[Any]) -> str | None:
    (is_there,) = connection.execute(_DIRECTORY).fetchone() or (False,)
    if not is_there:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def _identity(connection: psycopg.Connection[Any]) -> str | None:
    row = connection.execute("SELECT value FROM meta WHERE name = %s", (_IDENTITY,)).fetchone()
    return None if row is None else str(row[0])


def migrate(settings: PostgresSettings, identity: str = "") -> None:
    """Bring the tables up to date, and give a new database an identity, this one if given."""
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: connect(settings, is_service=False),
        poolclass=NullPool,
        use_native_hstore=False,
    )
    event.listen(engine, "begin", _begin)
    with engine.begin() as connection:
        schema.migrate(connection)
        connection.exec_driver_sql(
            "INSERT INTO meta (name, value) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (_IDENTITY, identity or token_hex(16)),
        )
    engine.dispose()
