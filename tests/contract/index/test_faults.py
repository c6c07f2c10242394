"""Whatever becomes of the index, it never reads as "nobody is suppressed", and it is mended.

Each fault is done to a real Redis behind the worker's back; the look-up that follows must find who
is suppressed, and one round of the jobs' work must leave an index that says what the records say.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import insert, select

from gateway.errors import StoreUnavailable
from gateway.message.address import parse_mailbox
from gateway.records import feed
from gateway.records.index_check import State
from gateway.records.index_keeper import KEEP, IndexKeeper
from gateway.records.suppressions import suppress
from gateway.records.tables import meta
from gateway.state.redis.index import BUILDING, OLD
from gateway.state.redis.index_layout import shard_of
from gateway.state.redis.keys import SHARDS
from suppression.standing import Reason
from tests.contract.index.world import NOW, World

EARLY, LATE, FREE = "early@x.example", "late@y.example", "free@z.example"


@pytest.fixture
def keeper(world: World) -> IndexKeeper:
    """What looks after the index."""
    return IndexKeeper(world.database, world.publisher, has_index=True)


def flushed(world: World, _before: dict[bytes, bytes]) -> None:
    """Everything is gone."""
    world.restore({})


def heads_lost(world: World, _before: dict[bytes, bytes]) -> None:
    """Buckets without heads: somebody deleted what looked small."""
    world.restore({key: data for key, data in world.saved().items() if not key.endswith(b":head")})


def bucket_lost(world: World, _before: dict[bytes, bytes]) -> None:
    """One bucket was evicted, the head stands."""
    world.delete(world.bucket_of(LATE))


def writes_lost(world: World, before: dict[bytes, bytes]) -> None:
    """A replica took over that lacks the last change."""
    world.restore(before)


def half_built(world: World, _before: dict[bytes, bytes]) -> None:
    """A build was broken off after its first slice, and there is no other."""
    heads = world.heads()
    world.restore({})
    head = heads[0]
    assert head is not None
    world.publisher.ask(world.publisher.redis.begin, head)
    value = world.value(EARLY)
    world.publisher.ask(world.publisher.redis.fill, head, [(world.key(EARLY), value)])


def other_log(world: World, before: dict[bytes, bytes]) -> None:
    """The records were derived anew: what the index followed is not their log, which has come
    less far, and lacks what came between."""
    publisher, world.database.publisher = world.database.publisher, None
    with world.database.transaction() as connection:
        feed.disable(connection)
    world.restore(before)  # without the last change
    with world.database.transaction() as connection:
        feed.enable(connection)
    world.database.publisher = publisher


def other_generation(world: World, before: dict[bytes, bytes]) -> None:
    """An older copy came back whose buckets belong to a generation before the last build."""
    world.build()
    world.restore(before)


FAULTS = [
    flushed, heads_lost, bucket_lost, writes_lost, half_built, other_log, other_generation
]  # fmt: skip


@pytest.mark.parametrize("records_in", ["sqlite"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_nobody_suppressed_is_ever_free(
    world: World, keeper: IndexKeeper, fault: Callable[[World, dict[bytes, bytes]], None]
) -> None:
    """Before and after the keeper's round; then the index answers by itself again."""
    world.put(EARLY)
    before = world.saved()
    world.put(LATE)
    assert await world.is_stopped(LATE)
    fault(world, before)
    for text, is_stopped in ((LATE, True), (EARLY, True), (FREE, False)):
        assert await world.is_stopped(text) is is_stopped
    keeper.follow()
    shards = {shard_of(world.key(text)) for text in (EARLY, LATE)}
    assert {world.check_one(shard).state for shard in shards} == {State.PROVEN}
    assert await world.is_stopped(LATE)
    assert await world.is_stopped(EARLY)
    await world.ask(FREE)
    world.counted.by_index = 0
    assert not await world.is_stopped(FREE)
    assert world.counted.by_index == 1


@pytest.mark.parametrize("records_in", ["sqlite"])
async def test_a_shard_takes_only_what_leads_on_from_where_it_stands(world: World) -> None:
    """A change that is not the next, or an old one that comes late, changes nothing."""
    world.put(EARLY)
    key = world.key(EARLY)
    shard = shard_of(key)
    head = world.heads()[shard]
    assert head is not None
    apply = world.publisher.redis.apply
    for stands, to, known in ((head.n + 1, head.n + 2, head.n), (head.n - 1, head.n, head.n)):
        ahead = replace(head, n=stands)
        assert world.publisher.ask(apply, shard, ahead, to, b"late", {key: b""}) == known
    other = replace(head, generation="other")
    assert world.publisher.ask(apply, shard, other, head.n + 1, b"late", {key: b""}) == -1
    assert world.heads()[shard] == head
    assert await world.is_stopped(EARLY)
    assert world.check_one(shard).mended == 0
    assert world.publisher.ask(apply, shard, head, head.n + 1, b"next", {key: b""}) == head.n + 1
    assert world.heads()[shard] == replace(head, n=head.n + 1, key=b"next")


async def test_a_worker_that_knows_more_than_the_index_asks_the_records(world: World) -> None:
    """A change that Redis could not take is in force all the same, and is not acknowledged."""
    with world.frozen(), pytest.raises(StoreUnavailable):
        world.put(LATE)
    assert await world.is_stopped(LATE)
    assert not await world.is_stopped(FREE)
    assert world.counted.by_index == 0
    world.put("other@x.example")
    assert {checked.state for checked in world.check()} == {State.PROVEN}


async def test_what_changes_no_entry_needs_no_index(world: World) -> None:
    """While Redis takes nothing, the ledger and cases are recorded all the same."""
    with world.frozen():
        with pytest.raises(StoreUnavailable):
            world.put(LATE)
        with world.database.transaction() as connection:
            connection.execute(insert(meta), {"name": "test:1", "value": "x"})
        await world.database.write(
            lambda c: c.execute(insert(meta), {"name": "test:2", "value": "x"})
        )
    with world.database.reading() as connection:
        assert (
            connection.execute(select(meta.c.value).where(meta.c.name.like("test:%"))).all()
            == [("x",)] * 2
        )


async def test_a_gap_is_replayed_from_the_records(world: World) -> None:
    """Changes that were committed without the index come in with the next one, in any number."""
    publisher, world.database.publisher = world.database.publisher, None
    entries = [world.put(f"u{n}@x.example", Reason.COMPLAINT) for n in range(10)]
    world.lift(entries[0])
    assert await world.is_stopped("u1@x.example")
    assert not await world.is_stopped("u0@x.example")
    world.database.publisher = publisher
    world.put(LATE)
    with world.database.reading() as connection:
        last = feed.head(connection)
    assert {head.n for head in world.heads() if head} == {last}
    assert {checked.state for checked in world.check()} == {State.PROVEN}


@pytest.mark.parametrize("records_in", ["sqlite"])
async def test_a_gap_older_than_the_log_takes_the_shard_out_of_use(
    world: World, keeper: IndexKeeper
) -> None:
    """What no log leads on from is built anew, and until then the records answer."""
    world.put(EARLY)
    before = world.saved()
    world.put(LATE)
    world.put("u@x.example")
    with world.database.transaction() as connection:
        assert feed.purge(connection, 10**9, 10**9)
    world.restore(before)
    world.put("v@x.example")
    assert all(head is None or not head.identity for head in world.heads())
    assert await world.is_stopped(LATE)
    assert keeper.follow() == world.keys()
    assert {checked.state for checked in world.check()} == {State.PROVEN}


@pytest.mark.parametrize("records_in", ["sqlite"])
async def test_records_older_than_the_index_take_it_out_of_use(world: World) -> None:
    """After a restore to an earlier moment the index has changes that the records never made,
    though numbers have caught up since."""
    world.put(EARLY)
    with world.database.reading() as connection:
        n = feed.head(connection)
    world.put(LATE)
    publisher, world.database.publisher = world.database.publisher, None
    world.forget(LATE, n)
    world.put("u@x.example")
    world.put("v@x.example")
    world.database.publisher = publisher
    world.put("w@x.example")
    assert all(head is None or not head.identity for head in world.heads())
    assert await world.is_stopped("u@x.example")


async def test_a_build_takes_in_what_changes_meanwhile(world: World) -> None:
    """Entries that come and go while it reads are as the records have them when it is in use."""
    entries = {n: world.put(f"u{n}@d{n}.example", Reason.COMPLAINT) for n in range(10)}

    def change(_done: int, _of: int) -> None:
        for n in range(0, 10, 2):
            world.lift(entries[n])
            world.put(f"new{n}@d.example")

    world.build(change)
    assert {checked.state for checked in world.check()} == {State.PROVEN}
    assert await world.is_stopped("new0@d.example")
    assert not await world.is_stopped("u0@d0.example")


@pytest.mark.parametrize("records_in", ["sqlite"])
async def test_a_build_is_not_used_while_it_is_behind(world: World) -> None:
    """A shard that has taken a change since waits for the new one to have it, too."""
    world.put(EARLY)
    head = world.heads()[0]
    assert head is not None
    redis, ask = world.publisher.redis, world.publisher.ask
    building = replace(head, generation="aaaaaa")
    ask(redis.begin, building)
    world.put(LATE)
    assert ask(redis.swap, 0, building) == 0
    assert ask(redis.swap, 0, replace(building, generation="bbbbbb")) == -1
    assert [found.generation for found in world.heads() if found] == [head.generation] * 16
    world.publisher.follow(world.database, BUILDING)
    assert ask(redis.swap, 0, building) == 1


async def test_what_is_wrong_is_found_and_mended(world: World, keeper: IndexKeeper) -> None:
    """A missing entry and a changed one by the next check of their shards; one too many by a
    build."""
    for n in range(10):
        world.put(f"u{n}@d{n}.example")
    world.drop_field("u0@d0.example")
    world.forge("u1@d1.example", [(0, 1)])
    assert not await world.is_stopped("u0@d0.example")  # what only a check can find
    shards = {shard_of(world.key(f"u{n}@d{n}.example")) for n in (0, 1)}
    assert sum(world.check_one(shard).mended for shard in shards) == 2
    assert [world.check_one(shard).mended for shard in shards] == [0] * len(shards)
    assert await world.is_stopped("u0@d0.example")
    world.forge("nobody@x.example", [(0, 1)])
    surplus = shard_of(world.key("nobody@x.example"))
    assert world.check_one(surplus).state is State.SURPLUS
    for _ in range(surplus + 1):
        keeper.check()
    assert world.check_one(surplus).state is State.PROVEN


@pytest.mark.parametrize("records_in", ["sqlite"])
async def test_old_generations_are_removed(world: World) -> None:
    """After a build there are as many buckets as before, also of one that was broken off."""
    world.put(EARLY)
    kept = len(world.saved())
    half_built_beside(world)
    world.build()
    assert len(world.saved()) == kept
    assert not [key for key in world.saved() if key.endswith((BUILDING.encode(), OLD.encode()))]


def half_built_beside(world: World) -> None:
    """A build that was broken off while another generation is in use."""
    head = world.heads()[0]
    assert head is not None
    world.publisher.ask(world.publisher.redis.begin, replace(head, generation="aaaaaa"))


@pytest.mark.parametrize("records_in", ["postgresql"])
async def test_an_index_of_a_log_that_began_anew_is_believed_no_more(world: World) -> None:
    """Also by a worker that has not yet looked: what is acknowledged then is in force at once."""
    with world.database.transaction() as connection:
        feed.disable(connection)
        feed.enable(connection)
    world.put(LATE)
    group = [parse_mailbox(LATE)]
    (standing,) = await world.standings.look_up(world.stream, group)
    assert standing.matches


@pytest.mark.parametrize("records_in", ["postgresql"])
async def test_nothing_is_acknowledged_the_second_time_that_was_not_the_first(world: World) -> None:
    """Who repeats an unsubscribe that was on record, but not in the index, hears the same."""

    def unsubscribe() -> None:
        with world.database.transaction() as connection:
            number, key = world.stream.number, world.key(LATE)
            suppress(connection, number, key, Reason.UNSUBSCRIBE, "test", NOW)

    with world.frozen():
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                unsubscribe()
    unsubscribe()
    group = [parse_mailbox(LATE)]
    (standing,) = await world.standings.look_up(world.stream, group)  # it has not looked since
    assert standing.matches


@pytest.mark.parametrize("records_in", ["sqlite"])
async def test_an_index_that_is_switched_off_is_not_built(world: World) -> None:
    """With `redis.index: false` the log of changes goes on for blocks; no job fills Redis."""
    world.restore({})
    keeper = IndexKeeper(world.database, world.publisher, has_index=False)
    keeper.follow()
    keeper.check()
    assert world.heads() == [None] * SHARDS
    assert not any(keeper.shards().values())


@pytest.mark.parametrize("records_in", ["sqlite"])
async def test_the_log_keeps_what_the_index_lacks(world: World) -> None:
    """Changes are forgotten ten minutes after every shard has them, and not before."""
    now = [0.0]
    keeper = IndexKeeper(world.database, world.publisher, True, monotonic=lambda: now[0])
    for n in range(5):
        world.put(f"u{n}@x.example")
    assert keeper.purge() == 0
    now[0] = KEEP - 1
    assert keeper.purge() == 0
    now[0] = KEEP
    with world.database.reading() as connection:
        last = feed.head(connection)
    assert keeper.purge() > 0
    with world.database.reading() as connection:
        assert feed.head(connection) == last
        assert feed.key_at(connection, last - 1) is None
    world.put(LATE)
    assert {checked.state for checked in world.check()} == {State.PROVEN}


@pytest.mark.parametrize("records_in", ["postgresql"])
async def test_a_worker_does_not_believe_a_server_that_has_just_taken_over(world: World) -> None:
    """Between a new connection and the next look at the records, the records answer."""
    world.counted.by_index = 0
    await world.reconnect()
    group = [parse_mailbox(FREE)]
    await world.standings.look_up(world.stream, group)
    assert world.counted.by_index == 0
    await world.ask(FREE)
    assert world.counted.by_index == 1
