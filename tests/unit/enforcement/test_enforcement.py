"""Facts that follow from what the policies found, and what they are counted with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway import replies
from gateway.enforcement import AT_ONCE, Enforcement
from gateway.errors import StoreUnavailable
from gateway.events import Event
from gateway.pipeline import Ruling
from gateway.records.cases import FactTaken
from gateway.state.holds import MemoryHolds
from gateway.state.rates import MemoryRateWindows
from gateway.state.table import WindowTable
from gateway.words import Address, StreamKind
from policies.sanctions.words import Excuse, FactKind
from policies.terms import DAY, MONTH, Limits, StreamTerms, TenantState, TenantTerms
from policies.transaction import Recipient, Transaction
from suppression.standing import Match, Reason, Standing, Stops

STREAM = StreamTerms("acme", "weekly", 1, StreamKind.LIST, Limits())
TENANT = TenantTerms(
    "acme", TenantState.OPEN, frozenset({"acme.example"}), {"weekly": STREAM}, "weekly", Limits()
)
SENDER = Address("n@acme.example", "n", "acme.example")
USER = Recipient(0, Address("u@b.example", "u", "b.example"), Standing(b"k" * 16))


def entry(policy, observed=False, **inputs):
    return {"policy": policy, "inputs": inputs, "observed": observed}


LISTED = (
    Match(7, Reason.PROTECTED, Stops.BULK, "*"),
    Match(8, Reason.COMPLAINT, Stops.BULK, "acme"),
    Match(9, Reason.PROTECTED, Stops.BULK, "acme"),
)
PASSED = Ruling(None, [entry("suppression")])
HIT = Ruling(replies.PROTECTED, [entry("suppression", suppression="protected")])
IGNORED = Ruling(replies.COMPLAINT, [entry("suppression", suppression="complaint")])
HIDDEN = Ruling(replies.POLICY, [entry("suppression", suppression="complaint")])
UNSUBSCRIBED = Ruling(replies.UNSUB, [entry("suppression", suppression="unsubscribe")])
OBSERVED = Ruling(None, [entry("suppression", observed=True, suppression="protected")])


class Desk:
    """An enforcement with its books kept in lists."""

    def __init__(self):
        self.now = 1_800_000_000.0
        self.taken, self.events = [], []
        self.is_away = False
        self.lifted = 0
        self.excuse = None
        table = WindowTable(lambda: self.now)
        self.holds = MemoryHolds(table)
        self.rates = MemoryRateWindows(table)
        self.enforcement = Enforcement(
            self.rates,
            self,
            self,
            self.events.append,
            lambda: self.now,
        )

    async def lifts(self, tenant):
        return self.lifted

    async def take(self, fact, counts, entries):
        if self.is_away:
            raise StoreUnavailable("no database")
        fact = replace(fact, excuse=fact.excuse or self.excuse)
        self.taken.append((fact, counts, list(entries)))
        return FactTaken(1, fact, None, (Event("fact.recorded", fact.at),))

    def transaction(self, tenant=TENANT):
        hold = self.holds.open(tenant.name, STREAM.id, self.now, lambda _: None, lambda: None)
        return Transaction(
            "ref", "s", "192.0.2.1", tenant, STREAM, SENDER, self.now, mailing="m", hold=hold
        )

    async def rcpt(self, *rulings, recipient=USER):
        t = self.transaction()
        await self.enforcement.after_rcpt(t, [(recipient, ruling) for ruling in rulings])

    def delivered(self, copies, tenant=TENANT):
        self.enforcement.delivered(self.transaction(tenant), copies)

    @property
    def facts(self):
        return [counts.facts for _, counts, _ in self.taken]


async def test_a_protected_hit_is_a_fact_with_all_that_a_case_needs():
    """What is recorded names tenant, mailing, domain and recipient key, never the address."""
    desk = Desk()
    await desk.rcpt(HIT, PASSED, UNSUBSCRIBED, OBSERVED)
    ((fact, _, _),) = desk.taken
    assert (fact.kind, fact.tenant, fact.mailing) == (FactKind.PROTECTED_HIT, "acme", "m")
    assert (fact.domain, fact.domains) == ("acme.example", ("acme.example",))
    assert (fact.key, fact.at) == (b"k" * 16, desk.now)
    (event,) = desk.events
    assert (event.session, event.ref, event.mailing) == ("s", "ref", "m")
    assert "u@b.example" not in repr((desk.taken, desk.events))


async def test_facts_are_told_with_recipients_and_deliveries_of_a_day():
    """What is older than 24 h counts no more; the month's deliveries are kept apart."""
    desk = Desk()
    for _ in range(5):
        desk.delivered(1)
    desk.delivered(AT_ONCE, replace(TENANT, name="other"))
    assert await desk.rates.count("delivered:other", DAY) == AT_ONCE
    await desk.rcpt(*[PASSED] * 90, *[HIT] * 9)
    assert desk.facts == list(range(1, 10))
    assert (desk.taken[-1][1].recipients, desk.taken[-1][1].delivered) == (99, 5)
    desk.now += DAY
    await desk.rcpt(HIT)
    counts = desk.taken[-1][1]
    assert (counts.facts, counts.recipients, counts.delivered) == (1, 1, 0)
    assert await desk.rates.count("delivered:acme", MONTH) == 5


async def test_a_lift_begins_a_new_count():
    """What led to a block is forgiven with it."""
    desk = Desk()
    await desk.rcpt(*[HIT] * 3)
    desk.lifted = 1
    await desk.rcpt(HIT)
    assert desk.facts == [1, 2, 3, 1]


async def test_an_excused_fact_is_no_strike():
    """What the records excuse, and what a pre-check cleared, is not counted with the next."""
    desk = Desk()
    desk.excuse = Excuse.YOUNG
    await desk.rcpt(HIT, HIT)
    desk.excuse = None
    cleared = Recipient(0, USER.address, replace(USER.standing, is_cleared=True))
    await desk.rcpt(HIT, recipient=cleared)
    await desk.rcpt(HIT)
    assert [fact.excuse for fact, _, _ in desk.taken] == [Excuse.YOUNG] * 2 + [Excuse.CLEARED, None]
    assert desk.facts[-1] == 1


async def test_mail_to_who_complained_is_a_fact_unless_the_tenant_may_not_know():
    """A refusal as [POLICY] tells no reason, so that nobody can be blamed for not heeding it."""
    desk = Desk()
    await desk.rcpt(IGNORED, HIDDEN)
    assert [fact.kind for fact, _, _ in desk.taken] == [FactKind.COMPLAINT_IGNORED]


async def test_a_fact_comes_with_every_entry_of_its_reason():
    """One old entry among them is enough to have known better."""
    desk = Desk()
    listed = Recipient(0, USER.address, replace(USER.standing, matches=LISTED))
    await desk.rcpt(HIT, IGNORED, recipient=listed)
    assert [entries for _, _, entries in desk.taken] == [[7, 9], [8]]


@pytest.mark.parametrize(("observed", "expected"), [(False, 1), (True, 0)])
async def test_defiance_is_a_fact_unless_it_is_only_observed(observed, expected):
    """A MAIL marked as defiance is recorded, unless the policy only observes."""
    desk = Desk()
    t = desk.transaction()
    for _ in range(20):
        ruling = Ruling(None, [entry("rate"), entry("batch", observed, defiance=True)])
        await desk.enforcement.after_mail(t, ruling)
        await desk.enforcement.after_mail(t, Ruling(None, [entry("batch")]))
    kinds = [fact.kind for fact, _, _ in desk.taken]
    assert kinds == [FactKind.BATCH_DEFIANCE] * 20 * expected


async def test_records_that_are_away_lose_the_fact_but_not_the_count():
    """The loss is an event, and the next fact brings what all of them would have."""
    desk = Desk()
    desk.is_away = True
    await desk.rcpt(*[HIT] * 10)
    assert {event.kind for event in desk.events} == {"fact.lost"}
    desk.is_away = False
    await desk.rcpt(HIT)
    assert desk.facts == [11]
