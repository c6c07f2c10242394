"""What the data path remembers: the ledger's entries, windows, mailings, numbers of streams."""

from dataclasses import replace

from gateway.ledger.entry import Entry
from gateway.records.database import Database
from gateway.records.ledger import SqliteLedgerStore
from gateway.records.streams import find_stream, numbering
from gateway.records.windows import WindowRecords
from gateway.relay.outcome import HopReply, State, Trouble
from gateway.state.mailings import LONGEST, Mailing
from gateway.state.table import Bucket
from tests.contract.records.places import again

from .conftest import NOW


async def test_ledger_entries_are_kept_replaced_ended_and_purged(database: Database) -> None:
    """What is saved is found again whole, by any process, until it is ended or too old."""
    store = SqliteLedgerStore(database)
    words = HopReply(451, "4.4.1", "gone", Trouble.BROKE_OFF)
    one = Entry(b"1" * 16, State.REFUSED, "r1", NOW, HopReply(550, "5.1.1", "no such user"))
    two = Entry(b"2" * 16, State.UNKNOWN, "r1", NOW + 10, words)
    three = Entry(b"3" * 16, State.TAKEN, "r2", NOW)
    await store.save([one, two, three])
    await store.save([replace(three, ref="r3")])
    assert set(await store.load()) == {one.key, two.key, three.key}
    found = {entry.key: entry for entry in await store.find([one.key, two.key, three.key, b"4"])}
    assert found == {one.key: one, two.key: two, three.key: replace(three, ref="r3")}
    await store.end([three.key, b"unknown"])
    assert await store.purge(NOW + 10) == 1
    assert list(await store.load()) == [two.key]


async def test_a_checkpoint_is_restored_as_it_was_saved(database: Database) -> None:
    """The newest amount of each bucket counts; what is long over is dropped."""
    records = WindowRecords(database, lambda: NOW)
    day, start = 86_400, int(NOW)
    old = Bucket("bytes:acme", day, start - 3 * day, 5)
    mailing = Mailing("acme/weekly", "m1", NOW, NOW)
    over = Mailing("acme/daily", "m0", NOW - 2 * LONGEST, NOW - LONGEST)
    await records.save([old, Bucket("bytes:acme", day, start, 5)], [mailing, over])
    await records.save([Bucket("bytes:acme", day, start, 8)], [])
    assert await WindowRecords(database).load() == (
        [Bucket("bytes:acme", day, start, 8)],
        [mailing],
    )


def test_stream_numbers_are_stable(database: Database) -> None:
    """A number given once names its stream for ever, in every process."""
    number = numbering(database)
    weekly, daily = number("acme", "weekly"), number("acme", "daily")
    assert weekly != daily
    other = again(database)
    assert numbering(other)("acme", "weekly") == weekly
    with other.reading() as connection:
        assert find_stream(connection, weekly) == ("acme", "weekly")
        assert find_stream(connection, 999) is None
    other.close()
