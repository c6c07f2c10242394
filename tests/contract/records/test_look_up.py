"""What the desk's look-up gathers: whom a text is about, and nothing in plain before it is
revealed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.events import Event
from gateway.journal import Journal
from gateway.message.address import parse_mailbox
from gateway.records.database import Database
from gateway.records.event_index import EventIndex
from gateway.records.streams import numbering
from gateway.records.suppressions import Draft, add
from gateway.refs import new_ref
from gateway.web.desk.look_up_report import report_of
from gateway.web.desk.look_up_view import Found, gather, masked
from gateway.web.desk.parts import DeskParts
from gateway.web.desk.recognition import recognise
from policies.sanctions.words import Grade
from suppression.keys import Keyring
from suppression.standing import Reason
from suppression.tokens import Purpose, Tokens

NOW = 1_800_000_000.0
JAN = parse_mailbox("Jan.Kowalski@example.org")
EWA = parse_mailbox("ewa@example.org")
REF = new_ref()


@pytest.fixture
def parts(database: Database, keyring: Keyring, tmp_path: Path) -> Iterator[DeskParts]:
    """Records with an entry of Jan's, and a journal that holds addresses: a message to Jan and
    Ewa."""
    with database.transaction() as connection:
        add(connection, keyring, JAN, Draft(Reason.UNSUBSCRIBE, "acme", "recipient", "t"), NOW)
    journal = Journal(tmp_path / "journal", "smtp", 100_000, 3)
    recipients = [
        {"n": n, "key": keyring.exact_key(one).hex(), "address": one.text, "text": f"for {one}"}
        for n, one in enumerate((JAN, EWA))
    ]
    detail: dict[str, object] = {"recipients": recipients, "client": "192.0.2.1"}
    journal.emit(
        Event("message.relayed", NOW, "", REF, "acme", "weekly", "m1", domain="acme.test",
              detail=detail)
    )  # fmt: skip
    journal.close()
    index = EventIndex(tmp_path / "journal", tmp_path / "index.sqlite")
    index.advance()
    config = SimpleNamespace(config=SimpleNamespace(state_dir=tmp_path))
    made = SimpleNamespace(
        database=database, keyring=keyring, index=index, loaded=config, clock=lambda: NOW
    )
    yield cast(DeskParts, made)
    index.close()


def found(parts: DeskParts, text: str, *, is_revealed: bool = False) -> Found:
    """What is gathered about `text`."""
    return gather(parts, recognise(text, Tokens(parts.keyring)), is_revealed)


def shown(found: Found) -> str:
    """All that the page makes of events and holdings."""
    sections = [(one.facts, one.policies, one.recipients) for one in found.sections]
    return json.dumps([sections, found.holdings, masked(found)], default=str)


def test_an_address_leads_to_entries_and_to_its_own_part_of_events(parts: DeskParts) -> None:
    """A message to two is narrowed to the one who is asked about, and neither is in plain."""
    jan = found(parts, JAN.text)
    assert [entry.reason for entry in jan.entries] == [Reason.UNSUBSCRIBE]
    (section,) = jan.sections
    assert [row["n"] for row in section.recipients] == ["0"]
    assert masked(jan) == "J***@example.org"
    for text in (JAN.text, EWA.text):
        assert text not in shown(jan)


def test_what_is_revealed_is_only_the_person_themselves(parts: DeskParts) -> None:
    """Revealing Jan shows Jan's address in his events; Ewa's is in none of them."""
    jan = found(parts, JAN.text, is_revealed=True)
    assert JAN.text in shown(jan)
    assert EWA.text not in shown(jan)


def test_a_ref_of_several_names_nobody_and_one_recipient_their_own(parts: DeskParts) -> None:
    """Without a recipient's number the ref is of the message; with it, of the one person."""
    whole = found(parts, REF)
    assert whole.person is None
    assert len(whole.sections[0].recipients) == 2
    assert EWA.text not in shown(whole)
    one = found(parts, f"ref={REF}.0")
    assert one.address == JAN.text
    assert [row["n"] for row in one.sections[0].recipients] == ["0"]


def test_an_index_that_is_not_built_hides_no_records(parts: DeskParts, tmp_path: Path) -> None:
    """What the records know is shown, and that events are missing is said."""
    fresh = EventIndex(tmp_path / "journal", tmp_path / "other.sqlite")
    cast(Any, parts).index = fresh
    jan = found(parts, JAN.text)
    assert jan.entries
    assert jan.coverage is not None
    assert (jan.coverage.until, bool(jan.coverage.behind)) == (None, True)
    fresh.close()


def test_only_a_token_makes_a_report_of_grade_b(parts: DeskParts, database: Database) -> None:
    """By the address it is C, with the mail it is about; a token of the tenant's own makes it B."""
    number = numbering(database)("acme", "weekly")
    token = Tokens(parts.keyring).make(Purpose.UNSUBSCRIBE, number, parts.keyring.exact_key(JAN))
    by_address = report_of(found(parts, JAN.text), "acme", "spam", "abuse", NOW)
    assert by_address.grade is Grade.C
    assert (by_address.stream, by_address.mailing, by_address.ref) == ("weekly", "m1", REF)
    by_token = report_of(found(parts, token), "acme", "spam", "abuse", NOW)
    assert (by_token.grade, by_token.stream) == (Grade.B, "weekly")
    assert report_of(found(parts, token), "beta", "spam", "abuse", NOW).grade is Grade.C
