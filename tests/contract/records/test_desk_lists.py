"""What the desk's look-up and lists ask the records: persons by key, pages, sources, imports in two
calls."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from gateway.message.address import parse_mailbox
from gateway.records.bulk import Tally
from gateway.records.database import Database
from gateway.records.erasure import erase
from gateway.records.list_diff import Diff
from gateway.records.list_sources import Freshness, list_sources
from gateway.records.listing import State, Wanted, list_entries
from gateway.records.person import person_at, person_under
from gateway.records.staging import Staging
from gateway.records.subject_requests import (
    RequestKind,
    address_of,
    find_request,
    record,
)
from gateway.records.subjects import find_source
from gateway.records.suppression_import import ListFile, import_suppressions
from gateway.records.suppressions import Draft, add, add_by_key, entries_of, lift
from gateway.records.tables import audit
from policies.terms import DAY
from suppression.keys import Keyring
from suppression.listfile import read_rows
from suppression.precedence import Lifter
from suppression.standing import Reason

from .conftest import NOW

JAN = parse_mailbox("Jan.Kowalski@example.org")
MANUAL = Draft(Reason.MANUAL, "acme", "operator", "test")
ROBINSON = Draft(Reason.ROBINSON, "*", "operator", "robinson:PL")


def test_a_key_leads_to_the_person_while_any_record_knows_the_address(
    database: Database, keyring: Keyring
) -> None:
    """By the exact key of a token all entries of the person are found, under their other keys too;
    after an erasure by the key alone."""
    with database.transaction() as connection:
        add(connection, keyring, JAN, MANUAL, NOW)
        add(connection, keyring, JAN, Draft(Reason.COMPLAINT, "acme", "recipient", "t"), NOW)
        found = person_under(connection, keyring, keyring.exact_key(JAN))
        assert found.address is not None
        assert found.address.text == JAN.text
        reasons = {entry.reason for entry in found.entries(connection, keyring)}
        assert reasons == {Reason.MANUAL, Reason.COMPLAINT}
        assert found.keys == person_at(keyring, JAN).keys
        erase(connection, keyring, JAN, "", "test", NOW)
        erased = person_under(connection, keyring, keyring.exact_key(JAN))
        assert erased.address is None
        assert {one.reason for one in erased.entries(connection, keyring)} == {Reason.MANUAL}
        stranger = person_under(connection, keyring, b"\1" * 16)
        assert (stranger.address, stranger.entries(connection, keyring)) == (None, [])


def test_pages_go_back_from_the_newest(database: Database, keyring: Keyring) -> None:
    """Every entry is on one page, the newest first, also of one source or state only."""
    with database.transaction() as connection:
        for number in range(25):
            draft = Draft(Reason.MANUAL, "acme", "operator", "odd" if number % 2 else "even")
            add_by_key(connection, number.to_bytes(16), draft, NOW + number)
        lift(connection, 5, Lifter.OPERATOR, "test", "test", NOW)
        seen: list[int] = []
        before = 0
        while True:
            part = list_entries(connection, Wanted(), before, 10, NOW + 99, is_newest_first=True)
            seen += part.numbers
            if part.next is None:
                break
            before = part.next
        assert seen == list(range(25, 0, -1))
        odd = find_source(connection, "operator", "odd")
        wanted = Wanted(source=odd, state=State.IN_FORCE)
        part = list_entries(connection, wanted, 0, 100, NOW + 99, is_newest_first=True)
        assert {one.source for one in entries_of(connection, keyring, part.numbers)} == {"odd"}
        assert len(part.numbers) == 12


def test_sources_say_how_fresh_they_are(database: Database, keyring: Keyring) -> None:
    """A robinson list is due a week before its 30 days are over; other sources never are."""
    with database.transaction() as connection:
        add(connection, keyring, JAN, MANUAL, NOW)
        add(connection, keyring, JAN, ROBINSON, NOW + 1)
        for days, expected in (
            (0, Freshness.FRESH),
            (22, Freshness.FRESH),
            (24, Freshness.SOON),
            (31, Freshness.OVERDUE),
        ):
            robinson, manual = list_sources(connection, NOW + days * DAY)
            assert robinson.freshness(NOW + days * DAY) is expected
            assert robinson.in_force == (expected is not Freshness.OVERDUE)
            assert manual.freshness(NOW + days * DAY) is None
            assert (manual.name, manual.in_force, manual.entries) == ("test", 1, 1)


def _import(
    database: Database, keyring: Keyring, path: Path, text: str, *, dry_run: bool, diff: Diff | None
) -> Tally:
    with Staging(keyring, NOW, path) as staging:
        return import_suppressions(
            database,
            keyring,
            read_rows(io.StringIO(text), staging.lacks),
            MANUAL,
            ListFile("list.csv", "ab" * 32),
            NOW,
            is_scope=lambda scope: scope != "nobody",
            staging=staging,
            dry_run=dry_run,
            diff=diff,
            in_two=True,
        )


def test_an_import_in_two_calls_brings_in_what_was_compared(
    database: Database, keyring: Keyring, tmp_path: Path
) -> None:
    """The second call needs no rows and counts as the first did, also for scopes and sources that
    were new; between them nothing is in force."""
    path = tmp_path / "a.staged"
    text = (
        "address,reason,scope\nann@x.example,,\nbob@x.example,manual,beta/news\n"
        "eve@x.example,manual,nobody\n"
    )
    diff = Diff()
    compared = _import(database, keyring, path, text, dry_run=True, diff=diff)
    assert (compared.added, compared.bad) == (2, 1)
    assert {(line["scope"], line["would_add"]) for line in diff.lines()} >= {
        ("acme", 1),
        ("beta/news", 1),
    }
    with database.reading() as connection:
        assert list_entries(connection, Wanted(), 0, 9, NOW).numbers == []
    done = _import(database, keyring, path, "", dry_run=False, diff=None)
    assert (done.added, done.bad, path.exists()) == (2, 1, False)
    with database.reading() as connection:
        part = list_entries(connection, Wanted(), 0, 9, NOW)
        entries = entries_of(connection, keyring, part.numbers)
        told = [row.action for row in connection.execute(audit.select())]
    assert {(one.scope, one.address, one.source) for one in entries} == {
        ("acme", "ann@x.example", "test"),
        ("beta/news", "bob@x.example", "test"),
    }
    assert told == ["suppression.import-started", "suppression.imported"]


def test_a_request_is_found_with_its_address_until_that_is_erased(
    database: Database, keyring: Keyring
) -> None:
    """By its number; a number never given is an error."""
    with database.transaction() as connection:
        number = record(
            connection, keyring, RequestKind.ERASURE, JAN, "*", "seen", NOW, "test", NOW
        )
        assert find_request(connection, keyring, number).kind is RequestKind.ERASURE
        person = address_of(connection, keyring, number)
        assert person is not None
        assert person.text == JAN.text
        erase(connection, keyring, JAN, "", "test", NOW)
        assert address_of(connection, keyring, number) is None
        for ask in (find_request, address_of):
            with pytest.raises(LookupError):
                ask(connection, keyring, 99)
