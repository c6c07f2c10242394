"""The generated pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import reference as replies
from gateway.config import reference as configuration
from gateway.replies import CATALOGUE

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize(
    ("page", "text"),
    [("configuration", configuration.markdown()), ("replies", replies.markdown())],
)
def test_committed_pages_are_current(page: str, text: str) -> None:
    """docs/ holds what the code says; else run `consentry docs PAGE > docs/PAGE.md`."""
    assert (DOCS / f"{page}.md").read_text() == text


def test_every_reply_is_explained() -> None:
    """Each tag has a row, a section and an explanation."""
    text = replies.markdown()
    for reply in CATALOGUE:
        assert f"| [{reply.tag}](#{reply.tag.lower()}) | {reply.code} |" in text
        assert f"\n## {reply.tag}\n" in text
        assert reply.explanation in text


def test_every_key_has_a_meaning() -> None:
    """No key of any section is left without a description."""
    rows = [line for line in configuration.markdown().splitlines() if line.startswith("| `")]
    assert len(rows) > 80
    assert [row for row in rows if row.split(" | ")[-1] in ("None |", " |")] == []


@pytest.mark.parametrize(("kind", "key"), [("gateway", "listeners"), ("tenant", "streams")])
def test_schemas(kind: str, key: str) -> None:
    """The JSON Schemas name their dialect, know the keys and take no others."""
    schema = configuration.schema(kind)
    assert schema["$schema"].endswith("2020-12/schema")
    assert key in schema["properties"]
    assert schema["additionalProperties"] is False


def test_the_schema_offers_policy_names() -> None:
    """An editor can complete the names of policies."""
    items = configuration.schema("gateway")["properties"]["policies"]["items"]
    assert "suppression" in items["propertyNames"]["enum"]
