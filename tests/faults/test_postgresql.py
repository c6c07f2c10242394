"""PostgreSQL fails under the records: every answer is StoreUnavailable, and all is well afterwards.

Patience is a second while a fault lasts, and long before and after it; the waits are for a state:
how long each takes is the campaign's to measure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from sqlalchemy import Connection, event, insert, select

from gateway.config.records import PostgresSettings
from gateway.errors import StoreUnavailable
from gateway.records import postgresql
from gateway.records.codes import encode
from gateway.records.database import Database, open_database
from gateway.records.index import rows_of
from gateway.records.opt_outs import OptOut, note
from gateway.records.tables import meta
from suppression.standing import Reason, Stops
from tests.e2e.ports import LOOPBACK
from tests.servers.postgres import USER, PostgresServer
from tests.servers.program import wait_for
from tests.servers.wire import Wire

SLOTS = 16
PROTECTED = encode(Reason.PROTECTED, Stops.UNVERIFIED)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of this file's own, that a kill takes nothing from."""
    options = {"max_connections": str(SLOTS), "superuser_reserved_connections": "3"}
    with PostgresServer(durable=True, options=options) as running:
        yield running


@pytest.fixture(scope="module")
def wire(server: PostgresServer) -> Iterator[Wire]:
    """The line to it."""
    with Wire(server.port) as carrying:
        yield carrying


@pytest.fixture(scope="module")
def settings(server: PostgresServer, wire: Wire) -> PostgresSettings:
    """The file's database, over the line."""
    return PostgresSettings(**server.settings(server.fresh(), port=wire.port))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The node's opt-out log: as old as its records."""
    return tmp_path_factory.mktemp("node") / "opt-outs.log"


@pytest.fixture
def database(
    settings: PostgresSettings, log: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """As a service opens it, but with all the time in the world."""
    monkeypatch.setattr(postgresql, "PATIENCE", 60.0)
    monkeypatch.setattr(postgresql, "CONNECT_SECONDS", 60)
    database = open_database(settings, log, node="first", is_service=True)
    yield database
    database.close()


@contextmanager
def in_a_hurry() -> Iterator[None]:
    """Whoever asks the server waits for a second."""
    wait = postgresql._Impatient.wait

    def hasty(self: Any, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        return wait(self, gen, interval, timeout or 1.0)

    with (
        patch.object(postgresql._Impatient, "wait", hasty),
        patch.object(postgresql, "CONNECT_SECONDS", 2),
    ):
        yield


def _note(name: str) -> Callable[[Connection], None]:
    return lambda connection: connection.execute(insert(meta), {"name": name, "value": ""}) and None


def _noted(database: Database) -> set[str]:
    with database.reading() as connection:
        return set(connection.execute(select(meta.c.name)).scalars())


def _write(database: Database, name: str) -> None:
    with database.transaction() as connection:
        _note(name)(connection)


def _serves(database: Database, name: str) -> bool:
    """Whether one more change is taken."""
    try:
        _write(database, name)
    except StoreUnavailable:
        return False
    return True


class Fault:
    """Something that is done to the server, and undone."""

    def __init__(self, server: PostgresServer, wire: Wire, settings: PostgresSettings) -> None:
        self.server, self.wire, self.database = server, wire, settings.database
        self._held = ExitStack()

    def down(self) -> None:
        """It is killed."""
        self.server.kill()
        self._held.callback(self.server.start)

    def stopped(self) -> None:
        """It lives and answers nothing."""
        self.server.pause()
        self._held.callback(self.server.resume)

    def stalled(self) -> None:
        """The connection is half open: nobody says that it has ended."""
        self.wire.stall()
        self._held.callback(self.wire.mend)

    def slow(self) -> None:
        """Each answer takes longer than anybody waits."""
        self.wire.slow(3.0)
        self._held.callback(self.wire.mend)

    def unreachable(self) -> None:
        """Nobody is there."""
        self.wire.refuse()
        self._held.callback(self.wire.mend)

    def read_only(self) -> None:
        """It takes no writes, as a standby to which the address now leads."""
        self._set("default_transaction_read_only", "on")
        self._held.callback(self._set, "default_transaction_read_only", "off")
        self.server.terminate(self.database)

    def full(self) -> None:
        """Others have all its connections."""
        self.server.terminate(self.database)
        for _ in range(SLOTS):
            try:
                one = psycopg.connect(
                    host=LOOPBACK, port=self.server.port, user=USER, dbname=self.database
                )
            except psycopg.OperationalError:
                break
            self._held.callback(one.close)

    def _set(self, name: str, value: str) -> None:
        self.server.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        self.server.execute("SELECT pg_reload_conf()")
        wait_for(lambda: self.server.execute(f"SHOW {name}") == [(value,)])

    def end(self) -> None:
        """All is as before."""
        self._held.close()


FAULTS = (
    *(Fault.down, Fault.stopped, Fault.stalled, Fault.slow, Fault.unreachable),
    *(Fault.read_only, Fault.full),
)


@pytest.fixture
def hurt(server: PostgresServer, wire: Wire, settings: PostgresSettings) -> Iterator[Fault]:
    """What a test does to the server, undone at its end."""
    fault = Fault(server, wire, settings)
    yield fault
    fault.end()


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.__name__ for fault in FAULTS])
async def test_what_was_acknowledged_is_on_record_whatever_fails(
    fault: Callable[[Fault], None], hurt: Fault, database: Database
) -> None:
    """Both ways of writing say that they could not; when the server is back they can again."""
    name = fault.__name__
    await database.write(_note(f"{name}:before"))
    fault(hurt)
    with in_a_hurry():
        with pytest.raises(StoreUnavailable):
            await database.write(_note(f"{name}:during"))
        with pytest.raises(StoreUnavailable):
            _write(database, f"{name}:during")
        with pytest.raises(StoreUnavailable):
            _noted(database)
    hurt.end()
    tries = iter(range(100))
    wait_for(lambda: _serves(database, f"{name}:after:{next(tries)}"))
    await database.write(_note(f"{name}:written"))
    found = _noted(database)
    assert {f"{name}:before", f"{name}:written"} <= found
    assert f"{name}:during" not in found


async def test_a_connection_that_is_cut_fails_its_own_change_only(
    database: Database, server: PostgresServer, settings: PostgresSettings
) -> None:
    """An administrator ends the backend in the middle of a change; the next one is made."""

    def cut(connection: Connection) -> None:
        _note("cut:half")(connection)
        server.terminate(settings.database)
        connection.execute(select(meta.c.name))

    with pytest.raises(StoreUnavailable):
        await database.write(cut)
    await database.write(_note("cut:after"))
    assert "cut:half" not in _noted(database)


async def test_an_opt_out_whose_commit_nobody_saw_is_made_good(
    database: Database, server: PostgresServer, settings: PostgresSettings
) -> None:
    """What the log has and the records lack is brought in before anything else is written."""
    record = OptOut(b"k" * 16, "*", PROTECTED, 1, None, "operator", "test")

    def commit_fails(_connection: Connection) -> None:
        server.terminate(settings.database)

    def opt_out(connection: Connection) -> None:
        note(connection, record)

    event.listen(database.store.engine, "commit", commit_fails)
    with pytest.raises(StoreUnavailable):
        await database.write(opt_out)
    event.remove(database.store.engine, "commit", commit_fails)
    with database.reading() as connection:
        assert rows_of(connection, [record.key]) == []
    await database.write(_note("opt-out:after"))
    with database.reading() as connection:
        assert [row[2] for row in rows_of(connection, [record.key])] == [PROTECTED]
    assert database.opt_outs.replayed == 1


def test_a_writer_that_stops_half_way_holds_the_others_up_for_some_time_only(
    database: Database, settings: PostgresSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for the lock gives up; the server ends the transaction of who does not go on."""
    monkeypatch.setattr(postgresql, "IDLE_SECONDS", 4)
    holder = postgresql.connect(settings)
    holder.execute("SELECT pg_advisory_xact_lock(%s)", (postgresql.WRITE_LOCK,))
    tries = iter(range(100))
    with in_a_hurry():
        assert not _serves(database, "held")
    wait_for(lambda: _serves(database, f"freed:{next(tries)}"))
    with pytest.raises(psycopg.Error):
        holder.execute("SELECT 1")
    holder.close()
