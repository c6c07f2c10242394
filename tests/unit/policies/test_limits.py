"""How much may be sent: batches, bytes, rates, recipients."""

from __future__ import annotations

import asyncio

import pytest

from gateway.words import StreamKind
from policies.batch import BatchPolicy
from policies.bytes import BytesPolicy, ByteWarnings, daily_limit
from policies.probing import ProbingPolicy, refused_recipients
from policies.rate import RatePolicy
from policies.recipients import RecipientsPolicy
from policies.terms import DAY, MONTH, Announcement, Limits, Rate, TenantState

NOON = 1_800_000_000.0
HOUR = 3600


def tag(verdict):
    return verdict.reply.tag if verdict.reply else ""


def tags(verdicts):
    return [tag(verdict) for verdict in verdicts]


# ---- one batch at a time ------------------------------------------------------------------------


async def test_a_second_batch_waits_and_is_served_when_the_first_ends(world):
    """A parallel mailer is serialised and loses nothing; waiting in line is no defiance."""
    policy = BatchPolicy()
    first, second = world.transaction(), world.transaction()
    assert tag(await world.mail(policy, first)) == ""
    waiting = asyncio.create_task(world.mail(policy, second))
    await asyncio.sleep(0)
    assert not waiting.done()
    await first.hold.settle(0)
    verdict = await waiting
    assert tag(verdict) == ""
    assert not verdict.inputs
    assert world.open() == 1


async def test_who_waited_in_vain_gets_batch_busy(world):
    """The reply says how many are open, how many may be and how long it waited."""
    policy = BatchPolicy()
    await world.mail(policy, world.transaction())
    verdict = await world.mail(policy, world.transaction(limits=Limits(batch_wait=0.01)))
    assert verdict.reply.text == "1 of 1 batches are open; one at a time, waited 0.01 s"


@pytest.mark.parametrize(
    ("pause", "open_still", "expected"),
    [(0, True, True), (60, True, True), (61, True, False), (10, False, False)],
)
async def test_defiance_is_a_mail_soon_after_batch_busy_while_a_batch_is_open(
    world, pause, open_still, expected
):
    """Within 60 s of [BATCH-BUSY], and while the batch is open, a further MAIL is defiance."""
    policy, hasty = BatchPolicy(), Limits(batch_wait=0.01)
    first = world.transaction()
    await world.mail(policy, first)
    assert "defiance" not in (await world.mail(policy, world.transaction(limits=hasty))).inputs
    world.now += pause
    if not open_still:
        await first.hold.settle(0)
    verdict = await world.mail(policy, world.transaction(limits=hasty))
    assert verdict.inputs.get("defiance", False) is expected


async def test_who_asks_again_and_waits_is_defiant_too(world):
    """A further MAIL while the batch is open counts, whether or not it is served in the end."""
    policy, hasty = BatchPolicy(), Limits(batch_wait=0.01)
    first = world.transaction()
    await world.mail(policy, first)
    await world.mail(policy, world.transaction(limits=hasty))
    waiting = asyncio.create_task(world.mail(policy, world.transaction()))
    await asyncio.sleep(0)
    await first.hold.settle(0)
    verdict = await waiting
    assert (tag(verdict), verdict.inputs) == ("", {"defiance": True})


async def test_observing_neither_waits_nor_counts_as_a_warning(world):
    """In `observe` mode nobody is held up, and what was never refused cannot be defied."""
    policy = BatchPolicy(waits=False)
    await world.mail(policy, world.transaction())
    for _ in range(2):
        async with asyncio.timeout(19):
            verdict = await world.mail(policy, world.transaction())
        assert tag(verdict) == "BATCH-BUSY"
        assert "defiance" not in verdict.inputs


def test_the_line_ends_the_wait_not_the_pipeline(world):
    """A batch's own deadline is longer than the wait in line."""
    t = world.transaction(limits=Limits(batch_wait=120))
    assert BatchPolicy().deadline(t) > 120


# ---- bytes --------------------------------------------------------------------------------------


LIST, PLAIN = {"kind": StreamKind.LIST}, {"kind": StreamKind.TRANSACTIONAL}
K = Limits(bytes_per_day=1000, message_bytes=800)


@pytest.mark.parametrize("size", [None, 300])
@pytest.mark.parametrize("kind", [LIST, PLAIN])
async def test_true_octets_times_copies_decide_and_what_was_taken_is_counted(world, size, kind):
    """With SIZE or without, one copy or several: the stamped octets decide, the taken count."""
    policy = BytesPolicy()
    t = world.transaction(size=size, limits=K, **kind)
    assert tag(await world.mail(policy, t)) == ""
    assert tags(await world.rcpt(policy, t, 3)) == ["", "", ""]
    assert tag(await world.confirm(policy, t, 330, 3)) == ""
    assert world.used() == 990
    await t.hold.settle(660)
    assert world.used() == 660


async def test_what_does_not_fit_any_more_is_refused_before_a_copy_goes_out(world):
    """Without SIZE the decision falls when stamped, with the time at which it fits, and resets."""
    policy = BytesPolicy()
    first, second = world.transaction(limits=K), world.transaction(limits=K)
    await world.mail(policy, first)
    await world.confirm(policy, first, 300, 2)
    await first.hold.settle(600)
    await world.mail(policy, second)
    verdict = await world.confirm(policy, second, 500, 1)
    assert verdict.reply.text == (
        "600 of 1000 bytes in 24 h are used; enough is free again at 2027-01-16 08:00:00 UTC"
    )
    world.now += DAY
    assert tag(await world.confirm(policy, second, 500, 1)) == ""


@pytest.mark.parametrize("own_copies", [LIST, {**PLAIN, "verp": True}])
async def test_copies_of_their_own_are_reserved_at_rcpt(world, own_copies):
    """Each further recipient reserves one more SIZE; those that do not fit are deferred."""
    policy = BytesPolicy()
    t = world.transaction(size=300, limits=K, **own_copies)
    await world.mail(policy, t)
    t.recipients = world.recipients(1)
    assert tags(await world.rcpt(policy, t, 4)) == ["", "", "BYTES", "BYTES"]
    assert world.used() == 900


@pytest.mark.parametrize(
    ("size", "limits", "text"),
    [
        (801, K, "Message of 801 bytes exceeds the limit of 800"),
        (900, Limits(bytes_per_day=850), "Message of 900 bytes exceeds the limit of 850"),
    ],
)
async def test_what_can_never_fit_is_refused_for_good(world, size, limits, text):
    """Over the size of one message, or over the whole day's bytes, is a 552."""
    verdict = await world.mail(BytesPolicy(), world.transaction(size=size, limits=limits))
    assert (verdict.reply.code, verdict.reply.text) == (552, text)


def test_a_message_over_the_size_limit_is_refused_whatever_mail_said(world):
    """The message as received is measured too."""
    t = world.transaction(size=1, limits=Limits(message_bytes=10))
    message = world.message("From: a@acme.example")
    assert tag(BytesPolicy().at_message(t, *message)) == "TOO-BIG"


async def test_copies_that_do_not_fit_together_are_put_off(world):
    """Each would fit by itself, so some may go now; one that is too big alone never will."""
    policy, t = BytesPolicy(), world.transaction(limits=K)
    await world.mail(policy, t)
    assert tag(await world.confirm(policy, t, 300, 4)) == "BYTES"
    assert tag(await world.confirm(policy, t, 300, 2)) == ""
    assert tag(await world.confirm(policy, t, 1001, 1)) == "TOO-BIG"


@pytest.mark.parametrize(
    ("announced", "now", "expected"),
    [
        (-DAY, 0, 5000),
        (-DAY, DAY - 1, 5000),
        (-DAY, -1, 1000),
        (-DAY, DAY, 1000),
        (-DAY + 1, 0, 1000),
    ],
)
def test_an_announcement_a_day_ahead_raises_the_limit_for_its_dates(announced, now, expected):
    """Announced 24 h ahead the higher limit holds from its start to its end; later, not at all."""
    raised = Announcement(NOON + announced, NOON, NOON + DAY, 5000)
    assert daily_limit(Limits(bytes_per_day=1000, announcements=(raised,)), NOON + now) == expected


def test_an_announcement_never_lowers_the_limit():
    """A smaller announcement changes nothing."""
    lower = Announcement(NOON - DAY, NOON, NOON + DAY, 5)
    assert daily_limit(Limits(bytes_per_day=1000, announcements=(lower,)), NOON) == 1000


async def test_a_stream_with_a_limit_of_its_own_has_a_window_of_its_own(world):
    """Its octets do not count for the tenant, and its tenant's announcement does not raise it."""
    raised = Announcement(NOON - DAY, NOON, NOON + DAY, 5000)
    tenant = Limits(bytes_per_day=1000, announcements=(raised,))
    own = Limits(bytes_per_day=500, announcements=(raised,))
    t = world.transaction(size=400, limits=own, tenant_limits=tenant)
    policy = BytesPolicy()
    assert tag(await world.mail(policy, t)) == ""
    assert world.used() == 0
    further = world.transaction(size=400, limits=own, tenant_limits=tenant)
    assert tag(await world.mail(policy, further)) == "BYTES"


async def test_warnings_come_at_80_and_95_percent_once_in_a_day(world):
    """Each mark is told once per window, the higher one only when both are passed at once."""
    warned = []
    policy = BytesPolicy()
    warnings = ByteWarnings(world.rates, lambda *what: warned.append(what))

    async def send(octets):
        t = world.transaction(limits=K)
        await world.mail(policy, t)
        await world.confirm(policy, t, octets, 1)
        await warnings.look(t, await t.hold.settle(octets))

    for octets in (790, 10, 50, 100, 10):
        await send(octets)
    assert warned == [("acme", 80, 800, 1000), ("acme", 95, 950, 1000)]
    world.now += DAY
    await send(960)
    assert warned[2:] == [("acme", 95, 960, 1000)]


# ---- rates and recipients -----------------------------------------------------------------------

RATES = Limits(
    rates=(Rate("messages", 3, HOUR), Rate("messages", 2, 60), Rate("recipients", 4, DAY))
)


async def test_starter_speed_is_a_number_of_messages_in_any_hour(world):
    """At the starter speed the message over it waits until the time named."""
    policy = RatePolicy(world.rates, world.blocks)
    t = world.transaction(state=TenantState.STARTER)
    assert [tag(await world.mail(policy, t)) for _ in range(3)] == ["", "", "RATE"]
    verdict = await world.mail(policy, t)
    assert verdict.reply.text == (
        "2 of 2 messages per hour are used; free again at 2027-01-15 08:59:55 UTC"
    )
    world.now += 3595
    assert tag(await world.mail(policy, t)) == ""


async def test_all_windows_count_at_once_and_the_short_one_spares_the_long(world):
    """What the minute refuses does not use up the hour."""
    policy, t = RatePolicy(world.rates, world.blocks), world.transaction(limits=RATES)
    assert tags([await world.mail(policy, t) for _ in range(5)]) == ["", "", "RATE", "RATE", "RATE"]
    world.now += 60
    verdicts = [await world.mail(policy, t) for _ in range(2)]
    assert tags(verdicts) == ["", "RATE"]
    assert "3 of 3 messages per hour are used" in verdicts[1].reply.text


async def test_recipients_are_counted_one_by_one(world):
    """Of a group as many pass as the window has room for."""
    policy, t = RatePolicy(world.rates, world.blocks), world.transaction(limits=RATES)
    assert tags(await world.rcpt(policy, t, 6)) == ["", "", "", "", "RATE", "RATE"]


async def test_a_stream_with_rates_of_its_own_is_counted_by_itself(world):
    """Its messages do not use up the tenant's, nor theirs its."""
    policy = RatePolicy(world.rates, world.blocks)
    shared = world.transaction(limits=RATES)
    own = world.transaction(limits=Limits(rates=(Rate("messages", 1, 60),)), tenant_limits=RATES)
    assert tags([await world.mail(policy, t) for t in (own, own, shared)]) == ["", "RATE", ""]


async def test_what_a_longer_window_refuses_names_that_window(world):
    """Each refused recipient hears of the first window that had no room for it."""
    rates = Limits(rates=(Rate("recipients", 4, 60), Rate("recipients", 2, HOUR)))
    policy, t = RatePolicy(world.rates, world.blocks), world.transaction(limits=rates)
    verdicts = await world.rcpt(policy, t, 6)
    assert tags(verdicts) == ["", "", "RATE", "RATE", "RATE", "RATE"]
    windows = [verdict.inputs["seconds"] for verdict in verdicts[2:]]
    assert windows == [HOUR, HOUR, 60, 60]


async def test_who_had_too_many_recipients_refused_waits(world):
    """At the limit MAIL is refused until the first of them are an hour old."""
    policy, t = ProbingPolicy(3), world.transaction()
    await world.rates.add(refused_recipients("acme"), 2, HOUR)
    assert tag(await world.mail(policy, t)) == ""
    world.now += 600
    await world.rates.add(refused_recipients("acme"), 1, HOUR)
    verdict = await world.mail(policy, t)
    assert verdict.reply.text == (
        "3 of 3 refused recipients per hour are used; free again at 2027-01-15 08:59:55 UTC"
    )
    world.now += 3000
    assert tag(await world.mail(policy, t)) == ""


@pytest.mark.parametrize(
    ("before", "asked", "passing"), [(0, 100, 100), (0, 101, 100), (99, 2, 1), (100, 3, 0)]
)
def test_from_the_101st_on_recipients_are_deferred_and_the_first_stand(
    world, before, asked, passing
):
    """Those there is room for pass, each further one gets 452."""
    t = world.transaction()
    t.recipients = world.recipients(before)
    verdicts = RecipientsPolicy().at_rcpt(t, world.recipients(asked))
    assert tags(verdicts) == [""] * passing + ["RCPT-LIMIT"] * (asked - passing)
    assert all(verdict.reply.code == 452 for verdict in verdicts[passing:])


async def test_on_probation_a_share_of_the_usual_volume_passes(world):
    """A quarter of the mean day of the last 30; the next recipient hears when there is room."""
    policy, t = RatePolicy(world.rates, world.blocks), world.transaction()
    world.blocks.volume = 25
    await world.rates.add("delivered:acme", 30 * 400, MONTH)
    verdicts = await world.rcpt(policy, t, 101)
    assert [tag(verdict) for verdict in verdicts] == [""] * 100 + ["RATE"]
    assert "100 recipients" in verdicts[-1].reply.text


async def test_probation_never_locks_a_tenant_out_for_having_been_blocked(world):
    """With nothing delivered of late the starter speed is what counts as usual."""
    policy, t = RatePolicy(world.rates, world.blocks), world.transaction()
    world.blocks.volume = 25
    verdicts = await world.rcpt(policy, t, 13)
    assert [tag(verdict) for verdict in verdicts] == [""] * 12 + ["RATE"]
