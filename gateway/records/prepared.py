"""Statements that run for each of many mails or changes: written as all others, compiled once.

SQLAlchemy takes fifty microseconds around a statement that SQLite runs in five. A `Prepared` one is
compiled when it first runs, and goes `direct` from then on where that may be. It takes texts, whole
numbers and octets; lists that vary in length are for `gateway.records.store.run`.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Delete, Insert, Select, Update
from sqlalchemy.sql.compiler import SQLCompiler

from gateway.records.store import direct

_NOTHING: Mapping[str, object] = {}


@dataclass(frozen=True, slots=True)
class _Compiled:
    """SQLite's text, the names of its values in their order, those that never change, and what
    makes a row with the columns' names."""

    text: str
    names: tuple[str, ...]
    fixed: Mapping[str, object]
    row: Callable[[Iterable[Any]], Any]


class Prepared:
    """A statement with `bindparam`s; of an insert or update, what is given names its columns."""

    def __init__(self, statement: Select[Any] | Insert | Update | Delete) -> None:
        self._statement = statement
        self._compiled: dict[tuple[str, ...], _Compiled] = {}

    def all(self, connection: Connection, given: Mapping[str, object] = _NOTHING) -> Sequence[Any]:
        """The rows, their columns as attributes."""
        raw = direct(connection)
        if raw is None:
            return connection.execute(self._statement, given).all()
        own, values = self._made(connection, given)
        return [own.row(found) for found in raw.execute(own.text, values)]

    def first(self, connection: Connection, given: Mapping[str, object] = _NOTHING) -> Any | None:
        """The first row, if there is one."""
        found = self.all(connection, given)
        return found[0] if found else None

    def scalar(self, connection: Connection, given: Mapping[str, object] = _NOTHING) -> Any:
        """The first column of the first row; None when there is none."""
        found = self.first(connection, given)
        return None if found is None else found[0]

    def run(self, connection: Connection, given: Mapping[str, object]) -> None:
        """Change what the statement says."""
        raw = direct(connection)
        if raw is None:
            connection.execute(self._statement, given)
        else:
            own, values = self._made(connection, given)
            raw.execute(own.text, values)

    def insert(self, connection: Connection, given: Mapping[str, object]) -> int:
        """Insert one row; the number that it got as its `id`."""
        raw = direct(connection)
        if raw is None:
            made = connection.execute(self._statement, given).inserted_primary_key
            assert made is not None  # noqa: S101 - a single-row insert always has one
            return int(made[0])
        own, values = self._made(connection, given)
        number = raw.execute(own.text, values).lastrowid
        assert number is not None  # noqa: S101 - as above
        return number

    def _made(
        self, connection: Connection, given: Mapping[str, object]
    ) -> tuple[_Compiled, list[object]]:
        names = tuple(given)
        own = self._compiled.get(names)
        if own is None:
            own = self._compiled[names] = self._compile(connection, names)
        values = {**own.fixed, **given}
        return own, [values[name] for name in own.names]

    def _compile(self, connection: Connection, names: tuple[str, ...]) -> _Compiled:
        made = self._statement.compile(dialect=connection.dialect, column_keys=list(names))
        assert isinstance(made, SQLCompiler)  # noqa: S101 - of what is no DDL it always is
        for name, value in made.binds.items():
            if value.required and name not in names:
                raise KeyError(f"no value for {name}: {made.string}")
            if value.expanding:
                raise TypeError(f"{name} varies in length: {made.string}")
        fixed = {name: value for name, value in made.params.items() if name not in names}
        columns = getattr(self._statement, "selected_columns", ())
        row = namedtuple("Row", [column.key for column in columns], rename=True)  # type: ignore[misc]
        return _Compiled(made.string, tuple(made.positiontup or ()), fixed, row._make)
