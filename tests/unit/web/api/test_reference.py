"""docs/api.md says what the API does."""

from __future__ import annotations

from pathlib import Path

from gateway.web.api.app import routed
from gateway.web.api.errors import CATALOGUE
from gateway.web.api.reference import markdown

PAGE = Path(__file__).parents[4] / "docs/api.md"


def test_the_committed_page_is_current() -> None:
    """Else run `consentry docs api > docs/api.md`."""
    assert PAGE.read_text() == markdown()


def test_every_call_and_problem_is_on_it() -> None:
    """Each operation of the document has a row, and so has each kind of problem."""
    text = markdown()
    for path, operations in routed().openapi()["paths"].items():
        for method in operations:
            if not path.startswith("/problems/"):
                assert f"| `{method.upper()} {path}` |" in text
    for kind in CATALOGUE.values():
        assert f"| `{kind.path}` | {kind.status.value} |" in text
