"""How verdicts combine, and that nothing which breaks reads as "no objection"."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import permutations

import pytest

from gateway import replies
from gateway.message.header import HeaderView
from gateway.message.received import Message
from gateway.pipeline import Pipeline
from gateway.words import Address, Mode, StreamKind
from policies.claims import CountClaim, Granted
from policies.ports import Shortage
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

    claims = False

    def __init__(self, name, verdict):
        self.name, self.verdict = name, verdict
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


class Last(Fixed):
    """One whose verdict is for what nobody refused."""

    claims = True


class Taker:
    """A policy that claims `wanted` at every stage, and refuses with `reply` what is short."""

    def __init__(self, name, *wanted, reply=DEFER.reply, says=None):
        self.name, self.wanted, self.reply, self.says = name, wanted, reply, says
        self.judged = []

    def claims_at_mail(self, t, *_):
        return self.wanted

    claims_at_confirm = claims_at_mail

    def claims_at_rcpt(self, t, group):
        return [replace(claim, units=len(group)) for claim in self.wanted]

    def judge_at_mail(self, t, *rest):
        granted = rest[-1]
        self.judged.append([given.units for given in granted])
        if self.says is not None:
            return self.says(*rest)
        is_short = any(given.shortage for given in granted)
        return refuse(self.reply, "short") if is_short else ACCEPT

    judge_at_confirm = judge_at_mail

    def judge_at_rcpt(self, t, group, claims, granted):
        self.judged.append([recipient.address.local for recipient in group])
        if self.says is not None:
            return self.says(group, claims, granted)
        units = min([len(group), *(given.units for given in granted)])
        return [ACCEPT] * units + [refuse(self.reply, "short")] * (len(group) - units)


class Known:
    """Records in which every address stands well."""

    async def look_up(self, stream, group):
        return [Standing(address.local.encode() * 16) for address in group]


class Store:
    """A hold that grants out of `rooms` by key, and notes every call."""

    def __init__(self, fails=None, **rooms):
        self.fails, self.rooms = fails, rooms
        self.calls = []
        self.mailing = ""

    async def claim(self, claims):
        self.calls.append([claim.key for claim in claims])
        self.mailing = "m"
        if self.fails is not None:
            await self.fails()
        answers, most = [], 99
        for claim in claims:
            room = self.rooms.get(claim.key, 99)
            units = min(claim.units, most, room)
            is_short = units < min(claim.units, most) or not room
            answers.append(Granted(units, Shortage(0, room, None) if is_short else None))
            if is_short and not claim.is_observed:
                if not units:
                    break
                most = units
        return answers

    def note(self, key, count, seconds):
        raise AssertionError("nothing is noted here")


def claim(key, units=1):
    return CountClaim(key, units, 9, 60)


def transaction(hold=None):
    hold = hold or Store()
    return Transaction("ref", "session", "192.0.2.1", TENANT, STREAM, None, 0.0, hold=hold)


def pipeline(*policies, standings=None, deadline=1.0, alarms=None, is_stale=lambda: False):
    pairs = [policy if isinstance(policy, tuple) else (policy, Mode.ENFORCE) for policy in policies]
    tell = (lambda *what: alarms.append(what)) if alarms is not None else (lambda *_: None)
    return Pipeline(pairs, standings or Known(), deadline, tell, is_stale)


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
async def test_a_policy_that_never_suspends_must_answer_in_time_too(seconds, reply, monkeypatch):
    """It cannot be stopped, but what it says too late is not heard, at any stage."""
    now = [0.0]
    for module in ("pipeline", "stage", "claiming"):
        monkeypatch.setattr(f"gateway.{module}.monotonic", lambda: now[0])

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


# ---- claims ---------------------------------------------------------------------------------


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
