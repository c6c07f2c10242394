"""What staff lift on the desk, or import, is as it was once they have undone it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from gateway.message.address import parse_mailbox
from gateway.records import undoings
from gateway.records.bulk import Tally
from gateway.records.database import Connection, Database
from gateway.records.suppressions import Draft, Entry, Refused, add, add_by_key, find, find_by_keys
from gateway.web.desk import dangerous
from gateway.web.desk.dangerous import Act
from gateway.web.desk.entry_acts import lift_entry, suppress
from gateway.web.desk.gate import Staff
from gateway.web.desk.import_undo import offer_undo
from gateway.web.desk.parts import DeskParts
from gateway.words import Role
from suppression.keys import Keyring
from suppression.standing import Reason

NOW = 1_800_000_000.0
JAN = parse_mailbox("jan@example.org")


class Desk:
    """One lead at the desk of a real database."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self.parts = cast(
            DeskParts, SimpleNamespace(database=database, keyring=keyring, clock=lambda: NOW)
        )
        who = SimpleNamespace(
            name="lea", role=Role.LEAD, may=lambda *_roles: True, member=SimpleNamespace(id=7)
        )
        self.staff = cast(Staff, who)

    def undo(self, connection: Connection) -> None:
        """Take back the latest that can be."""
        latest = undoings.standing(connection, 7, NOW)[0]
        undoing = undoings.take(connection, latest.id, 7, "lea", NOW)
        reverse, _ = dangerous._REVERSES[undoing.action]
        reverse(connection, Act(self.parts, self.staff, undoing.detail, NOW))


@pytest.fixture
def desk(database: Database, keyring: Keyring) -> Desk:
    """The desk over the test's database."""
    return Desk(database, keyring)


def live(entries: list[Entry]) -> list[tuple[Reason, str, str, str, int | None]]:
    """Those in force, by all that counts for mail and for who lifts them."""
    return [
        (one.reason, one.scope, one.setter, one.address, one.ends_at)
        for one in entries
        if one.is_live(NOW)
    ]


def test_a_lifted_entry_comes_back_as_it_was(
    database: Database, keyring: Keyring, desk: Desk
) -> None:
    """With its reason, scope, setter, end and address; the lifted one stays lifted."""
    draft = Draft(Reason.MANUAL, "acme", "operator", "a list", ends_at=NOW + 500)
    with database.transaction() as connection:
        number, _ = add(connection, keyring, JAN, draft, NOW)
        before = live(find(connection, keyring, JAN))
        lift_entry(connection, desk.parts, desk.staff, number, "a mistake")
        assert live(find(connection, keyring, JAN)) == []
        desk.undo(connection)
        entries = find(connection, keyring, JAN)
    assert live(entries) == before
    assert len(entries) == 2


def test_what_is_known_by_its_key_comes_back_by_its_key(database: Database, desk: Desk) -> None:
    """There is no address to store again, and none is needed."""
    key = b"\7" * 16
    with database.transaction() as connection:
        draft = Draft(Reason.COMPLAINT, "acme", "recipient", "token")
        number, _ = add_by_key(connection, key, draft, NOW)
        before = live(find_by_keys(connection, desk.parts.keyring, [key]))
        lift_entry(connection, desk.parts, desk.staff, number, "withdrawn")
        desk.undo(connection)
        assert live(find_by_keys(connection, desk.parts.keyring, [key])) == before


def test_what_was_suppressed_is_lifted_where_the_operator_may(
    database: Database, keyring: Keyring, desk: Desk
) -> None:
    """An objection is the person's: no undoing of it is offered, and none by key alone is made."""
    with database.transaction() as connection:
        suppress(connection, desk.parts, desk.staff, JAN, Reason.PROTECTED, "*", "asked")
        desk.undo(connection)
        assert live(find(connection, keyring, JAN)) == []
        suppress(connection, desk.parts, desk.staff, JAN, Reason.OBJECTION, "acme", "asked")
        assert undoings.standing(connection, 7, NOW) == []
        with pytest.raises(Refused, match="needs the address"):
            suppress(connection, desk.parts, desk.staff, b"\1" * 16, Reason.PROTECTED, "*", "x")


async def test_a_small_import_is_undone_whole(
    database: Database, keyring: Keyring, desk: Desk
) -> None:
    """Every entry of its own source ends, and no other; a large one offers no undoing."""
    draft = Draft(Reason.MANUAL, "acme", "operator", "desk:list.csv 1", actor="lea")
    with database.transaction() as connection:
        add(connection, keyring, JAN, Draft(Reason.MANUAL, "*", "operator", "other"), NOW)
        for number in range(20):
            address = parse_mailbox(f"reader{number}@example.org")
            add(connection, keyring, address, draft, NOW)
    await offer_undo(desk.parts, desk.staff, draft, Tally(read=9_999, added=9_999))
    with database.reading() as connection:
        assert undoings.standing(connection, 7, NOW) == []
    await offer_undo(desk.parts, desk.staff, draft, Tally(read=20, added=20))
    with database.transaction() as connection:
        desk.undo(connection)
        assert live(find(connection, keyring, parse_mailbox("reader7@example.org"))) == []
        assert len(live(find(connection, keyring, JAN))) == 1
