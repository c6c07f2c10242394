"""The ledger: what a retry sends, waits for and skips; what is kept and what is released."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.errors import JournalUnwritable, StoreUnavailable
from gateway.ledger.entry import Entry, entry_keys
from gateway.ledger.intents import Intents
from gateway.ledger.ledger import Ledger
from gateway.ledger.plan import Plan, Step, TooLate
from gateway.relay.outcome import HopReply, Outcome, State

OK = Outcome(State.TAKEN, HopReply(250, "2.0.0", "ok"))
NO = Outcome(State.REFUSED, HopReply(550, "5.1.1", "no such user"))
LATER = Outcome(State.DEFERRED, HopReply(450, "4.2.0", "later"))
SILENT = Outcome(State.UNKNOWN, HopReply(451, "", "silent"))


class MemoryStore:
    """A durable store in a dictionary, which counts what it is asked and can be away."""

    def __init__(self) -> None:
        self.entries: dict[bytes, Entry] = {}
        self.asked = 0
        self.is_away = False

    def _ask(self) -> None:
        self.asked += 1
        if self.is_away:
            raise StoreUnavailable("away")

    async def load(self) -> Iterable[bytes]:
        return list(self.entries)

    async def find(self, keys: Sequence[bytes]) -> Sequence[Entry]:
        self._ask()
        await asyncio.sleep(0)
        return [self.entries[key] for key in keys if key in self.entries]

    async def save(self, entries: Sequence[Entry]) -> None:
        self._ask()
        await asyncio.sleep(0)
        self.entries.update({entry.key: entry for entry in entries})

    async def end(self, keys: Sequence[bytes]) -> None:
        self._ask()
        for key in keys:
            self.entries.pop(key, None)

    async def purge(self, before: float) -> int:
        old = [entry.key for entry in self.entries.values() if entry.at < before]
        await self.end(old)
        return len(old)


class World:
    """A ledger with its store and folder; `restart` is what `kill -9` and a new start leave."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = MemoryStore()
        self.now = 1_000_000.0
        self.tries = 0
        self.ledger = self.make()

    def make(self) -> Ledger:
        return Ledger(self.store, Intents(self.folder), lambda: self.now)

    async def restart(self) -> int:
        self.ledger = self.make()
        return await self.ledger.open()

    async def plan(self, *recipients: str, wait: float = 0.0) -> Plan:
        self.tries += 1
        return await self.ledger.plan(
            f"ref{self.tries}", "acme/weekly", "a@acme.example", b"d" * 32, recipients, wait
        )

    async def attempt(self, recipients: Sequence[str], outcomes: Sequence[Outcome]) -> Plan:
        """Plan, and send the copies that are due, which turn out as told; not ended."""
        plan = await self.plan(*recipients)
        for index in plan.to_send():
            with plan.flight([index]) as flight:
                flight.before_dot()
                flight.record([outcomes[index]])
        return plan


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def states(plan: Plan) -> list[State]:
    return [outcome.state for outcome in plan.outcomes()]


def test_the_key_tells_everything_apart() -> None:
    """Stream, sender, message and recipient each make another entry; spelling counts."""
    base = ("acme/weekly", "a@x.example", b"d" * 32, ["r@y.example"])
    others = [
        ("acme/other", *base[1:]),
        (base[0], "", *base[2:]),
        (*base[:2], b"e" * 32, base[3]),
        (*base[:3], ["R@y.example"]),
    ]
    keys = {entry_keys(*case)[0] for case in (base, *others)}
    assert len(keys) == 5
    assert {len(key) for key in keys} == {16}


async def test_a_plain_success_asks_no_store_and_leaves_nothing(world: World) -> None:
    """Taken, answered, seen: no SQL, no memory, and the same bytes again are a new mail."""
    for _ in range(2):
        plan = await world.attempt(["r", "s"], [OK, OK])
        assert states(plan) == [State.TAKEN, State.TAKEN]
        plan.seen()
    await world.ledger.persist()
    assert (world.store.asked, world.ledger.owners) == (0, {})
    assert await world.restart() == 0


async def test_a_retry_sends_only_what_is_missing(world: World) -> None:
    """Taken and refused are skipped with their words, unknown is flagged, deferred goes again."""
    outcomes = [OK, NO, SILENT, LATER]
    plan = await world.attempt("trud", outcomes)
    plan.unseen()
    for settle in (world.ledger.persist, world.restart, world.ledger.persist):
        retry = await world.plan(*"trud")
        assert retry.steps == [Step.SKIP, Step.SKIP, Step.SEND_AGAIN, Step.SEND]
        assert retry.outcomes()[1].reply == NO.reply
        retry.unseen()
        await settle()


async def test_a_retry_that_succeeds_ends_the_entries(world: World) -> None:
    """Once the retry's 250 was seen, the store holds nothing of it."""
    (await world.attempt("tu", [OK, SILENT])).unseen()
    await world.ledger.persist()
    assert len(world.store.entries) == 2
    (await world.attempt("tu", [OK, OK])).seen()
    await world.ledger.persist()
    assert world.store.entries == {}
    assert (await world.plan(*"tu")).steps == [Step.SEND, Step.SEND]


async def test_a_250_that_was_not_seen_is_remembered(world: World) -> None:
    """The connection ended after the 250: a retry sends nothing, now or after a restart."""
    (await world.attempt("r", [OK])).unseen()
    retry = await world.plan("r")
    assert (retry.steps, states(retry)) == ([Step.SKIP], [State.TAKEN])
    retry.unseen()
    await world.ledger.persist()
    await world.restart()
    assert (await world.plan("r")).steps == [Step.SKIP]


async def test_a_250_given_is_known_before_it_is_seen(world: World) -> None:
    """A retry on another connection skips what was taken, whatever the first one hears later."""
    first = await world.attempt("r", [OK])
    retry = await world.plan("r")
    assert retry.steps == [Step.SKIP]
    first.seen()
    retry.unseen()
    assert (await world.plan("r")).steps == [Step.SKIP]


async def test_an_unknown_copy_stays_unknown_when_its_retry_was_put_off(world: World) -> None:
    """A deferral of the second copy says nothing about the first."""
    (await world.attempt("r", [SILENT])).unseen()
    (await world.attempt("r", [LATER])).unseen()
    assert (await world.plan("r")).steps == [Step.SEND_AGAIN]


async def test_a_retry_waits_for_a_copy_in_flight(world: World) -> None:
    """It waits until the copy's outcome is there and then goes by it."""
    first = await world.plan("r")
    with first.flight([0]) as flight:
        flight.before_dot()
        waiting = asyncio.create_task(world.plan("r", wait=60.0))
        await asyncio.sleep(0)
        assert not waiting.done()
        flight.record([OK])
    assert (await waiting).steps == [Step.SKIP]


async def test_waiting_is_bounded(world: World) -> None:
    """What is still in flight at the end is left alone and counts as in flight."""
    first = await world.plan("r")
    with first.flight([0]) as flight:
        flight.before_dot()
        retry = await world.plan("r", "s")
        assert retry.steps == [Step.LEAVE, Step.SEND]
        assert states(retry) == [State.IN_FLIGHT, State.DEFERRED]
        flight.record([OK])


async def test_a_late_outcome_corrects_the_ledger(world: World) -> None:
    """The customer was told 451 while the next hop was silent; its late 250 still counts."""
    plan = await world.plan("r", "s")
    with plan.flight([0]) as flight:
        flight.before_dot()
        plan.unseen()
        assert (await world.plan("r")).steps == [Step.LEAVE]
        flight.record([OK])
    retry = await world.plan("r", "s")
    assert retry.steps == [Step.SKIP, Step.SEND]


async def test_no_copy_goes_out_after_the_customer_was_told_to_retry(world: World) -> None:
    """Past the end a dot is stopped, so that the retry may send at once."""
    plan = await world.plan("r")
    with plan.flight([0]) as flight:
        plan.unseen()
        with pytest.raises(TooLate):
            flight.before_dot()
    assert (await world.plan("r")).steps == [Step.SEND]


async def test_a_relay_that_breaks_down_leaves_the_copy_unknown(world: World) -> None:
    """A copy without an outcome is never free to be sent unflagged, nor stuck in flight."""
    plan = await world.plan("r", "s")
    with suppress(RuntimeError), plan.flight([0]) as flight:
        flight.before_dot()
        raise RuntimeError("a fault of ours")
    with suppress(RuntimeError), plan.flight([1]):
        raise RuntimeError("before the dot")
    plan.unseen()
    assert (await world.plan("r", "s")).steps == [Step.SEND_AGAIN, Step.SEND]


async def test_a_recipient_named_twice_gets_one_copy(world: World) -> None:
    """The second mention is skipped and shares the first one's outcome."""
    plan = await world.attempt(["r", "r"], [OK, OK])
    assert plan.steps == [Step.SEND, Step.SKIP]
    assert states(plan) == [State.TAKEN, State.TAKEN]


async def test_a_refusal_is_bounced_once(world: World) -> None:
    """After the DSN was taken a retry counts the refused recipient as done."""
    plan = await world.attempt("tr", [OK, NO])
    plan.bounced()
    plan.unseen()
    for settle in (world.ledger.persist, world.restart):
        retry = await world.plan(*"tr")
        assert states(retry) == [State.TAKEN, State.TAKEN]
        retry.unseen()
        await settle()


async def test_a_store_that_is_away_stops_only_what_needs_it(world: World) -> None:
    """A retry cannot be checked without the store; new mail can, and nothing is forgotten."""
    (await world.attempt("t", [OK])).unseen()
    await world.ledger.persist()
    world.store.is_away = True
    with pytest.raises(StoreUnavailable):
        await world.plan("t")
    (await world.attempt("n", [OK])).unseen()
    with pytest.raises(StoreUnavailable):
        await world.ledger.persist()
    assert (await world.plan("n")).steps == [Step.SKIP]
    world.store.is_away = False
    await world.restart()
    assert (await world.plan("t", "n")).steps == [Step.SKIP, Step.SKIP]


async def test_an_intent_that_cannot_be_written_stops_the_dot(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy stays unsent and free, and the plan says why."""

    def refuse(_ref: str, _keys: Sequence[bytes]) -> None:
        raise JournalUnwritable("disk full")

    plan = await world.plan("r")
    with monkeypatch.context() as patch, plan.flight([0]) as flight:
        patch.setattr(world.ledger.intents, "intend", refuse)
        with pytest.raises(JournalUnwritable):
            flight.before_dot()
    assert plan.is_unwritable
    plan.unseen()
    assert (await world.plan("r")).steps == [Step.SEND]


async def test_with_fsync_the_intent_is_safe_before_the_copy_starts(tmp_path: Path) -> None:
    """`ready` writes and flushes it; `before_dot` then only checks the time."""
    store = MemoryStore()
    ledger = Ledger(store, Intents(tmp_path, fsync=True), lambda: 0.0)
    plan = await ledger.plan("ref1", "acme/weekly", "", b"d" * 32, ["r"], 0.0)
    with plan.flight([0]) as flight:
        await flight.ready()
        assert len(Intents(tmp_path).replay()) == 1
        flight.before_dot()
        flight.record([OK])
    assert len(Intents(tmp_path).replay()) == 1


async def test_old_entries_are_purged(world: World) -> None:
    """After five days a retry is a new mail."""
    (await world.attempt("r", [OK])).unseen()
    await world.ledger.persist()
    world.now += 5 * 86_400 + 1
    await world.ledger.purge()
    assert (await world.plan("r")).steps == [Step.SEND]


async def test_what_changes_while_it_is_saved_is_saved_again(world: World) -> None:
    """An entry that ended during its own commit does not outlive it."""
    (await world.attempt("r", [SILENT])).unseen()
    saving = asyncio.create_task(world.ledger.persist())
    await asyncio.sleep(0)
    (await world.attempt("r", [OK])).seen()
    await saving
    await world.ledger.persist()
    asked = world.store.asked
    assert world.store.entries == {}
    assert (await world.plan("r")).steps == [Step.SEND]
    assert world.store.asked == asked
