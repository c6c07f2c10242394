"""The index passes the contract of look-ups, and answers by itself only where it may."""

from gateway.records.codes import encode
from gateway.records.receipts import begin, clear
from suppression.standing import Reason, Stops
from tests.contract.index.world import NOW, World
from tests.contract.records.test_standings import (  # noqa: F401 - collected here again
    put,
    test_a_group_larger_than_one_statement,
    test_a_lifted_entry_does_not_count,
    test_a_protected_domain_covers_its_addresses_and_subdomains,
    test_a_scope_reaches_no_further,
    test_an_entry_past_its_end_does_not_count,
    test_an_unsubscribed_tag_leaves_the_plain_address_and_protection_covers_both,
    test_each_of_a_group_gets_its_own_standing,
    test_the_web_write_is_seen_by_the_next_look_up,
)


async def test_who_is_free_or_has_only_agreed_is_answered_by_the_index(world: World) -> None:
    """The records are not asked about most recipients."""
    world.attest("a@x.example", "b@x.example")
    found = await world.ask("a@x.example", "c@x.example", "b@x.example")
    assert [one.consent for one in found] == [1, 0, 1]
    assert all(one.has_attested for one in found)
    assert found[0].key == world.key("a@x.example")
    assert (world.counted.by_index, world.counted.by_records) == (3, 0)


async def test_what_stops_is_confirmed_in_the_records(world: World) -> None:
    """Nobody is refused by a shortened key; with the entry's number, which only records have."""
    entry = world.put("a@x.example")
    found = await world.ask("a@x.example", "b@x.example")
    assert [[match.entry for match in one.matches] for one in found] == [[entry], []]
    assert (world.counted.by_index, world.counted.by_records) == (1, 1)


async def test_a_hit_that_the_records_do_not_have_stops_nobody(world: World) -> None:
    """Two keys may be one in the index: then it only asks once too often."""
    code = encode(Reason.PROTECTED, Stops.EVERYTHING)
    world.forge("a@x.example", [(0, code)])
    assert not await world.is_stopped("a@x.example")
    assert world.counted.by_records == 1


async def test_what_a_pre_check_cleared_is_asked_of_the_records(world: World) -> None:
    """Its end is in the records only."""
    with world.database.transaction() as connection:
        receipt = begin(connection, "acme/weekly", 2, "ann", NOW)
        clear(connection, receipt, [], [world.key("a@x.example")])
    (standing,) = await world.ask("a@x.example")
    assert standing.is_cleared
    assert world.counted.by_records == 1


async def test_more_rows_than_a_value_holds_are_asked_of_the_records(world: World) -> None:
    """An address that many tenants suppress has a value of its own kind."""
    for number in range(15):
        world.put("a@x.example", scope=f"tenant{number}")
    assert not await world.is_stopped("a@x.example")
    world.put("a@x.example")
    assert await world.is_stopped("a@x.example")
    assert world.counted.by_records == 2


async def test_hashed_lists_are_met_by_the_next_look_up(world: World) -> None:
    """The first one of its kind makes the worker ask for digests' keys, too."""
    assert not await world.is_stopped("jan@x.example")
    world.import_digests("jan@x.example")
    assert await world.is_stopped("jan@x.example")
    assert not await world.is_stopped("ann@x.example")
    assert world.counted.by_index == 2


async def test_the_index_is_asked_again_once_it_has_a_new_generation(world: World) -> None:
    """A rebuild costs each shard one look-up that the records answer."""
    world.put("a@x.example")
    world.build()
    names = [f"u{n}@d{n}.example" for n in range(100)]
    assert not any(one.matches for one in await world.ask(*names))
    assert world.counted.by_records == 100
    assert not any(one.matches for one in await world.ask(*names))
    assert world.counted.by_records == 100
    assert await world.is_stopped("a@x.example")
