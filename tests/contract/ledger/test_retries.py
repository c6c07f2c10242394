"""A customer's retry at another worker: what it sends, waits for and skips."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable
from gateway.ledger.intents import Intents
from gateway.ledger.ledger import Ledger
from gateway.ledger.plan import Plan, Step
from gateway.relay.outcome import Outcome, State
from gateway.state.redis.flights import ALIVE, RedisFlights
from gateway.state.redis.keys import SHARDS
from tests.contract.ledger.house import House
from tests.servers.redis import RedisServer
from tests.unit.ledger.test_ledger import LATER, OK, SILENT, MemoryStore

SEND, AGAIN, SKIP, LEAVE = Step.SEND, Step.SEND_AGAIN, Step.SKIP, Step.LEAVE


class Worker:
    """One worker's ledger; `again` is what `kill -9` and a new start leave of it."""

    def __init__(self, house: House, store: MemoryStore, folder: Path, name: int) -> None:
        self.house, self.store, self.folder, self.name = house, store, folder / str(name), name
        self.ledger: Ledger
        self.flights: RedisFlights

    async def again(self) -> Worker:
        self.flights = await self.house.worker(self.name)
        intents = Intents(self.folder)
        self.ledger = Ledger(self.store, intents, lambda: 1_000_000.0, self.flights)
        await self.ledger.open()
        return self

    async def plan(self, recipients: str, wait: float = 0.0) -> Plan:
        self.house.starts += 1
        ref = f"ref{self.house.starts}"
        return await self.ledger.plan(ref, "acme/weekly", "", b"d" * 32, recipients, wait)

    async def attempt(self, recipients: str, outcomes: Sequence[Outcome]) -> Plan:
        """Plan, and send the copies that are due, which turn out as told; not ended."""
        plan = await self.plan(recipients)
        for index in plan.to_send():
            with plan.flight([index]) as flight:
                flight.before_dot()
                flight.record([outcomes[index]])
        return plan

    async def steps(self, recipients: str) -> list[Step]:
        """What a try would do, without doing it."""
        plan = await self.plan(recipients)
        plan.unseen()
        await self.ledger.persist()
        return plan.steps

    async def seen(self, plan: Plan) -> None:
        plan.seen()
        await self.ledger.persist()

    async def unseen(self, plan: Plan) -> None:
        plan.unseen()
        await self.ledger.persist()


@pytest.fixture
async def house(redis_server: RedisServer) -> AsyncIterator[House]:
    made = House(redis_server)
    yield made
    await made.aclose()


@pytest.fixture
async def one(house: House, tmp_path: Path) -> Worker:
    store = MemoryStore()
    house.load = store.load  # type: ignore[method-assign]
    return await Worker(house, store, tmp_path, 1).again()


@pytest.fixture
async def two(one: Worker) -> Worker:
    return await Worker(one.house, one.store, one.folder.parent, 2).again()


async def test_a_retry_elsewhere_sends_only_what_is_missing(one: Worker, two: Worker) -> None:
    """What the records have counts at every worker; what is over is a new mail at every worker."""
    await one.unseen(await one.attempt("tud", [OK, SILENT, LATER]))
    assert await two.steps("tud") == [SKIP, AGAIN, SEND]
    assert await one.steps("tud") == [SKIP, AGAIN, SEND]
    await two.seen(await two.attempt("tud", [OK, OK, OK]))
    for worker in (one, two):
        assert await worker.steps("tud") == [SEND, SEND, SEND]
    assert one.store.entries == {}
    assert one.flights.held == two.flights.held == 0


async def test_a_retry_waits_for_a_copy_in_flight_elsewhere(one: Worker, two: Worker) -> None:
    """It goes by what becomes of it, or leaves it alone when that takes too long."""
    first = await one.plan("r")
    with first.flight([0]) as flight:
        flight.before_dot()
        retry = await two.plan("rs")
        assert retry.steps == [LEAVE, SEND]
        assert [outcome.state for outcome in retry.outcomes()] == [State.IN_FLIGHT, State.DEFERRED]
        await two.unseen(retry)
        waiting = asyncio.create_task(two.plan("r", wait=60.0))
        await one.ledger.persist()
        assert not waiting.done()
        flight.record([OK])
    await one.unseen(first)
    assert (await waiting).steps == [SKIP]


async def test_a_copy_of_the_dead_is_sent_again_flagged(one: Worker, two: Worker) -> None:
    """Also when the retry was put off, and when the dead one comes back later."""
    first = await one.plan("r")
    first.flight([0]).__enter__().before_dot()
    one.house.bury(1)
    assert await two.steps("r") == [AGAIN]
    await two.unseen(await two.attempt("r", [LATER]))
    assert await two.steps("r") == [AGAIN]
    await one.again()
    assert await one.steps("r") == [AGAIN]


async def test_who_comes_back_tells_what_it_knew(one: Worker, two: Worker) -> None:
    """What the next hop took before the worker was killed is skipped everywhere."""
    await one.attempt("r", [OK])
    one.ledger.intents.flush()
    await one.again()
    assert await two.steps("r") == [SKIP]


async def test_what_another_brought_to_an_end_stays_over(one: Worker, two: Worker) -> None:
    """The killed worker's copy was sent again elsewhere and seen: the same bytes are a new mail."""
    await one.attempt("r", [OK])
    one.ledger.intents.flush()
    one.house.bury(1)
    retry = await two.attempt("r", [OK])
    assert retry.steps == [AGAIN]
    await two.seen(retry)
    await one.again()
    for worker in (one, two):
        assert await worker.steps("r") == [SEND]


async def test_a_worker_that_was_away_marks_what_redis_has_lost(one: Worker, two: Worker) -> None:
    """It died, Redis lost all, the others marked what the records have; then it came back."""
    first = await one.plan("r")
    first.flight([0]).__enter__().before_dot()
    one.house.server.ask("FLUSHALL")
    await two.house.beat(two.flights)
    await one.again()
    assert await two.steps("r") == [AGAIN]


async def test_redis_that_is_away_stops_a_message_before_any_dot(one: Worker) -> None:
    """Nothing is owned afterwards, so the next try is as if this had not been."""
    one.house.calls[1].is_deaf = True
    with pytest.raises(StoreUnavailable):
        await one.plan("r")
    one.house.calls[1].is_deaf = False
    assert one.ledger.owners == {}
    assert await one.steps("r") == [SEND]


async def test_records_that_are_away_keep_what_is_unknown(one: Worker, two: Worker) -> None:
    """A copy of the dead is not forgotten by a retry that could not ask for it."""
    first = await one.plan("r")
    first.flight([0]).__enter__().before_dot()
    one.house.bury(1)
    one.store.is_away = True
    with pytest.raises(StoreUnavailable):
        await two.plan("r")
    await two.ledger.persist()
    one.store.is_away = False
    assert await two.steps("r") == [AGAIN]


@pytest.mark.parametrize(("outcome", "then"), [(OK, SKIP), (SILENT, AGAIN), (None, SEND)])
async def test_nothing_is_let_go_before_the_records_are_right(
    one: Worker, two: Worker, outcome: Outcome | None, then: Step
) -> None:
    """Others wait until an outcome is saved, or an entry that is over (None) is deleted."""
    await one.unseen(await one.attempt("r", [SILENT]))
    plan = await one.attempt("r", [outcome or OK])
    plan.unseen() if outcome else plan.seen()
    one.store.is_away = True
    with pytest.raises(StoreUnavailable):
        await one.ledger.persist()
    assert await two.steps("r") == [LEAVE]
    one.store.is_away = False
    await one.ledger.persist()
    assert await two.steps("r") == [then]


async def test_a_worker_taken_for_dead_stops_before_the_dot(one: Worker) -> None:
    """Another may be sending the same copy by then."""
    plan = await one.plan("r")
    one.house.now += ALIVE
    with plan.flight([0]) as flight, pytest.raises(StoreUnavailable):
        flight.before_dot()
    assert [outcome.state for outcome in plan.outcomes()] == [State.DEFERRED]
    await one.unseen(plan)
    await one.house.beat(one.flights)
    assert await one.steps("r") == [SEND]


async def test_every_shard_is_let_go(one: Worker, two: Worker) -> None:
    """A message with many recipients leaves nothing in any slot."""
    many = "".join(chr(ord("a") + n) for n in range(26))
    await one.seen(await one.attempt(many, [OK] * len(many)))
    assert await two.steps(many) == [SEND] * len(many)
    with one.house.server.client() as client:
        for shard in range(SHARDS):
            fields = client.hkeys(one.house.keys.flights(shard))
            assert not [field for field in fields if field.startswith(b"=")]
