"""Facts, cases and blocks; the ledger's entries, windows and stream numbers."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from gateway.errors import StoreUnavailable
from gateway.ledger.entry import Entry
from gateway.records.blocks import BlockList, add_block, case_number, lift_block, list_blocks
from gateway.records.cases import CaseBook, list_cases
from gateway.records.database import Database, open_database
from gateway.records.ledger import SqliteLedgerStore
from gateway.records.streams import find_stream, numbering
from gateway.records.tables import cases
from gateway.records.windows import WindowRecords
from gateway.relay.outcome import HopReply, State, Trouble
from gateway.state.mailings import LONGEST, Mailing
from gateway.state.table import Bucket
from policies.blocking import Fact, FactKind
from policies.ports import Block

from .conftest import NOW

FACT = Fact(FactKind.PROTECTED_HIT, "acme", "weekly", "m1", "acme.example", bytes(16), "r1", NOW)


async def test_facts_fold_into_one_case_until_its_notice(database: Database) -> None:
    """Forty facts on one mailing are one case; another kind, mailing or a sent notice opens one."""
    book = CaseBook(database)
    assert {await book.record(replace(FACT, ref=f"r{i}")) for i in range(40)} == {"C-000001"}
    assert await book.record(replace(FACT, kind=FactKind.BATCH_DEFIANCE, key=b"")) == "C-000002"
    assert await book.record(replace(FACT, mailing="m2")) == "C-000003"
    await database.write(lambda c: c.execute(update(cases).values(notified_at=1)).rowcount)
    assert await book.record(FACT) == "C-000004"
    with database.reading() as connection:
        assert [(case.id, case.facts) for case in list_cases(connection, "acme")] == [
            ("C-000004", 1),
            ("C-000003", 1),
            ("C-000002", 1),
            ("C-000001", 40),
        ]


def test_a_case_is_named_one_way() -> None:
    """People type ids back in; what is none is refused."""
    assert case_number(" c-000123 ") == 123
    for text in ("", "C", "123", "C-", "D-000001", "C-1x"):
        with pytest.raises(ValueError, match="not a case"):
            case_number(text)


async def test_a_block_is_in_force_at_once_and_until_lifted(database: Database) -> None:
    """Whichever process blocks or lifts, the next look-up knows."""
    found = BlockList(database.path)
    assert await found.find("acme", "acme.example") is None
    book = CaseBook(database)
    await book.block("acme", "acme.example", await book.record(FACT), "10 facts")
    assert await found.find("acme", "acme.example") == Block("C-000001", "acme.example", "10 facts")
    assert await found.find("other", "acme.example") is None

    other = open_database(database.path)
    with other.transaction() as connection:
        assert lift_block(connection, "acme", "acme.example", "ann", "list cleaned", NOW)
        assert not lift_block(connection, "acme", "acme.example", "ann", "list cleaned", NOW)
    other.close()
    assert await found.find("acme", "acme.example") is None
    found.close()
    with database.reading() as connection:
        assert list_blocks(connection) == []
        (block,) = list_blocks(connection, "acme", with_lifted=True)
    assert (block.lifted_by, block.lifted_reason) == ("ann", "list cleaned")


async def test_a_block_on_all_tenants_and_a_second_block(database: Database) -> None:
    """`*` blocks a domain for everybody; blocking what is blocked keeps the first case."""
    found = BlockList(database.path)
    with database.transaction() as connection:
        block = Block("C-000007", "bad.example", "phishing")
        assert add_block(connection, "*", block, "ann", NOW) == block
        assert add_block(connection, "*", replace(block, case="C-000008"), "ann", NOW) == block
    assert await found.find("anyone", "bad.example") == block
    found.close()


async def test_blocks_without_a_database_are_unavailable(tmp_path: Path) -> None:
    """No answer is not "no block"."""
    with pytest.raises(StoreUnavailable):
        await BlockList(tmp_path / "nowhere.db").find("acme", "acme.example")


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
    other = open_database(database.path)
    assert numbering(other)("acme", "weekly") == weekly
    with other.reading() as connection:
        assert find_stream(connection, weekly) == ("acme", "weekly")
        assert find_stream(connection, 999) is None
    other.close()


async def test_a_block_look_up_is_cheap_when_nothing_changed(database: Database) -> None:
    """It is asked at MAIL, at each RCPT and at the dot: microseconds, not milliseconds."""
    found = BlockList(database.path)
    await found.find("acme", "acme.example")
    started = time.perf_counter()
    for _ in range(1000):
        await found.find("acme", "acme.example")
    assert (time.perf_counter() - started) / 1000 < 100e-6
    found.close()
