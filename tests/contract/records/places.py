"""Records that a test can have as its own: a SQLite file, or a database of the run's PostgreSQL.

`MadeFile` is a file that each test gets a copy of. `OwnDatabase` is one database of the server that
is emptied for each test, which takes a tenth of the time that a new one does.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from time import time
from typing import Any

from gateway.config.records import PostgresSettings
from gateway.errors import StoreUnavailable
from gateway.records import postgresql
from gateway.records.database import Database, open_database
from gateway.records.postgres_reader import PostgresReader
from gateway.records.postgres_standings import PostgresStandings
from gateway.records.standings import SqliteStandings
from gateway.records.tables import metadata
from gateway.words import Address, StreamKind
from policies.ports import Clock
from policies.terms import Limits, StreamTerms
from suppression.keys import Keyring
from suppression.standing import Standing
from tests.servers.postgres import PostgresServer

NODE = "here"
KEPT = "database:id"
_AS_MADE = f"""SELECT NOT EXISTS (SELECT FROM pg_trigger WHERE NOT tgisinternal)
  AND EXISTS (SELECT FROM meta WHERE name = '{KEPT}')"""
"""No test has begun to note changes, or retired it."""
_ZEROBLOB = """CREATE FUNCTION zeroblob(octets int) RETURNS bytea LANGUAGE sql
  AS $$ SELECT decode(repeat('00', octets), 'hex') $$"""
"""Tests that harm rows can then be written once for both."""
_EMPTY = ";".join(
    [
        *(f"DELETE FROM {name}" for name in metadata.tables if name != "meta"),
        f"DELETE FROM meta WHERE name <> '{KEPT}'",
        "SELECT setval(seqrelid, 1, false) FROM pg_sequence",
    ]
)


class MadeFile:
    """Empty records in a SQLite file, made once: making them takes a tenth of a second."""

    def __init__(self, folder: Path) -> None:
        self._file, self._log = folder / "consentry.db", folder / "opt-outs.log"
        open_database(self._file, self._log, node=NODE).close()

    def copy_to(self, file: Path, log: Path) -> None:
        """Put a copy of them there, with its opt-out log."""
        shutil.copy(self._file, file)
        shutil.copy(self._log, log)


class OwnDatabase:
    """A database with this version's tables, made when it is first asked for."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._settings: PostgresSettings | None = None

    def emptied(self) -> PostgresSettings:
        """Where it is, without a row that a test has left."""
        if self._settings is None:
            self._settings = PostgresSettings(**self._server.settings(self._server.fresh(_migrate)))
            with postgresql.connect(self._settings) as connection:
                connection.execute(_ZEROBLOB.encode())
        else:
            with postgresql.connect(self._settings) as connection:
                is_as_made = connection.execute(_AS_MADE.encode()).fetchone() == (True,)
                if is_as_made:
                    connection.execute(_EMPTY.encode())
            if not is_as_made:
                self._server.drop(self._settings.database)
                self._settings = None
                return self.emptied()
        return self._settings


def _migrate(section: dict[str, Any]) -> None:
    postgresql.migrate(PostgresSettings(**section))


def again(database: Database, *, is_thorough: bool = False) -> Database:
    """The same records, as another process of the node opens them."""
    store, log = database.store, database.opt_outs
    return open_database(store.place, log.file.path, node=log.node, is_thorough=is_thorough)


def told(database: Database) -> str:
    """What `opened` in another program needs to be told."""
    place = database.store.place
    where = str(place) if isinstance(place, Path) else place.model_dump_json()
    return f"{database.opt_outs.file.path}\n{where}"


def opened(said: str) -> Database:
    """The records that `told` tells of."""
    log, where = said.split("\n")
    is_file = not where.startswith("{")
    place = Path(where) if is_file else PostgresSettings.model_validate_json(where)
    return open_database(place, Path(log), node=NODE)


class LookUp:
    """The look-up at RCPT over the test's records, one connection a time; for any event loop."""

    def __init__(self, database: Database, keyring: Keyring, clock: Clock = time) -> None:
        self._own: SqliteStandings | None = None
        self._open = lambda: PostgresReader(_settings(database), database.store.identity)
        self._terms = (keyring, clock)
        if isinstance(database.store.place, Path):
            self._own = SqliteStandings(database.path, keyring, clock)

    async def look_up(self, stream: StreamTerms, group: Sequence[Address]) -> Sequence[Standing]:
        """What is known of each address."""
        if self._own is not None:
            return await self._own.look_up(stream, group)
        reader = self._open()
        try:
            return await PostgresStandings(reader, *self._terms).look_up(stream, group)
        finally:
            await reader.close()

    def is_ready(self) -> bool:
        """Whether a look-up would be answered now."""
        if self._own is not None:
            return self._own.is_ready()
        some = StreamTerms("acme", "weekly", 1, StreamKind.LIST, Limits())
        try:
            with ThreadPoolExecutor() as apart:  # the caller's loop runs
                apart.submit(asyncio.run, self.look_up(some, [])).result()
        except StoreUnavailable:
            return False
        return True

    def close(self) -> None:
        """Let the file go."""
        if self._own is not None:
            self._own.close()


def _settings(database: Database) -> PostgresSettings:
    place = database.store.place
    assert isinstance(place, PostgresSettings)
    return place


def octets(database: Database) -> bytes:
    """Everything that the records hold, as it lies there."""
    place = database.store.place
    if isinstance(place, Path):
        return b"".join(file.read_bytes() for file in place.parent.glob(f"{place.name}*"))
    with database.reading() as connection:
        cells = [
            cell
            for table in metadata.sorted_tables
            for row in connection.execute(table.select())
            for cell in row
        ]
    return b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in cells)


def remember(database: Database, folder: Path) -> Callable[[], Database]:
    """Keeps the records as they are now; what it gives puts them back, the log as it is."""
    if not isinstance(database.store.place, Path):
        put_back = remember_rows(database)

        def restore_rows() -> Database:
            database.close()
            put_back()
            return again(database)

        return restore_rows
    path, backup = database.store.place, folder / "backup.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM INTO ?", (str(backup),))

    def restore() -> Database:
        database.close()
        for tail in ("-wal", "-shm"):
            path.with_name(path.name + tail).unlink(missing_ok=True)
        shutil.copy(backup, path)
        return again(database)

    return restore


def remember_rows(database: Database) -> Callable[[], None]:
    """Keeps every row of shared records; what it gives puts them back under whoever is at work."""
    tables = metadata.sorted_tables
    with database.reading() as connection:
        rows = {
            table: [row._asdict() for row in connection.execute(table.select())] for table in tables
        }

    def put_back() -> None:
        engine = postgresql.open_as_it_is(_settings(database)).engine
        with engine.begin() as connection:
            for table in tables:
                connection.execute(table.delete())
                if rows[table]:
                    connection.execute(table.insert(), rows[table])
        engine.dispose()

    return put_back
