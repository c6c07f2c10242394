"""docs/privacy.md tells of every stored field once, and of the periods that are in force."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.config.retention import RetentionSettings
from gateway.events import Event
from gateway.privacy.reference import EVENT_FIELDS, markdown
from gateway.records.tables import metadata
from gateway.records.tables.inventory import HOLDINGS

PAGE = Path(__file__).parents[3] / "docs/privacy.md"
FIELD = re.compile(r"^\| `(\w+)\.(\w+)` \| (.+) \|$", re.MULTILINE)


def test_every_column_is_named_exactly_once() -> None:
    """A column that nobody has explained fails here, and so does one that is gone."""
    named = [f"{table}.{column}" for table, column, _ in FIELD.findall(PAGE.read_text())]
    stored = [
        f"{table.name}.{column.name}" for table in metadata.sorted_tables for column in table.c
    ]
    assert sorted(named) == sorted(stored)


def test_every_table_says_why_and_for_how_long() -> None:
    """Each has words of its own, and an end or a reason to have none."""
    for name, holding in HOLDINGS.items():
        assert len(holding.why) > 20, name
        assert holding.settings or holding.kept, name


def test_the_periods_are_the_configured_defaults() -> None:
    """Each setting stands on the page with its default, and only there."""
    told = re.findall(r"(\d+) d [^`;|]*\(`retention\.(\w+)`\)", PAGE.read_text())
    assert {name for _, name in told} == set(RetentionSettings.model_fields)
    for days, name in told:
        assert RetentionSettings.model_fields[name].default == int(days) * 86_400, name


def test_every_field_of_an_event_is_told() -> None:
    """The journal's fields are those that an event has."""
    assert list(EVENT_FIELDS) != []
    assert set(EVENT_FIELDS) == set(Event.__dataclass_fields__)


def test_the_committed_page_is_current() -> None:
    """Else run `consentry docs privacy > docs/privacy.md`."""
    assert PAGE.read_text() == markdown()
