"""Pages in Polish gave the engine's reason for a refusal in English."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import gateway.records.reports
import policies.sanctions.permits
from gateway.records import case_blocks, case_change
from gateway.web.desk.refusal_words import told
from gateway.words import Role
from policies.sanctions import deciding, engine, fees
from policies.sanctions.words import Phase
from tests.contract.desk.conftest import opened

PERMITS = policies.sanctions.permits
SOURCES = (
    PERMITS, deciding, engine, fees, case_blocks, case_change, gateway.records.reports,
)  # fmt: skip


LISTED = "still open"
"""What stands before a list; the list comes from elsewhere."""


def _texts(node: ast.AST) -> Iterator[str]:
    """The texts that an expression may be, with "x" for what is filled in."""
    if isinstance(node, ast.JoinedStr):
        parts = [one.value if isinstance(one, ast.Constant) else "x" for one in node.values]
        yield "".join(map(str, parts))
    elif isinstance(node, ast.Constant):
        yield str(node.value)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _texts(child)


def _is_refusal(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
        ("Refused", "ReportDecided")
    )


def _reasons() -> set[str]:
    found = set()
    for module in SOURCES:
        for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text())):
            is_said = isinstance(node, ast.Return) and module is PERMITS
            if is_said or _is_refusal(node):
                found |= set(_texts(node))
    return {f"{one}: x" if one == LISTED else one for one in found if one.count(" ") > 1} - {""}


def test_every_reason_has_its_polish() -> None:
    """Each that the engine, cases and reports can give, read from where they give it."""
    reasons = _reasons()
    assert len(reasons) > 30
    assert [one for one in reasons if told(one, "pl") == one] == []


def test_a_phase_is_named_in_polish() -> None:
    """What is filled in is Polish too, and English stays as it is."""
    reason = f"not while the case is {Phase.UNDECIDED}"
    assert told(reason, "pl") == "nie w tym stanie sprawy: do rozstrzygnięcia"
    assert told("still open: screenshot, mended", "pl").endswith("usunięcie przyczyny")
    assert told(reason, "en") == reason


async def test_a_page_in_polish_says_so_in_polish(tmp_path: Path) -> None:
    """On a case that is decided already."""
    with opened(tmp_path) as world:
        moved = world.open("acme")
        said = {"decision": "approve", "reason": "tak", "stamp": "0"}
        client = world.as_(Role.LEAD, "pl")
        page = await client.get(f"cases/C-{moved.case.id:06d}")
        stamp = page.text.partition('name="stamp" value="')[2].partition('"')[0]
        answer = await client.post(
            f"cases/C-{moved.case.id:06d}/decide", **{**said, "stamp": stamp}
        )
    assert answer.status_code == 409
    assert "nie w tym stanie sprawy" in answer.text
