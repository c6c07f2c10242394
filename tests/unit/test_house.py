"""The house is kept: the tour is true, modules say what they are for, files stay small."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("gateway", "policies", "suppression")
FLOW = (ROOT / "docs/flow.md").read_text()
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TOUR = sorted(set(re.findall(r"`((?:gateway|policies|suppression)/[\w/]+\.py)`", FLOW)))


def test_the_tour_is_in_the_order_of_the_message() -> None:
    """The steps of docs/flow.md are numbered from 1 without a gap and go on to the end."""
    steps = [int(number) for number in re.findall(r"^(\d+)\. ", FLOW, re.MULTILINE)]
    assert steps == list(range(1, len(steps) + 1))
    milestones = ["smtp/listener", "pipeline", "relay/transaction", "delivery", "message/stamp"]
    milestones += ["message/dkim", "ledger/intents", "ledger/verdict", "journal"]
    places = [FLOW.index(f"`gateway/{name}.py`") for name in milestones]
    assert places == sorted(places)


def test_the_tour_names_files_that_are_used() -> None:
    """Every file that docs/flow.md names exists and is imported by another."""
    assert TOUR
    for path in TOUR:
        assert (ROOT / path).is_file(), path
        parent, _, name = path.removesuffix(".py").replace("/", ".").rpartition(".")
        by_name = re.compile(rf"^\s*from {parent}(?:\.{name} import|\s+import\b.*\b{name}\b)", re.M)
        users = [m for m in MODULES if m != ROOT / path and by_name.search(m.read_text())]
        assert users, path


def test_a_module_says_what_it_is_for() -> None:
    """It starts with its manual page, and its name is not a drawer for anything."""
    for path in MODULES:
        assert ast.get_docstring(ast.parse(path.read_text())), path
        assert path.stem not in ("utils", "helpers", "misc", "common"), path


def test_files_stay_small() -> None:
    """No module is longer than 400 lines, save the catalogue: every reply is in one file."""
    long = {str(p.relative_to(ROOT)) for p in MODULES if p.read_text().count("\n") > 400}
    assert long <= {"gateway/replies.py"}


def test_a_test_says_the_behaviour() -> None:
    """Every test has a sentence of its own."""
    silent = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert not silent


def test_nothing_is_left_undone() -> None:
    """No note to come back later stands in the code."""
    mark = re.compile(r"\b(?:TODO|FIXME|XXX)\b")
    assert not [path for path in MODULES if mark.search(path.read_text())]
