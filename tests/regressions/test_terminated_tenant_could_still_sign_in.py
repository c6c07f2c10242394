"""A tenant whose service two people had ended was let in at AUTH, and refused at MAIL only."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from gateway.records.blocks import BlockList
from gateway.records.database import open_database
from gateway.records.keyring import open_keyring
from gateway.smtp.authentication import Authenticator, Identity, Login
from gateway.smtp.sasl import Credentials
from gateway.state.rates import MemoryRateWindows
from gateway.state.table import WindowTable
from policies.sanctions.case import Ticked
from policies.sanctions.words import Decision
from policies.terms import DAY
from tests.contract.records.cases_world import Book, rules_of
from tests.unit.enforcement.test_enforcement import TENANT

HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
GIVEN = Credentials("acme", "secret")


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """The records of a house under the Niebieski contract."""
    database = open_database(tmp_path / "consentry.db")
    yield Book(database, rules_of(open_keyring(database, tmp_path / "keyring.json")))
    database.close()


async def test_who_is_terminated_is_told_so_at_the_login(book: Book) -> None:
    """525 [TERMINATED] for the right password, [AUTH] for a wrong one; reopened, they come in."""
    blocks = BlockList(book.database.path)
    windows = MemoryRateWindows(WindowTable(time.monotonic))
    authenticator = Authenticator(windows, time.time, HASHER, blocks)
    logins = {"acme": Login("acme", "acme", HASHER.hash("secret"), None)}

    async def sign_in(given: Credentials = GIVEN) -> str:
        outcome = await authenticator.check(logins, {"acme": TENANT}, "192.0.2.1", given)
        return "in" if isinstance(outcome, Identity) else outcome.reply.tag

    try:
        book.take()
        book.notify(1)
        assert await sign_in() == "in"
        book.now += 31 * DAY
        book.let(1, Ticked(), "gateway")
        book.decide(1, Decision.PROPOSE_TERMINATION)
        assert await sign_in() == "in"
        book.decide(1, Decision.CONFIRM_TERMINATION, "ben")
        assert await sign_in() == "TERMINATED"
        assert await sign_in(Credentials("acme", "wrong")) == "AUTH"
        book.decide(1, Decision.REOPEN, "ben")
        assert await sign_in() == "in"
        blocks.close()
        book.database.path.rename(book.database.path.with_name("away"))
        assert await sign_in() == "in"  # a login needs no records, MAIL does
    finally:
        authenticator.close()
        blocks.close()
