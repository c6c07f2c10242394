"""The table of docs/security.md is the one that `make hostile` runs, and can be shown to fail."""

from __future__ import annotations

from tests.campaigns.broken import FAULTS, PROJECT
from tests.campaigns.hostile import document, edits
from tests.campaigns.rows import ROWS


def test_the_table_is_current() -> None:
    """docs/security.md shows the rows, safeties and tests there are."""
    assert document() in (PROJECT / "docs/security.md").read_text()


def test_every_safety_can_be_taken_out() -> None:
    """What each broken copy is made by still stands in the source, once, and its test is there."""
    for proof in [proof for row in ROWS for proof in row.proofs]:
        file, _, name = proof.test.partition("::")
        assert f"def {name.partition('[')[0]}" in (PROJECT / file).read_text(), proof.safety
        for edit in edits(proof):
            assert (PROJECT / edit.path).read_text().count(edit.sound) == 1, proof.safety


def test_every_campaign_can_be_broken() -> None:
    """What the campaigns' broken copies leave out still stands in the source, once."""
    for fault, edit in FAULTS.items():
        assert (PROJECT / edit.path).read_text().count(edit.sound) == 1, fault
