"""A refused protected recipient, while Redis was away, ended the session behind one 451."""

from __future__ import annotations

from gateway.errors import StoreUnavailable
from policies.terms import DAY
from tests.unit.enforcement.test_enforcement import HIT, PASSED, USER, Desk


class Away:
    """Windows that cannot be reached."""

    async def add(self, key, units, seconds):
        raise StoreUnavailable("Redis: no answer")

    async def count(self, key, seconds):
        raise StoreUnavailable("Redis: no answer")


async def test_a_fact_that_cannot_be_counted_is_lost_and_the_session_goes_on():
    """The refusal stands, `fact.lost` names the fault, and what was to be counted is counted
    with the transaction's own claims; deliveries wait for better times."""
    desk = Desk()
    desk.delivered(3)
    windows, desk.enforcement._rates = desk.rates, Away()
    t = desk.transaction()
    await desk.enforcement.after_rcpt(t, [(USER, PASSED), (USER, HIT)])
    assert desk.taken == []
    assert [(event.kind, event.detail["error"]) for event in desk.events] == [
        ("fact.lost", "Redis: no answer")
    ]
    desk.enforcement._rates = windows
    await t.hold.settle(0)
    assert await windows.count("recipients:acme", DAY) == 2
    await desk.rcpt(HIT)
    assert [counts.delivered for _, counts, _ in desk.taken] == [3]
