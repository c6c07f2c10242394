"""The database file: schema, durability, many writers, and what happens when it is damaged."""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from threading import Event, Thread, current_thread, main_thread
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, func, insert, select, text

from gateway.errors import StoreUnavailable
from gateway.records import audit, schema
from gateway.records.database import Database, open_database
from gateway.records.tables import meta, metadata
from gateway.web.recipients import Recipients
from suppression.keys import Keyring
from suppression.tokens import Token
from tests.contract.records.places import again


def _insert(connection: Connection, name: str) -> None:
    connection.execute(insert(meta), {"name": name, "value": "x"})


def _count(database: Database) -> int:
    with database.reading() as connection:
        return connection.execute(
            select(func.count()).where(meta.c.name.startswith("test:"))
        ).scalar_one()


def _definitions(path: Path) -> dict[str, str]:
    connection = sqlite3.connect(path)
    rows = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE sql NOT NULL AND name != 'alembic_version'"
    ).fetchall()
    connection.close()
    return {name: " ".join(sql.split()) for name, sql in rows}


@pytest.mark.sqlite_file
def test_migrations_build_the_tables(database: Database, tmp_path: Path) -> None:
    """A migrated file and the tables in code are the same, to the letter."""
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine = create_engine(f"sqlite:///{tmp_path / 'other.db'}")
    metadata.create_all(engine)
    engine.dispose()
    assert _definitions(database.path) == _definitions(tmp_path / "other.db")


def test_head_is_the_newest_revision() -> None:
    """The quick check at opening knows the revision that migrations lead to."""
    assert ScriptDirectory(str(schema.MIGRATIONS)).get_current_head() == schema.HEAD


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    """Garbage is an error, never an empty database."""
    path = tmp_path / "consentry.db"
    path.write_bytes(b"no database at all " * 1000)
    with pytest.raises(StoreUnavailable):
        open_database(path)


@pytest.mark.sqlite_file
def test_a_lost_file_is_not_made_anew(database: Database) -> None:
    """Who still has the database open and comes back to it puts no empty one in its place."""
    database.close()
    database.path.rename(database.path.with_name("lost"))
    with pytest.raises(StoreUnavailable), database.transaction() as connection:
        _insert(connection, "test:1")
    with pytest.raises(StoreUnavailable), database.reading() as connection:
        connection.execute(select(meta)).all()
    assert not database.path.exists()


async def test_a_failed_change_undoes_itself_only(database: Database) -> None:
    """Changes that share a commit do not share their failures."""

    def bad(connection: Connection) -> None:
        _insert(connection, "test:half")
        raise KeyError("half way")

    results = await asyncio.gather(
        database.write(lambda c: _insert(c, "test:1")),
        database.write(bad),
        database.write(lambda c: _insert(c, "test:1")),  # the same name: refused by the table
        database.write(lambda c: _insert(c, "test:2")),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [
        type(None),
        KeyError,
        StoreUnavailable,
        type(None),
    ]
    assert _count(database) == 2


async def test_a_change_is_made_though_its_caller_has_left(database: Database) -> None:
    """A client that hangs up after its request does not undo the request."""
    task = asyncio.create_task(database.write(lambda c: _insert(c, "test:1")))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await database.write(lambda c: _insert(c, "test:2"))
    assert _count(database) == 2


async def test_writers_take_turns(database: Database) -> None:
    """A second writer waits for the first one's commit instead of failing."""
    other = again(database)
    try:
        await asyncio.gather(
            *(
                one.write(lambda c, n=f"test:{which}{i}": _insert(c, n))
                for which, one in enumerate((database, other))
                for i in range(50)
            )
        )
    finally:
        other.close()
    assert _count(database) == 100


def test_what_a_writer_has_read_is_true_until_its_commit(database: Database) -> None:
    """Chains and numbers rest on it: whoever appends next finds the last record there is."""
    both = (database, again(database))

    def append(one: Database) -> None:
        for number in range(30):
            with one.transaction() as connection:
                audit.append(connection, at=number, actor="test", action="test.appended")

    with ThreadPoolExecutor() as threads:
        list(threads.map(append, both))
    both[1].close()
    with database.reading() as connection:
        assert audit.verify(connection) is None
        assert audit.head(connection)[0] >= 60


@pytest.mark.sqlite_file
async def test_a_lock_that_is_never_given_back_is_unavailable(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer gives up in bounded time, and works again when the lock is free."""
    monkeypatch.setattr("gateway.records.sqlite.LOCK_SECONDS", 0.05)
    holder = sqlite3.connect(database.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        await database.write(lambda c: _insert(c, "test:1"))
    holder.execute("ROLLBACK")
    holder.close()
    await database.write(lambda c: _insert(c, "test:1"))
    assert _count(database) == 1


def test_a_long_change_may_pause_between_its_statements(database: Database) -> None:
    """A chain of a million records is walked for longer than a stopped service is waited for."""
    if not database.store.is_shared:
        pytest.skip("a file ends nobody's transaction")
    told = text("SELECT setting::int FROM pg_settings WHERE name LIKE 'idle_in_transaction%'")
    with database.transaction() as connection:
        short = connection.execute(told).scalar_one()
    with database.transaction(is_long=True) as connection:
        assert connection.execute(told).scalar_one() > 10 * short


async def test_a_server_that_does_not_answer_holds_up_its_asker_only(database: Database) -> None:
    """Others on the event loop go on: a page that waits for PostgreSQL stops no health check."""
    if not database.store.is_shared:
        pytest.skip("a file answers at once")
    others = Event()
    asking = asyncio.create_task(database.read(lambda _connection: others.wait(60)))
    await asyncio.sleep(0)
    others.set()
    assert await asking


@pytest.mark.parametrize("ask", ["look", "question"])
async def test_pages_ask_a_server_in_a_thread(
    ask: str, database: Database, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an unsubscribe link and a confirmation show is not read where everybody waits."""
    if not database.store.is_shared:
        pytest.skip("a file answers at once")
    unused: Any = None
    recipients = Recipients(database, keyring, unused, unused, {}, unused)
    readers = list[Thread]()
    reading = database.reading

    def noted() -> AbstractContextManager[Connection]:
        readers.append(current_thread())
        return reading()

    monkeypatch.setattr(database, "reading", noted)
    with suppress(StoreUnavailable):  # nobody of that number
        await getattr(recipients, ask)(Token(1, bytes(16)))
    assert readers
    assert main_thread() not in readers


def test_errors_name_no_values(database: Database) -> None:
    """What goes to a log holds no address key."""
    with database.transaction() as connection:
        _insert(connection, "test:secret")
    with pytest.raises(StoreUnavailable) as caught, database.transaction() as connection:
        _insert(connection, "test:secret")
    assert "secret" not in str(caught.value)


@pytest.mark.sqlite_file
async def test_nobody_is_told_of_a_change_that_another_took_with_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk makes SQLite undo all of a transaction, with what others had changed in it."""
    monkeypatch.setattr("gateway.records.database.BATCH_SECONDS", 60.0)
    begun, queued = Event(), Event()

    def first(connection: Connection) -> None:
        _insert(connection, "test:first")
        begun.set()
        queued.wait(60)

    def second(connection: Connection) -> None:
        connection.connection.cursor().execute("ROLLBACK")
        raise StoreUnavailable("database or disk is full")

    one = asyncio.create_task(database.write(first))
    await asyncio.to_thread(begun.wait, 60)
    other = asyncio.create_task(database.write(second))
    await asyncio.sleep(0)
    queued.set()
    said = await asyncio.gather(one, other, return_exceptions=True)
    assert [type(one) for one in said] == [StoreUnavailable, StoreUnavailable]
    assert _count(database) == 0
    await database.write(lambda connection: _insert(connection, "test:after"))
    assert _count(database) == 1
