"""*Case* and *Cases* over real records: what is shown, to whom, and what a decision changes."""

from __future__ import annotations

from tests.contract.desk.conftest import World, stamp


async def test_a_case_is_told_in_one_sentence(world: World) -> None:
    """Who, what, how often, at which step, and the clause with what it says; in both languages."""
    case = world.open("acme").case
    page = (await world.as_("abuse").get(f"cases/C-{case.id:06d}")).text
    assert "acme: unasked mail &lt;i&gt;, 1 facts; step S1, clause 1: No unasked mail." in page
    assert stamp(page)
