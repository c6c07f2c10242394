"""Receipts: limits, what is cleared and for how long, and that the look-up reads it as such."""

from __future__ import annotations

import pytest

from gateway.message.address import parse_mailbox
from gateway.records import audit, index, receipts
from gateway.records.database import Connection, Database
from gateway.records.receipts import Allowance, Receipt, TooMuch
from gateway.records.streams import numbering
from gateway.records.subjects import subject_of
from gateway.words import StreamKind
from policies.terms import Limits, StreamTerms
from suppression.keys import Keyring
from suppression.pre_check import VALID_SECONDS
from tests.contract.records.places import LookUp

from .conftest import NOW

JAN = parse_mailbox("jan@example.org")
OLA = parse_mailbox("ola@example.org")


def _begin(connection: Connection, asked: int = 2, at: float = NOW) -> Receipt:
    return receipts.begin(connection, "acme/weekly", asked, "ola", at)


async def _cleared(
    database: Database, keyring: Keyring, stream: StreamTerms, at: float
) -> list[bool]:
    standings = LookUp(database, keyring, lambda: at)
    found = await standings.look_up(stream, [JAN, OLA])
    standings.close()
    assert [standing.consent for standing in found] == [0, 0]
    assert [standing.matches for standing in found] == [(), ()]
    return [standing.is_cleared for standing in found]


async def test_what_is_cleared_until_when(
    database: Database, keyring: Keyring, stream: StreamTerms
) -> None:
    """A cleared address is so for its stream and 24 hours, and is no consent and no entry."""
    keys = [keyring.exact_key(JAN), keyring.exact_key(OLA)]
    with database.transaction() as connection:
        receipt = _begin(connection)
        receipts.clear(connection, receipt, keys, keys[:1])
        assert subject_of(connection, keys[0]) is None
    assert await _cleared(database, keyring, stream, NOW) == [True, False]
    assert await _cleared(database, keyring, stream, NOW + VALID_SECONDS - 1) == [True, False]
    assert await _cleared(database, keyring, stream, NOW + VALID_SECONDS) == [False, False]
    number = numbering(database)("acme", "daily")
    other = StreamTerms("acme", "daily", number, StreamKind.LIST, Limits())
    assert await _cleared(database, keyring, other, NOW) == [False, False]


async def test_the_newest_pre_check_counts(
    database: Database, keyring: Keyring, stream: StreamTerms
) -> None:
    """What a newer one does not clear is cleared no more; what it clears stands once."""
    keys = [keyring.exact_key(JAN), keyring.exact_key(OLA)]
    with database.transaction() as connection:
        receipts.clear(connection, _begin(connection), keys, keys)
        receipts.clear(connection, _begin(connection, at=NOW + 60), keys, keys[1:])
        assert len(index.rows_of(connection, keys)) == 1
    assert await _cleared(database, keyring, stream, NOW + 60) == [False, True]


async def test_what_is_cleared_outlives_a_rebuilt_index(
    database: Database, keyring: Keyring, stream: StreamTerms
) -> None:
    """Rebuilding derives everything else anew and keeps what only stands there."""
    keys = [keyring.exact_key(JAN), keyring.exact_key(OLA)]
    with database.transaction() as connection:
        receipts.clear(connection, _begin(connection), keys, keys)
        index.rebuild(connection)
    assert await _cleared(database, keyring, stream, NOW) == [True, True]


def test_what_is_over_is_removed_in_slices(
    database: Database, keyring: Keyring, stream: StreamTerms
) -> None:
    """Only what has ended goes, so many rows at a time."""
    keys = [keyring.exact_key(parse_mailbox(f"p{n}@example.org")) for n in range(25)]
    with database.transaction() as connection:
        receipts.clear(connection, _begin(connection), keys[:20], keys[:20])
        receipts.clear(connection, _begin(connection, at=NOW + 60), keys[20:], keys[20:])
        over = NOW + VALID_SECONDS
        assert receipts.purge(connection, over - 1, 100) == 0
        assert [receipts.purge(connection, over, 8) for _ in range(4)] == [8, 8, 4, 0]
        assert len(index.rows_of(connection, keys)) == 5


def test_a_receipt_says_what_was_asked(database: Database, stream: StreamTerms) -> None:
    """It is found by its id, valid once complete and until its end, and audited with counts."""
    with database.transaction() as connection:
        begun = _begin(connection)
        assert not begun.is_valid(NOW)
        done = receipts.finish(connection, begun, 2, 1, {"UNSUB": 1}, b"d" * 32, "ola", NOW)
        assert (done.asked, done.cleared, done.scope) == (2, 1, "acme/weekly")
        assert receipts.find(connection, done.id) == done
        assert done.is_valid(NOW + VALID_SECONDS - 1)
        assert not done.is_valid(NOW + VALID_SECONDS)
        assert receipts.find(connection, "rcpt_00") is None
        assert receipts.find(connection, "nonsense") is None
        detail = connection.exec_driver_sql(
            "SELECT detail FROM audit WHERE action='pre-check.done'"
        ).scalar_one()
        assert '"asked":2' in detail
        assert '"UNSUB":1' in detail
        assert audit.verify(connection) is None


def test_lists_an_hour(database: Database, stream: StreamTerms) -> None:
    """The list over the hour's number is refused, with the seconds until one is free again."""
    allowance = Allowance(addresses_per_day=1000, calls_per_hour=2)
    with database.transaction() as connection:
        for at in (NOW, NOW + 600):
            receipts.begin(connection, "acme/weekly", 1, "ola", at, allowance)
        with pytest.raises(TooMuch, match="2 lists an hour") as refused:
            receipts.begin(connection, "acme/daily", 1, "ola", NOW + 900, allowance)
        assert refused.value.seconds == 2701
        receipts.begin(connection, "beta/news", 1, "ola", NOW + 900, allowance)
        receipts.begin(connection, "acme/daily", 1, "ola", NOW + 900 + 2701, allowance)


def test_addresses_a_day(database: Database, stream: StreamTerms) -> None:
    """Addresses count from the beginning of a check, also of one that was broken off."""
    allowance = Allowance(addresses_per_day=100, calls_per_hour=60)
    with database.transaction() as connection:
        receipts.begin(connection, "acme/weekly", 60, "ola", NOW, allowance)
        receipts.begin(connection, "acme/weekly", 40, "ola", NOW + 10, allowance)
        with pytest.raises(TooMuch, match="100 addresses a day") as refused:
            receipts.begin(connection, "acme/weekly", 50, "ola", NOW + 20, allowance)
        assert refused.value.seconds == 86_400 - 20 + 1
        with pytest.raises(TooMuch):
            receipts.begin(connection, "acme/weekly", 101, "ola", NOW + 200_000, allowance)
        receipts.begin(connection, "acme/weekly", 50, "ola", NOW + 86_401, allowance)
