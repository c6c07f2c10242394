"""How verdicts combine, and that nothing which breaks reads as "no objection"."""

from __future__ import annotations

import asyncio
from itertools import permutations

import pytest

from gateway import replies
from gateway.words import Mode
from policies.verdict import ACCEPT, accept
from suppression.standing import Standing
from tests.unit.pipeline.parts import (
    DEFER,
    DEFER_TOO,
    MESSAGE,
    REJECT,
    REJECT_TOO,
    VIEW,
    WHO,
    Fixed,
    Last,
    Store,
    Taker,
    claim,
    every_stage,
    hanging,
    pipeline,
    raising,
    raising_later,
    transaction,
)


async def test_no_objection_is_no_reply_and_a_trail_of_every_policy():
    """Without a refusal the stage passes, and the trail names who was asked."""
    for ruling in await every_stage(pipeline(Fixed("a", ACCEPT), Fixed("b", accept(level=2)))):
        assert ruling.reply is None
        assert [entry["policy"] for entry in ruling.trail] == ["a", "b"]
        assert ruling.trail[1]["inputs"] == {"level": 2}


@pytest.mark.parametrize("order", list(permutations([ACCEPT, DEFER, DEFER_TOO, REJECT])))
async def test_a_permanent_refusal_beats_a_temporary_one_in_any_order(order):
    """One permanent refusal among others is the answer wherever it stands."""
    line = pipeline(*(Fixed(str(i), verdict) for i, verdict in enumerate(order)))
    for ruling in await every_stage(line):
        assert ruling.reply == replies.POLICY


async def test_among_equals_the_configured_order_decides():
    """The first of several permanent, else of several temporary refusals is the answer."""
    for ruling in await every_stage(pipeline(Fixed("a", REJECT_TOO), Fixed("b", REJECT))):
        assert ruling.reply == replies.UNSUB
    for ruling in await every_stage(pipeline(Fixed("a", DEFER), Fixed("b", DEFER_TOO))):
        assert ruling.reply == DEFER.reply


async def test_a_permanent_refusal_ends_the_stage_and_a_temporary_one_does_not():
    """Who comes after a 5xx is not asked; who comes after a 4xx is."""
    last = Fixed("last", ACCEPT)
    await pipeline(Fixed("a", REJECT), last).mail(transaction())
    assert last.asked == []
    await pipeline(Fixed("a", DEFER), last).mail(transaction())
    assert last.asked == ["mail"]


async def test_what_claims_comes_last_and_only_when_nobody_refused():
    """What takes something limited is asked after the rest, and ends at its first refusal."""
    first, further = Taker("first", claim("a")), Taker("further", claim("b"))
    store = Store(a=0)
    ruling = await pipeline(first, further, Fixed("plain", ACCEPT)).mail(transaction(store))
    assert [entry["policy"] for entry in ruling.trail] == ["plain", "first"]
    assert ruling.reply == DEFER.reply
    assert further.judged == []
    for verdict in (DEFER, REJECT):
        store = Store()
        await pipeline(first, Fixed("plain", verdict)).mail(transaction(store))
        assert store.calls == []


async def test_what_only_says_it_for_whom_nobody_refused_comes_last_too():
    """It is asked behind the others, before anything is claimed, and only about who is left."""
    last = Last("last", {"u": DEFER, "v": DEFER})
    taker, store = Taker("taker", claim("a")), Store()
    line = pipeline(last, taker, Fixed("plain", {"u": REJECT}))
    rulings = await line.rcpt(transaction(store), WHO)
    assert [ruling.reply for _, ruling in rulings] == [replies.POLICY, DEFER.reply, None]
    assert last.asked == [["v", "w"]]
    assert taker.judged == [["w"]]
    for verdict in (DEFER, REJECT):
        last.asked.clear()
        await pipeline(last, Fixed("plain", verdict)).mail(transaction())
        assert last.asked == []


async def test_recipients_are_judged_one_by_one_but_asked_about_together():
    """A refusal of one recipient leaves the others, and nobody is asked about it again."""
    some = Fixed("some", {"u": REJECT, "v": DEFER})
    plain, taker = Fixed("plain", ACCEPT), Taker("taker", claim("a"))
    rulings = await pipeline(taker, some, plain).rcpt(transaction(), WHO)
    assert [ruling.reply for _, ruling in rulings] == [replies.POLICY, DEFER.reply, None]
    assert some.asked == [["u", "v", "w"]]
    assert plain.asked == [["v", "w"]]
    assert taker.judged == [["w"]]
    assert [recipient.address for recipient, _ in rulings] == WHO
    assert [len(ruling.trail) for _, ruling in rulings] == [1, 2, 3]


async def test_observed_refusals_are_noted_and_count_for_nothing():
    """In `observe` mode a refusal, or a failure, stands in the trail only."""
    for ruling in await every_stage(pipeline((Fixed("a", REJECT), Mode.OBSERVE))):
        assert ruling.reply is None
        assert ruling.trail[0]["observed"]
        assert ruling.trail[0]["tag"] == "POLICY"


def broken(behaviour):
    """A policy that does the same wrong thing at every stage."""

    class Broken:
        name = "broken"

        async def at_mail(self, t, *_):
            return await behaviour()

        at_rcpt = at_message = claims_at_confirm = at_mail

        def judge_at_confirm(self, *_):
            return ACCEPT

    return Broken()


async def answering_nothing():
    return None


async def answering_true():
    return True


async def answering_too_many():
    return [ACCEPT, ACCEPT]


async def answering_words():
    return ["accept"]


@pytest.mark.parametrize(
    "behaviour",
    [
        raising,
        hanging,
        raising_later,
        answering_nothing,
        answering_true,
        answering_too_many,
        answering_words,
    ],
)
async def test_a_policy_that_breaks_defers_and_is_named(behaviour):
    """Raising, hanging and nonsense are a 451 at every stage, in the trail and by an alarm."""
    alarms = []
    line = pipeline(broken(behaviour), Fixed("fine", ACCEPT), deadline=0.01, alarms=alarms)
    t = transaction()
    ((_, at_rcpt),) = await line.rcpt(t, WHO[:1])
    confirmed = await line.confirm(t, 1, 1)
    rulings = [await line.mail(t), at_rcpt, await line.message(t, MESSAGE, VIEW)]
    for ruling in [*rulings, confirmed]:
        assert ruling.reply == replies.TEMP
        assert ruling.trail[0]["policy"] == "broken"
        assert ruling.trail[0]["reason"]
    assert [ruling.trail[1]["policy"] for ruling in rulings] == ["fine"] * 3
    assert [name for name, _ in alarms] == ["broken"] * 4


@pytest.mark.parametrize(("answer", "reply"), [(ACCEPT, None), (None, replies.TEMP)])
async def test_a_policy_may_answer_without_a_coroutine(answer, reply):
    """A plain method is heard like any other, and its nonsense is a fault like any other."""

    class Plain:
        name = "plain"

        def at_mail(self, t):
            return answer

    assert (await pipeline(Plain()).mail(transaction())).reply == reply


@pytest.mark.parametrize(("seconds", "reply"), [(0.9, None), (1.1, replies.TEMP)])
async def test_a_policy_that_never_suspends_must_answer_in_time_too(seconds, reply, now):
    """It cannot be stopped, but what it says too late is not heard, at any stage."""

    class Busy:
        name = "busy"

        def at_mail(self, t):
            now[0] += seconds
            return ACCEPT

        async def at_rcpt(self, t, group):
            now[0] += seconds
            return [ACCEPT] * len(group)

    line, t = pipeline(Busy(), deadline=1.0), transaction()
    ((_, at_rcpt),) = await line.rcpt(t, WHO[:1])
    assert [(await line.mail(t)).reply, at_rcpt.reply] == [reply, reply]


async def test_a_policy_that_waits_a_little_is_heard():
    """Suspending is no fault within the deadline, which a policy may set for itself."""

    class Patient:
        name = "patient"

        def deadline(self, t):
            return 5.0

        async def at_mail(self, t):
            loop = asyncio.get_running_loop()
            for _ in range(3):
                future = loop.create_future()
                loop.call_later(0.005, future.set_result, None)
                await future
            return REJECT

    assert (await pipeline(Patient(), deadline=0.001).mail(transaction())).reply == replies.POLICY


async def test_a_cancelled_session_cancels_the_policy_it_waits_for():
    """A session that ends while a policy waits ends the wait, and is not read as a failure."""
    cleaned = []

    async def waiting():
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    task = asyncio.create_task(pipeline(broken(waiting)).mail(transaction()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == [True]


# ---- the records ----------------------------------------------------------------------------


class Away:
    async def look_up(self, stream, group):
        raise ConnectionError("no database")


class Silent:
    async def look_up(self, stream, group):
        await asyncio.Event().wait()


class Short:
    async def look_up(self, stream, group):
        return [Standing(b"k" * 16)]


@pytest.mark.parametrize("standings", [Away(), Silent(), Short()])
async def test_without_records_every_recipient_is_deferred(standings):
    """Records that are away, late or wrong mean 451 for the whole group, and no policy is asked."""
    policy, alarms = Fixed("policy", ACCEPT), []
    line = pipeline(policy, standings=standings, deadline=0.01, alarms=alarms)
    rulings = await line.rcpt(transaction(), WHO)
    assert [(one, ruling.reply) for one, ruling in rulings] == [(None, replies.TEMP)] * 3
    assert policy.asked == []
    assert alarms[0][0] == "standings"
