"""What every store must do with the claims of one call: in order, and no further than a refusal."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from policies.claims import BatchClaim, CountClaim, Granted, OctetsClaim
from policies.ports import Shortage

DAY = 86_400
GAP = 6 * 3600
WEEK = 7 * DAY


def count(units, limit=3, seconds=60, key="messages:acme", **rest):
    return CountClaim(key, units, limit, seconds, **rest)


# ---- counts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [60, 61, 3600, DAY])
async def test_as_many_as_fit_are_counted_and_the_time_named_is_right(stores, clock, seconds):
    """What is over the limit is not counted, and one fits exactly from the time named on."""
    assert (await stores.claimed(count(2, seconds=seconds)))[1] == [Granted(2)]
    clock.now += seconds / 4
    _, (granted,) = await stores.claimed(count(3, seconds=seconds))
    assert (granted.units, granted.shortage.used, granted.shortage.limit) == (1, 3, 3)
    assert await stores.rates.count("messages:acme", seconds) == 3
    clock.now = granted.shortage.free_at - 0.5
    assert (await stores.claimed(count(1, seconds=seconds)))[1][0].units == 0
    clock.now = granted.shortage.free_at
    assert (await stores.claimed(count(1, seconds=seconds)))[1] == [Granted(1)]


async def test_with_no_units_a_claim_only_asks_for_room(stores):
    """It counts nothing and is refused when there is room for none."""
    for _ in range(2):
        assert (await stores.claimed(count(0, limit=1)))[1] == [Granted(0)]
    assert (await stores.claimed(count(1, limit=1)))[1] == [Granted(1)]
    _, (granted,) = await stores.claimed(count(0, limit=1))
    assert (granted.units, granted.shortage.used) == (0, 1)


async def test_what_may_never_be_has_no_time_at_which_it_fits(stores):
    """A limit of nothing is never free."""
    assert (await stores.claimed(count(1, limit=0)))[1] == [Granted(0, Shortage(0, 0, None))]


async def test_what_was_counted_is_not_given_back(stores):
    """A transaction that ends without a message has still begun."""
    hold, _ = await stores.claimed(count(1))
    await hold.settle(0)
    assert await stores.rates.count("messages:acme", 60) == 1


async def test_what_is_noted_is_counted_by_the_next_claim_or_the_end(stores):
    """A note has no limit, and shares its window with claims and with everybody."""
    hold = stores.open()
    hold.note("messages:acme", 3, 60)
    (granted,) = await hold.claim([count(1)])
    assert granted.shortage is not None
    hold.note("messages:acme", 4, 60)
    hold.note("refused:acme", 2, 3600)
    await hold.settle(0)
    assert await stores.rates.count("messages:acme", 60) == 7
    assert await stores.rates.add("refused:acme", 1, 3600) == 3


# ---- several at once ------------------------------------------------------------------------


async def test_nothing_is_asked_behind_a_refusal(stores):
    """The answers end with it, and what came after is not used up."""
    claims = [count(1), BatchClaim(0, 0.0), OctetsClaim("acme", 500, 0, 0, 1000), count(1)]
    _, granted = await stores.claimed(*claims)
    assert granted == [Granted(1), Granted(0, Shortage(0, 0, None))]
    assert await stores.octets() == 0
    assert await stores.rates.count("messages:acme", 60) == 1


async def test_behind_a_part_no_more_is_granted_than_it(stores):
    """Of a group, who got no octets is not counted either."""
    claims = [
        OctetsClaim("acme", 0, 300, 5, 1000),
        count(5, limit=10),
        count(5, limit=2, seconds=3600),
        count(5, limit=10, seconds=DAY),
    ]
    _, granted = await stores.claimed(*claims)
    assert [given.units for given in granted] == [3, 3, 2, 2]
    assert [given.shortage is None for given in granted] == [False, True, False, True]
    assert await stores.rates.count("messages:acme", DAY) == 2


async def test_what_is_only_observed_cuts_off_nothing(stores):
    """Behind an observed refusal or part all is granted as if there were none."""
    claims = [
        BatchClaim(0, 0.0, is_observed=True),
        count(5, limit=2, is_observed=True),
        count(0, limit=0, seconds=3600, is_observed=True),
        count(5, limit=10, seconds=DAY),
    ]
    _, granted = await stores.claimed(*claims)
    assert [given.units for given in granted] == [0, 2, 0, 5]
    assert [given.shortage is None for given in granted] == [False, False, False, True]


async def test_what_stands_behind_a_batch_is_granted_after_the_wait(stores):
    """Who waits in line has used up nothing that is claimed behind it, and gets it then."""
    first, _ = await stores.claimed(BatchClaim(1, 0.0))
    claims = [count(0), BatchClaim(1, 30.0), OctetsClaim("acme", 600, 0, 0, 1000), count(1)]
    hold = stores.open()
    task = asyncio.create_task(hold.claim(claims))
    await stores.until(waiting=1)
    assert (await stores.octets(), await stores.rates.count("messages:acme", 60)) == (0, 0)
    await first.settle(0)
    answers = [Granted(0), Granted(1, has_waited=True), Granted(0), Granted(1)]
    assert list(await task) == answers
    await hold.settle(100)
    assert await stores.octets() == 100


async def test_everything_is_given_back_at_once(stores):
    """One settlement ends batch and octets of every window."""
    batch = BatchClaim(1, 0.0)
    claims = [batch, OctetsClaim("acme", 5, 0, 0, 9), OctetsClaim("acme/weekly", 5, 0, 0, 9)]
    hold, _ = await stores.claimed(*claims)
    assert await hold.settle(2) == {"acme": 2, "acme/weekly": 2}
    await stores.until(open=0)


async def test_no_claim_is_answered_by_nothing(stores):
    """A call without claims only says which mailing it is."""
    hold = stores.open()
    assert hold.mailing == ""
    assert list(await hold.claim([])) == []
    assert hold.mailing


# ---- mailings -------------------------------------------------------------------------------


async def mailing(stores, stream="weekly"):
    """The mailing of a transaction that begins now."""
    hold = stores.open(stream=stream)
    await hold.claim([count(0, limit=9)])
    named = hold.mailing
    await hold.settle(0)
    return named


async def test_transactions_with_short_gaps_are_one_mailing_and_a_long_gap_ends_it(stores, clock):
    """A gap of six hours starts a new mailing, a second less does not."""
    first = await mailing(stores)
    clock.now += GAP - 1
    assert await mailing(stores) == first
    clock.now += GAP
    assert await mailing(stores) != first


async def test_a_mailing_is_at_most_seven_days_long(stores, clock):
    """Steady mail starts a new mailing after seven days."""
    first = await mailing(stores)
    step = GAP - 600
    for _ in range(WEEK // step):
        clock.now += step
        assert await mailing(stores) == first
    clock.now += step
    assert await mailing(stores) != first


async def test_streams_have_their_own_mailings_named_by_the_day(stores):
    """An id begins with its first day and is nobody else's."""
    weekly, daily = await mailing(stores), await mailing(stores, "daily")
    assert weekly != daily
    assert weekly.startswith("270115-")


async def test_a_mailing_that_a_case_has_ended_goes_on_no_more(stores):
    """The next transaction begins a new one."""
    ended = await mailing(stores)
    stores.ended.add(ended)
    newer = await mailing(stores)
    assert newer != ended
    assert await mailing(stores) == newer


async def test_a_refused_transaction_has_a_mailing_too(stores):
    """What follows from the refusal names it."""
    hold = stores.open()
    await hold.claim([replace(count(1), limit=0)])
    assert hold.mailing == await mailing(stores)
