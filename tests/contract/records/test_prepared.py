"""Prepared statements: the same over a file and over a server, in one and the same transaction."""

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, bindparam, insert, select, update

from gateway.records import case_store, recent
from gateway.records.database import Database
from gateway.records.prepared import Prepared
from gateway.records.store import direct, run
from gateway.records.tables import meta, subjects

_OF_NAME = Prepared(select(meta.c.name, meta.c.value).where(meta.c.name == bindparam("wanted")))
_ADD = Prepared(insert(meta))
_SET = Prepared(update(meta).where(meta.c.name == bindparam("wanted")))
_SEAL = Prepared(insert(subjects))
FIRST, SECOND = {"name": "test:1", "value": "one"}, {"value": "two", "name": "test:2"}


def test_rows_have_the_names_of_their_columns(database: Database) -> None:
    """Whatever was inserted or set is read back, in whichever order its columns were given."""
    with database.transaction() as connection:
        for row in (FIRST, SECOND):
            _ADD.run(connection, row)
        _SET.run(connection, {"value": "changed", "wanted": "test:2"})
        (found,) = _OF_NAME.all(connection, {"wanted": "test:2"})
        assert (found.name, found.value, tuple(found)) == ("test:2", "changed", (*found,))
        assert found._asdict() == {"name": "test:2", "value": "changed"}
        assert _OF_NAME.scalar(connection, {"wanted": "test:1"}) == "test:1"
        assert _OF_NAME.first(connection, {"wanted": "test:3"}) is None
        assert _OF_NAME.scalar(connection, {"wanted": "test:3"}) is None


def test_an_insert_gives_the_new_number(database: Database) -> None:
    """Numbers follow each other, and octets come back as octets."""
    with database.transaction() as connection:
        numbers = [_SEAL.insert(connection, {"sealed": bytes([one])}) for one in (0, 255)]
        assert numbers[1] == numbers[0] + 1
        rows = run(connection, "SELECT sealed FROM subjects ORDER BY id", ())
        assert [bytes(row[0]) for row in rows] == [b"\0", b"\xff"]


def test_what_was_undone_is_gone(database: Database) -> None:
    """A savepoint takes back what ran inside it."""
    with database.transaction() as connection:
        _ADD.run(connection, FIRST)
        with connection.begin_nested() as inner:
            _ADD.run(connection, SECOND)
            inner.rollback()
    with database.reading() as connection:
        assert _OF_NAME.first(connection, {"wanted": "test:1"}) is not None
        assert _OF_NAME.first(connection, {"wanted": "test:2"}) is None


def _prepared(connection: Connection) -> object:
    return _OF_NAME.all(connection, {"wanted": "test:1"})


def _own(connection: Connection) -> object:
    return run(connection, "SELECT 1 FROM meta WHERE name = ?", ("test:1",))


@pytest.mark.parametrize("first", [_prepared, _own])
def test_one_reading_sees_one_state(
    first: Callable[[Connection], object], database: Database
) -> None:
    """Also when a prepared statement, or one of the driver's own, is the first of it."""
    with database.reading() as connection:
        assert not first(connection)
        with database.transaction() as other:
            _ADD.run(other, FIRST)
        assert not first(connection)
        assert _OF_NAME.scalar(connection, {"wanted": "test:1"}) is None


@pytest.mark.sqlite_file
def test_a_value_that_is_missing_is_an_error(database: Database) -> None:
    """And no NULL."""
    with database.transaction() as connection, pytest.raises(KeyError, match="no value for wanted"):
        _OF_NAME.all(connection, {"want": "test:1"})


@pytest.mark.sqlite_file
def test_a_list_is_refused(database: Database) -> None:
    """How many values it has is part of a statement's text."""
    of_names = Prepared(select(meta.c.value).where(meta.c.name.in_(bindparam("names"))))
    with database.transaction() as connection, pytest.raises(TypeError, match="varies in length"):
        of_names.all(connection, {"names": ["test:1"]})


@pytest.mark.sqlite_file
def test_what_each_report_asks_needs_one_index(database: Database) -> None:
    """Neither all cases of the tenant nor the rows of its facts are read for one report more."""
    with database.transaction() as connection:
        raw = direct(connection)
        assert raw is not None
        for asked, names, index in (
            (case_store._FOLDING, ("ladder", "tenant", "mailing"), "INDEX ix_cases_folding"),
            (recent._COUNTED, ("tenant", "kind", "since"), "COVERING INDEX ix_facts_recent"),
        ):
            own, values = asked._made(connection, dict.fromkeys(names))
            plan = raw.execute(f"EXPLAIN QUERY PLAN {own.text}", values).fetchall()
            assert any(index in row[3] for row in plan), plan
