"""Every migration, forward and back, on each kind of records, with rows in the tables."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, inspect, text

from gateway.config.records import PostgresSettings
from gateway.errors import ConfigurationError
from gateway.records import postgresql, schema
from gateway.records.database import open_database
from gateway.records.store import Place
from gateway.records.tables import metadata
from tests.contract.records.places import NODE
from tests.servers.postgres import PostgresServer

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", schema.HEAD)
OLD = (
    "INSERT INTO cases VALUES (3, 'abuse', 'acme', 'm7', 100, 110, NULL)",
    "INSERT INTO cases VALUES (5, 'bounces', 'acme', '', 200, NULL, 220)",
    "INSERT INTO facts VALUES (9, 3, 'complaint', 'acme', 'weekly', 'm7', 'acme.example', NULL, "
    "'r1', 90)",
)
"""What stood there before there were ladders."""


@pytest.fixture
def engine(
    records_in: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Engine, Place]]:
    """An empty place of either kind."""
    place: Place = tmp_path / "consentry.db"
    if records_in == "sqlite":
        made = create_engine(f"sqlite:///{place}")
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        place = settings = PostgresSettings(**server.settings(server.fresh()))
        made = create_engine("postgresql+psycopg://", creator=lambda: postgresql.connect(settings))
    yield made, place
    made.dispose()


@contextmanager
def _changing(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection, connection.begin():
        yield connection


def _tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names()) - {"alembic_version"}


def test_each_migration_leads_forward_and_back(engine: tuple[Engine, Place]) -> None:
    """What was there before ladders survives the way up, down and up again, numbers included."""
    made, _ = engine
    with _changing(made) as connection:
        schema.migrate(connection, "0001")
        for statement in OLD:
            connection.execute(text(statement))
        before = _tables(connection)
    for to in REVISIONS[1:]:
        with _changing(made) as connection:
            schema.migrate(connection, to)
    with _changing(made) as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        cases = connection.execute(text("SELECT id, ladder, phase, closed_at FROM cases")).all()
        assert sorted(tuple(row) for row in cases) == [
            (3, "abuse", "closed", 100),
            (5, "bounces", "closed", 220),
        ]
        (fact,) = connection.execute(text("SELECT id, case_id, actor FROM facts")).all()
        assert tuple(fact) == (9, 3, "gateway")
        added = connection.execute(
            metadata.tables["facts"].insert(),
            dict.fromkeys(("tenant", "stream", "mailing", "domain", "ref", "actor"), "")
            | {"kind": "complaint", "at": 1},
        )
        assert added.inserted_primary_key == (10,)
        for kind in ("abuse", "opt-out", "bounce"):
            words = dict.fromkeys(("tenant", "stream", "mailing", "domain", "ref", "source"), "")
            report = {"received_at": 1, "kind": "complaint", "grade": "D", "state": "unmatched"}
            connection.execute(
                metadata.tables["reports"].insert(), {**words, **report, "type": kind}
            )
    with _changing(made) as connection:
        schema.go_back(connection, "0004")
        assert connection.execute(text("SELECT id FROM reports")).scalars().all() == [1]
        schema.migrate(connection)
        kept = connection.execute(text("SELECT form, type, mail FROM reports")).one()
        assert tuple(kept) == ("", "abuse", None)
    for to in REVISIONS[-2::-1]:
        with _changing(made) as connection:
            schema.go_back(connection, to)
    with _changing(made) as connection:
        assert _tables(connection) == before
        rows = connection.execute(text("SELECT id, kind, closed_at FROM cases ORDER BY id")).all()
        assert [tuple(row) for row in rows] == [(3, "abuse", 100), (5, "bounces", 220)]
        assert connection.execute(text("SELECT id FROM facts")).scalars().all() == [9]
        schema.migrate(connection)
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    with _changing(made) as connection:
        schema.go_back(connection, "base")
        assert _tables(connection) == set()


def test_a_database_of_a_newer_version_is_refused(
    engine: tuple[Engine, Place], tmp_path: Path
) -> None:
    """An old program does not write into tables that it does not know."""
    made, place = engine
    with _changing(made) as connection:
        schema.migrate(connection)
        connection.execute(text("UPDATE alembic_version SET version_num='9999'"))
    with pytest.raises(ConfigurationError, match="newer version"):
        open_database(place, tmp_path / "opt-outs.log", node=NODE)
