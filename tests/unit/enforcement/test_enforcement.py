"""Facts, warnings and blocks that follow from what the policies found."""

from __future__ import annotations

import pytest

from gateway import replies
from gateway.enforcement import Enforcement
from gateway.errors import StoreUnavailable
from gateway.pipeline import Ruling
from gateway.state.rates import MemoryRateWindows
from gateway.state.table import WindowTable
from gateway.words import Address, StreamKind
from policies.blocking import FactKind, Threshold
from policies.ports import Block
from policies.terms import DAY, Limits, StreamTerms, TenantState, TenantTerms
from policies.transaction import Recipient, Transaction
from suppression.standing import Standing

STREAM = StreamTerms("acme", "weekly", 1, StreamKind.LIST, Limits())
TENANT = TenantTerms(
    "acme", TenantState.OPEN, frozenset({"acme.example"}), {"weekly": STREAM}, "weekly", Limits()
)
SENDER = Address("n@acme.example", "n", "acme.example")
USER = Recipient(0, Address("u@b.example", "u", "b.example"), Standing(b"k" * 16))


def entry(policy, observed=False, **inputs):
    return {"policy": policy, "inputs": inputs, "observed": observed}


PASSED = Ruling(None, [entry("suppression")])
HIT = Ruling(replies.PROTECTED, [entry("suppression", suppression="protected")])
UNSUBSCRIBED = Ruling(replies.UNSUB, [entry("suppression", suppression="unsubscribe")])
OBSERVED = Ruling(None, [entry("suppression", observed=True, suppression="protected")])


class Desk:
    """An enforcement with its books kept in lists."""

    def __init__(self, kinds=(FactKind.PROTECTED_HIT,)):
        self.now = 1_800_000_000.0
        self.facts, self.blocked, self.events = [], {}, []
        self.is_away = False
        self.lifted = 0
        self.enforcement = Enforcement(
            MemoryRateWindows(WindowTable(lambda: self.now)),
            self,
            self,
            {kind: Threshold(10, 1) for kind in kinds},
            self.events.append,
            lambda: self.now,
        )

    async def find(self, tenant, domain):
        return self.blocked.get(domain)

    async def lifts(self, tenant):
        return self.lifted

    async def record(self, fact):
        if self.is_away:
            raise StoreUnavailable("no database")
        self.facts.append(fact)
        return "C-000001"

    async def block(self, tenant, domain, case, reason):
        self.blocked[domain] = Block(case, domain, reason)

    async def rcpt(self, *rulings):
        t = Transaction("ref", "s", "192.0.2.1", TENANT, STREAM, SENDER, self.now, mailing="m")
        await self.enforcement.after_rcpt(t, [(USER, ruling) for ruling in rulings])

    def kinds(self):
        return [event.kind for event in self.events if event.kind != "fact.recorded"]


async def test_a_protected_hit_is_a_fact_with_all_that_a_case_needs():
    """What is recorded names tenant, mailing, domain and recipient key, never the address."""
    desk = Desk()
    await desk.rcpt(HIT, PASSED, UNSUBSCRIBED, OBSERVED)
    (fact,) = desk.facts
    assert (fact.kind, fact.tenant, fact.mailing) == (FactKind.PROTECTED_HIT, "acme", "m")
    assert (fact.domain, fact.key, fact.at) == ("acme.example", b"k" * 16, desk.now)
    assert "u@b.example" not in repr(desk.events)


async def test_the_tenth_hit_blocks_the_sender_domain_and_the_fourth_warns_once():
    """At the threshold the domain is blocked under the case, a third of it warns once."""
    desk = Desk()
    await desk.rcpt(*[PASSED] * 90)
    for _ in range(9):
        await desk.rcpt(HIT)
    assert desk.kinds() == ["domain.warned"]
    assert not desk.blocked
    await desk.rcpt(HIT)
    assert desk.kinds() == ["domain.warned", "domain.blocked"]
    assert desk.blocked["acme.example"].case == "C-000001"
    await desk.rcpt(HIT)
    assert desk.kinds() == ["domain.warned", "domain.blocked"]


async def test_few_hits_among_very_many_recipients_do_not_block():
    """Ten hits under 1 % of the recipients only warn."""
    desk = Desk()
    await desk.rcpt(*[PASSED] * 1200)
    await desk.rcpt(*[HIT] * 10)
    assert not desk.blocked


async def test_hits_count_for_a_day():
    """What is older than 24 h blocks no more."""
    desk = Desk()
    await desk.rcpt(*[HIT] * 9)
    desk.now += DAY
    await desk.rcpt(HIT)
    assert not desk.blocked


@pytest.mark.parametrize(("observed", "expected"), [(False, 1), (True, 0)])
async def test_defiance_is_a_fact_that_blocks_only_where_a_threshold_says_so(observed, expected):
    """A MAIL marked as defiance is recorded, unless the policy only observes."""
    desk = Desk(kinds=())
    t = Transaction("ref", "s", "192.0.2.1", TENANT, STREAM, SENDER, desk.now)
    for _ in range(20):
        ruling = Ruling(None, [entry("rate"), entry("batch", observed, defiance=True)])
        await desk.enforcement.after_mail(t, ruling)
        await desk.enforcement.after_mail(t, Ruling(None, [entry("batch")]))
    assert len(desk.facts) == 20 * expected
    assert not desk.blocked


async def test_records_that_are_away_lose_the_fact_but_not_the_count():
    """The loss is an event, and the next fact blocks all the same."""
    desk = Desk()
    desk.is_away = True
    await desk.rcpt(*[HIT] * 10)
    assert set(desk.kinds()) == {"fact.lost"}
    desk.is_away = False
    await desk.rcpt(HIT)
    assert "acme.example" in desk.blocked
