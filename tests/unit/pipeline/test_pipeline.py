"""How verdicts combine, and that nothing which breaks reads as "no objection"."""

from __future__ import annotations

import asyncio
from itertools import permutations

import pytest

from gateway import replies
from gateway.message.header import HeaderView
from gateway.message.received import Message
from gateway.pipeline import Pipeline
from gateway.words import Address, Mode, StreamKind
from policies.terms import Limits, StreamTerms, TenantState, TenantTerms
from policies.transaction import Transaction
from policies.verdict import ACCEPT, accept, refuse
from suppression.standing import Standing

STREAM = StreamTerms("acme", "weekly", 1, StreamKind.LIST, Limits())
TENANT = TenantTerms(
    "acme", TenantState.OPEN, frozenset({"acme.example"}), {"weekly": STREAM}, "weekly", Limits()
)
REJECT = refuse(replies.POLICY, "no")
REJECT_TOO = refuse(replies.UNSUB, "no")
DEFER = refuse(replies.RATE.fill(used=1, limit=1, unit="m", window="h", time="t"), "later")
DEFER_TOO = refuse(replies.TENANT_CLOSED, "later")
WHO = [Address(f"{name}@b.example", name, "b.example") for name in "uvw"]
MESSAGE = Message(b"", (), 0, b"", b"")
VIEW = HeaderView.parse(b"")


class Fixed:
    """A policy that gives the same answer at every stage and notes when it was asked."""

    def __init__(self, name, verdict, claims=False):
        self.name, self.verdict, self.claims = name, verdict, claims
        self.asked = []

    async def at_mail(self, t):
        self.asked.append("mail")
        return self.verdict

    async def at_rcpt(self, t, group):
        self.asked.append([recipient.address.local for recipient in group])
        return [
            self.verdict.get(recipient.address.local, ACCEPT)
            if isinstance(self.verdict, dict)
            else self.verdict
            for recipient in group
        ]

    async def at_message(self, t, message, view):
        return self.verdict

    async def confirm(self, t, octets_per_copy, copies):
        return self.verdict


class Known:
    """Records in which every address stands well."""

    async def look_up(self, stream, group):
        return [Standing(address.local.encode() * 16) for address in group]


def transaction():
    return Transaction("ref", "session", "192.0.2.1", TENANT, STREAM, None, 0.0)


def pipeline(*policies, standings=None, deadline=1.0, alarms=None):
    pairs = [policy if isinstance(policy, tuple) else (policy, Mode.ENFORCE) for policy in policies]
    tell = (lambda *what: alarms.append(what)) if alarms is not None else (lambda *_: None)
    return Pipeline(pairs, standings or Known(), deadline, tell)


async def every_stage(line):
    """The ruling of each stage, for one recipient."""
    t = transaction()
    ((_, at_rcpt),) = await line.rcpt(t, WHO[:1])
    return [await line.mail(t), at_rcpt, await line.message(t, MESSAGE, VIEW)]


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


async def test_claims_come_last_and_only_when_nobody_refused():
    """What takes something limited is asked after the rest, and ends at its first refusal."""
    claim, further = Fixed("claim", DEFER, claims=True), Fixed("further", REJECT, claims=True)
    ruling = await pipeline(claim, further, Fixed("plain", ACCEPT)).mail(transaction())
    assert [entry["policy"] for entry in ruling.trail] == ["plain", "claim"]
    assert ruling.reply == DEFER.reply
    for verdict in (DEFER, REJECT):
        claim.asked.clear()
        await pipeline(claim, Fixed("plain", verdict)).mail(transaction())
        assert claim.asked == []


async def test_recipients_are_judged_one_by_one_but_asked_about_together():
    """A refusal of one recipient leaves the others, and nobody is asked about it again."""
    some = Fixed("some", {"u": REJECT, "v": DEFER})
    plain, claim = Fixed("plain", ACCEPT), Fixed("claim", ACCEPT, claims=True)
    rulings = await pipeline(claim, some, plain).rcpt(transaction(), WHO)
    assert [ruling.reply for _, ruling in rulings] == [replies.POLICY, DEFER.reply, None]
    assert some.asked == [["u", "v", "w"]]
    assert plain.asked == [["v", "w"]]
    assert claim.asked == [["w"]]
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

        at_rcpt = at_message = confirm = at_mail

    return Broken()


async def raising():
    raise LookupError("gone")


async def hanging():
    await asyncio.Event().wait()


async def raising_later():
    await asyncio.sleep(0)
    raise LookupError("gone")


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
    for ruling in [await line.mail(t), at_rcpt, await line.message(t, MESSAGE, VIEW), confirmed]:
        assert ruling.reply == replies.TEMP
        assert ruling.trail[0]["policy"] == "broken"
        assert ruling.trail[0]["reason"]
        assert ruling.trail[1]["policy"] == "fine"
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
async def test_a_policy_that_never_suspends_must_answer_in_time_too(seconds, reply, monkeypatch):
    """It cannot be stopped, but what it says too late is not heard, at any stage."""
    now = [0.0]
    monkeypatch.setattr("gateway.pipeline.monotonic", lambda: now[0])

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
