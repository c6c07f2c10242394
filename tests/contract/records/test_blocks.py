"""Blocks as the data path looks them up, and those that people add and lift by hand."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from gateway.errors import StoreUnavailable
from gateway.records.blocks import BlockList, add_block, case_number, list_blocks
from gateway.records.case_blocks import block_by_hand, lift_by_hand
from gateway.records.case_change import open_by_hand
from gateway.records.database import Database
from gateway.records.tables import cases
from policies.ports import Block
from policies.sanctions.case import Handed, Ticked
from policies.sanctions.engine import Refused
from policies.sanctions.words import Decision, FactKind, Phase
from suppression.keys import Keyring
from tests.contract.records.places import again

from .cases_world import FACT, Book, rules_of
from .conftest import NOW


@pytest.fixture
def book(database: Database, keyring: Keyring) -> Book:
    return Book(database, rules_of(keyring))


@pytest.fixture
def found(database: Database) -> Iterator[BlockList]:
    found = BlockList(database.path)
    yield found
    found.close()


def test_a_case_is_named_one_way() -> None:
    """People type ids back in; what is none is refused."""
    assert case_number(" c-000123 ") == 123
    for text in ("", "C", "123", "C-", "D-000001", "C-1x"):
        with pytest.raises(ValueError, match="not a case"):
            case_number(text)


async def test_a_block_is_in_force_at_once_and_until_lifted(book: Book, found: BlockList) -> None:
    """Whichever process blocks or lifts, the next look-up knows, with case and open items."""
    assert await found.find("acme", "acme.example") is None
    case = book.take().case
    assert case is not None
    block = await found.find("acme", "acme.example")
    assert block is not None
    assert (block.case, block.domain, block.items) == ("C-000001", "acme.example", 2)
    assert len(block.tracking) == 16
    assert await found.find("other", "acme.example") is None
    book.notify(case.id)
    book.let(case.id, Handed("screenshot", "acme:status"))
    block = await found.find("acme", "acme.example")
    assert block is not None
    assert block.items == 1

    other = again(book.database)
    with other.transaction() as connection:
        events = lift_by_hand(connection, "acme", "acme.example", "ann", "clean", NOW, book.rules)
        second = lift_by_hand(connection, "acme", "acme.example", "ann", "clean", NOW, book.rules)
    other.close()
    assert second is None
    assert events is not None
    assert {event.kind for event in events} == {"case.unblocked", "case.closed"}
    assert await found.find("acme", "acme.example") is None
    assert await found.lifts("acme") == 1
    with book.database.reading() as connection:
        assert list_blocks(connection) == []
        (block_row,) = list_blocks(connection, "acme", with_lifted=True)
    assert (block_row.lifted_by, block_row.lifted_reason) == ("ann", "clean")


async def test_a_block_on_all_tenants_and_a_second_block(book: Book, found: BlockList) -> None:
    """`*` blocks a domain for everybody, with a link for nobody; a second block keeps the first."""
    with book.database.transaction() as connection:
        moved = block_by_hand(connection, "*", "bad.example", "ann", "phishing", NOW, book.rules)
        block = Block(f"C-{moved.case.id:06d}", "bad.example", "phishing")
        assert add_block(connection, "*", replace(block, case="C-000008"), "ann", NOW) == block
    assert moved.case.phase is Phase.OPEN
    assert await found.find("anyone", "bad.example") == replace(block, items=2)


async def test_a_domain_that_two_cases_block_is_free_when_the_last_lifts(
    book: Book, found: BlockList
) -> None:
    """The second case holds the block once the first lifts; only then does its lift free it."""
    first = book.take().case
    second = book.take(replace(FACT, mailing="m2")).case
    assert first is not None
    assert second is not None
    for case, standing in ((first, "C-000002"), (second, "")):
        book.decide(case.id, Decision.LIFT)
        block = await found.find("acme", "acme.example")
        assert (block.case if block else "") == standing
    lifted = [entry for entry in book.entries(first.id) if entry.kind == "case.unblocked"]
    assert lifted[0].detail["blocked_still"] == {"acme.example": "C-000002"}


async def test_one_domain_of_a_case_can_be_freed_alone(book: Book, found: BlockList) -> None:
    """A lift by hand ends the case only when nothing else of it is blocked."""
    both = replace(FACT, domains=("acme.example", "shop.example"))
    case = book.take(both).case
    assert case is not None
    with book.database.transaction() as connection:
        lift_by_hand(connection, "acme", "shop.example", "ann", "not theirs", NOW, book.rules)
    assert await found.find("acme", "shop.example") is None
    assert await found.find("acme", "acme.example") is not None
    with book.database.transaction() as connection:
        lift_by_hand(connection, "acme", "acme.example", "ann", "clean", NOW, book.rules)
    assert book.rows(cases)[0].phase == Phase.CLOSED


async def test_a_first_notice_ends_its_mailing(book: Book, found: BlockList) -> None:
    """What is sent afterwards is another mailing, and so another step."""
    book.take()
    assert await found.find("acme", "acme.example") is not None
    assert not found.is_ended("m1")
    book.now = time.time()
    book.notify(1)
    await found.find("acme", "acme.example")
    assert found.is_ended("m1")
    assert not found.is_ended("m2")


async def test_probation_leaves_a_share_that_grows(
    database: Database, keyring: Keyring, found: BlockList
) -> None:
    """A quarter of the usual volume at first, more with each week, and thresholds that are halved;
    whoever looks a block up knows."""
    book = Book(database, rules_of(keyring, "planisys"))
    fact = replace(FACT, kind=FactKind.SPAM, actor="ann")
    with database.transaction() as connection:
        case = open_by_hand(connection, fact, "ann", "spam trap", NOW, book.rules).case
    if case.phase is Phase.UNDECIDED:
        case = book.decide(case.id, Decision.CONFIRM).case
    book.notify(case.id)
    case = book.decide(case.id, Decision.BLOCK).case
    for name in case.open_items:
        case = book.decide(case.id, Decision.MET, requirement=name).case
    if case.phase is not Phase.SUBMITTED:
        book.decide(case.id, Decision.ANSWERED)
    assert book.decide(case.id, Decision.ACCEPT).case.phase is Phase.PROBATION
    shares = []
    for days in (0, 8, 16, 24, 31):
        book.now = NOW + days * 86_400
        tick(book, case.id)
        await found.find("acme", "acme.example")
        shares.append(found.share("acme"))
    assert shares == [25, 50, 75, 100, 100]
    assert found.share("other") == 100


async def test_an_ended_service_blocks_whatever_is_sent(book: Book, found: BlockList) -> None:
    """Two people end it: every name is blocked, also one registered later, until it is reopened."""
    case = book.take().case
    assert case is not None
    book.notify(case.id)
    book.now = NOW + 31 * 86_400
    book.decide(case.id, Decision.EXTEND, until=book.now + 60)
    with book.database.transaction() as connection:
        connection.execute(update(cases).values(next_at=0))
    book.now += 3600
    tick(book, case.id)
    book.decide(case.id, Decision.PROPOSE_TERMINATION, "ann")
    with pytest.raises(Refused):
        book.decide(case.id, Decision.CONFIRM_TERMINATION, "Ann")
    moved = book.decide(case.id, Decision.CONFIRM_TERMINATION, "bob")
    assert moved.case.phase is Phase.TERMINATED
    for domain in ("acme.example", "shop.example", "new.example", "*"):
        block = await found.find("acme", domain)
        assert block is not None
        assert block.domain == "*"
    assert await found.find("other", "new.example") is None
    with book.database.transaction() as connection, pytest.raises(Refused):
        lift_by_hand(connection, "acme", "*", "ann", "mistake", NOW, book.rules)
    book.decide(case.id, Decision.REOPEN, "bob")
    assert await found.find("acme", "new.example") is None
    assert await found.find("acme", "acme.example") is not None


def tick(book: Book, case: int) -> None:
    """Time passes."""
    book.let(case, Ticked(), "gateway")


async def test_blocks_without_a_database_are_unavailable(tmp_path: Path) -> None:
    """No answer is not "no block"."""
    with pytest.raises(StoreUnavailable):
        await BlockList(tmp_path / "nowhere.db").find("acme", "acme.example")


@pytest.mark.sqlite_file
async def test_a_block_look_up_is_cheap_when_nothing_changed(database: Database) -> None:
    """It is asked at MAIL, at each RCPT and at the dot: microseconds, not milliseconds."""
    found = BlockList(database.path)
    await found.find("acme", "acme.example")
    started = time.perf_counter()
    for _ in range(1000):
        await found.find("acme", "acme.example")
    assert (time.perf_counter() - started) / 1000 < 100e-6
    found.close()
