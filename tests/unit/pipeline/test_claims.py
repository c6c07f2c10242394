"""All claims of a stage are one call to the store, and what it does not grant defers."""

from __future__ import annotations

import asyncio

import pytest

from gateway import replies
from gateway.words import Mode
from policies.claims import Granted
from policies.verdict import ACCEPT
from tests.unit.pipeline.parts import (
    DEFER,
    DEFER_TOO,
    REJECT,
    WHO,
    Fixed,
    Store,
    Taker,
    claim,
    hanging,
    pipeline,
    raising,
    raising_later,
    transaction,
)


async def test_all_claims_of_a_stage_are_one_call_and_each_policy_judges_its_own():
    """In configured order, and what was granted to one is not shown to another."""
    takers = [Taker("one", claim("a"), claim("b")), Taker("none"), Taker("two", claim("c", 0))]
    store = Store()
    t = transaction(store)
    line = pipeline(*takers)
    assert (await line.mail(t)).reply is None
    assert [entry["policy"] for entry in (await line.confirm(t, 1, 1)).trail] == [
        "one",
        "none",
        "two",
    ]
    assert store.calls == [["a", "b", "c"]] * 2
    assert [taker.judged for taker in takers] == [[[1, 1]] * 2, [], [[0]] * 2]


async def test_a_stage_that_claims_nothing_calls_nobody():
    """What needs no store does not ask one."""
    store = Store()
    line = pipeline(Taker("none"), Fixed("plain", ACCEPT))
    await line.mail(transaction(store))
    await line.rcpt(transaction(store), WHO)
    assert store.calls == []


async def test_the_mailing_is_known_once_something_was_claimed():
    """It is the store that knows it."""
    t = transaction()
    await pipeline(Taker("one", claim("a"))).mail(t)
    assert t.mailing == "m"


async def test_a_verdict_instead_of_claims_ends_the_asking_when_it_refuses():
    """Who stands before it still claims and judges first; who stands behind is not asked."""

    class Sure(Taker):
        def claims_at_mail(self, t):
            return self.says

    first, behind, store = Taker("first", claim("a")), Taker("behind", claim("b")), Store()
    line = pipeline(first, Sure("sure", says=REJECT), behind)
    ruling = await line.mail(transaction(store))
    assert (ruling.reply, store.calls) == (replies.POLICY, [["a"]])
    assert (await line.mail(transaction(Store(a=0)))).reply == DEFER.reply
    for sure in ((Sure("sure", says=REJECT), Mode.OBSERVE), Sure("sure", says=ACCEPT)):
        store = Store()
        assert (await pipeline(first, sure, behind).mail(transaction(store))).reply is None
        assert store.calls == [["a", "b"]]


async def test_of_a_group_the_last_are_refused_and_asked_about_no_more():
    """Each policy judges whom the ones before it left, by what was granted for those."""
    one, two = Taker("one", claim("a")), Taker("two", claim("b"))
    three = Taker("three", claim("c"), reply=DEFER_TOO.reply)
    rulings = await pipeline(one, two, three).rcpt(transaction(Store(a=2, c=1)), WHO)
    assert [ruling.reply for _, ruling in rulings] == [None, DEFER_TOO.reply, DEFER.reply]
    assert (two.judged, three.judged) == ([["u", "v"]], [["u", "v"]])
    assert [len(ruling.trail) for _, ruling in rulings] == [3, 3, 1]


async def test_an_observed_claim_is_marked_and_cuts_off_nothing():
    """What it would have refused is noted, and all others are asked in full."""
    observed, behind = Taker("observed", claim("a")), Taker("behind", claim("b"))
    store = Store(a=1)
    line = pipeline((observed, Mode.OBSERVE), behind)
    rulings = await line.rcpt(transaction(store), WHO)
    assert [ruling.reply for _, ruling in rulings] == [None] * 3
    assert [ruling.trail[0]["decision"] for _, ruling in rulings] == ["accept", "defer", "defer"]
    assert behind.judged == [["u", "v", "w"]]
    assert (await line.mail(transaction(Store(a=0)))).reply is None


@pytest.mark.parametrize("fails", [raising, hanging, raising_later])
async def test_a_store_that_does_not_answer_defers_by_every_policy_that_needs_it(fails):
    """The first enforced one refuses; one that only observes is named and refuses nothing."""
    for mode, reply, named in (
        (Mode.ENFORCE, replies.TEMP, ["first"]),
        (Mode.OBSERVE, None, ["first", "second"]),
    ):
        alarms = []
        line = pipeline(
            (Taker("first", claim("a")), mode),
            (Taker("second", claim("b")), Mode.OBSERVE),
            deadline=0.01,
            alarms=alarms,
        )
        assert (await line.mail(transaction(Store(fails)))).reply == reply
        rulings = await line.rcpt(transaction(Store(fails)), WHO)
        assert [ruling.reply for _, ruling in rulings] == [reply] * 3
        assert [name for name, _ in alarms] == named * 2


def answers(*granted):
    """A store that gives these answers whatever was claimed."""

    class Odd(Store):
        async def claim(self, claims):
            return granted

    return Odd()


@pytest.mark.parametrize("granted", [(), (Granted(1),)])
async def test_a_claim_without_an_answer_is_a_fault(granted):
    """A store that forgot one has not granted it."""
    taker = Taker("taker", claim("a"), claim("b"))
    assert (await pipeline(taker).mail(transaction(answers(*granted)))).reply == replies.TEMP


@pytest.mark.parametrize(
    "says",
    [
        lambda *_: None,
        lambda *_: [ACCEPT],
        lambda group, *_: [DEFER] + [ACCEPT] * (len(group) - 1),
        lambda group, *_: ["accept"] * len(group),
    ],
)
async def test_a_judgement_of_claims_that_is_nonsense_defers(says):
    """Too few, no verdicts, or others than the last refused: nobody of the group passes."""
    alarms = []
    line = pipeline(Taker("odd", claim("a"), says=says), alarms=alarms)
    rulings = await line.rcpt(transaction(), WHO)
    assert [ruling.reply for _, ruling in rulings] == [replies.TEMP] * 3
    assert (await line.mail(transaction())).reply == replies.TEMP
    assert [name for name, _ in alarms] == ["odd", "odd"]


async def test_who_passes_over_a_refusal_lets_nobody_else_pass():
    """What stands behind a refused claim was not asked, and is not taken for granted."""
    line = pipeline(Taker("lax", claim("a"), says=lambda *_: ACCEPT), Taker("next", claim("b")))
    assert (await line.mail(transaction(Store(a=0)))).reply == replies.TEMP


@pytest.mark.parametrize("wanted", [None, 7, ["a batch"], [None]])
async def test_claims_that_are_none_are_a_fault_of_their_policy_alone(wanted):
    """They are not asked for, and in `observe` mode they change nothing."""

    class Odd(Taker):
        def claims_at_mail(self, t):
            return wanted

    for mode, reply in ((Mode.ENFORCE, replies.TEMP), (Mode.OBSERVE, None)):
        line = pipeline((Odd("odd"), mode), Taker("fine", claim("a")))
        assert (await line.mail(transaction())).reply == reply


async def test_who_waits_in_line_gives_all_that_is_claimed_with_it_its_time():
    """The longest patience of those that claim is that of the call."""

    class Patient(Taker):
        def deadline(self, t):
            return 5.0

    async def a_while():
        await asyncio.sleep(0.03)

    line = pipeline(Taker("hasty", claim("a")), Patient("patient", claim("b")), deadline=0.001)
    assert (await line.mail(transaction(Store(a_while)))).reply is None


async def test_news_of_a_block_that_come_with_the_answer_are_in_force_at_once():
    """The policies that claim nothing are asked once more, by what is known now."""
    stale = []

    class Block(Fixed):
        async def at_mail(self, t):
            self.asked.append("mail")
            return REJECT if stale else ACCEPT

    class News(Store):
        async def claim(self, claims):
            stale.append(True)
            return await super().claim(claims)

    block = Block("block", ACCEPT)
    line = pipeline(block, Taker("one", claim("a")), is_stale=lambda: bool(stale))
    assert (await line.mail(transaction(News()))).reply == replies.POLICY
    assert block.asked == ["mail", "mail"]
