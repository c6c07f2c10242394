"""Whatever comes back without our token changes nobody's standing; and replays change nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from gateway.records import webhooks
from gateway.records.database import open_database
from gateway.records.keyring import open_keyring
from gateway.records.returned import Returned
from gateway.records.tables import (
    blocks,
    bounces,
    cases,
    facts,
    fees,
    figures,
    notices,
    reports,
    standing_index,
    suppressions,
    webhook_deliveries,
)
from gateway.words import WebhookKind
from policies.returned.classes import BounceClass
from policies.returned.words import Action, FeedbackType, Form
from policies.sanctions.words import Grade
from policies.terms import DAY

from .cases_world import FBL, rules_of
from .conftest import NOW
from .returned_world import Returns, numbered

STANDING = (suppressions, standing_index, facts, cases, blocks, fees, notices, figures)
WEAK = (Grade.C, Grade.D)
PEOPLE = 3


@st.composite
def returned(draw: st.DrawFn, grades: tuple[Grade, ...]) -> dict[str, Any]:
    """What a mail that came back may say of itself, and when it comes."""
    return {
        "grade": draw(st.sampled_from(grades)),
        "person": draw(st.integers(0, PEOPLE - 1)),
        "stated": draw(st.integers(0, PEOPLE - 1)),
        "is_named": draw(st.booleans()),
        "has_match": draw(st.booleans()),
        "form": draw(st.sampled_from(Form)),
        "type": draw(st.none() | st.sampled_from(FeedbackType)),
        "is_signed": draw(st.booleans()),
        "mailing": draw(st.sampled_from(["m1", "m2", ""])),
        "mail": draw(st.sampled_from(["a", "b", ""])),
        "bounce": draw(st.none() | st.sampled_from(BounceClass)),
        "action": draw(st.sampled_from(Action)),
        "after": draw(st.sampled_from([0, 60, 700, DAY])),
    }


def mail_of(book: Returns, told: dict[str, Any]) -> Returned:
    """The mail, as matched and graded, however unlikely that is."""
    person, stated = numbered(told["person"]), numbered(told["stated"])
    match = book.match(
        person, mailing=told["mailing"], is_named=told["is_named"], address=stated.text
    )
    made = book.complaint(
        told["grade"],
        form=told["form"],
        type=told["type"],
        source=FBL if told["is_signed"] else "",
        match=match if told["has_match"] else None,
        address=stated.text,
    )
    if told["bounce"] is not None:
        bounce = book.bounced(
            person, grade=told["grade"], bounce_class=told["bounce"], action=told["action"]
        )
        made = replace(made, bounce=bounce)
    return replace(made, mail=told["mail"]) if told["mail"] else made


class World:
    """One database for all examples: emptied before each."""

    def __init__(self, folder: Path) -> None:
        self.database = open_database(folder / "consentry.db", folder / "opt-outs.log")
        self.keyring = open_keyring(self.database, folder / "secrets" / "keyring.json")
        self.rules = rules_of(self.keyring)

    def book(self) -> Returns:
        """A book over empty records, in which one recipient objects and one soft-bounced."""
        with self.database.transaction() as connection:
            for table in (*STANDING, reports, bounces, webhook_deliveries):
                connection.execute(delete(table))
            webhooks.mark(connection, {"acme": list(WebhookKind)}, NOW)
        book = Returns(self.database, self.rules)
        for _ in range(3):
            book.bounce(numbered(0), bounce_class=BounceClass.FULL)
            book.now += DAY
        return book

    def standing(self, book: Returns) -> dict[str, list[Any]]:
        """All that says who may be mailed and what is held against a tenant."""
        tables = (*STANDING, webhook_deliveries)
        return {table.name: book.rows(table) for table in tables}


def named_by(book: Returns, mail: Returned) -> set[bytes]:
    """The keys of whom our token in it names, if it has one."""
    match = mail.match
    if match is None or mail.grade not in (Grade.A, Grade.B):
        return set()
    if not match.is_named and mail.bounce is None:
        return set()
    person = next(one for one in map(numbered, range(PEOPLE)) if book.key(one) == match.key)
    return {match.key, book.rules.keyring.loose_key(person)}


def test_no_sequence_of_reports_of_grades_c_and_d_changes_any_standing() -> None:
    """However they are matched, signed, named or repeated, and whatever class they bounce with:
    nobody is suppressed or freed, no case moves, nobody is told. All of them are on record."""
    with TemporaryDirectory() as folder:
        world = World(Path(folder))

        @settings(max_examples=15, deadline=None)
        @given(st.lists(returned(WEAK), max_size=8))
        def judged(told: list[dict[str, Any]]) -> None:
            book = world.book()
            before = world.standing(book)
            mails = set()
            for one in told:
                book.now += one["after"]
                mail = mail_of(book, one)
                stated = book.key(numbered(one["stated"]))
                mails.add((mail.mail, mail.match.key if mail.match else stated))
                book.come(mail)
                book.settle(0)
            book.settle()
            assert world.standing(book) == before
            assert len(book.rows(reports)) == len(mails)

        judged()
        world.database.close()


def test_what_has_our_token_touches_its_own_recipient_only_and_once() -> None:
    """Any sequence of any grades suppresses none but recipients whom a token names, and the same
    sequence once more changes nothing."""
    with TemporaryDirectory() as folder:
        world = World(Path(folder))

        @settings(max_examples=15, deadline=None)
        @given(st.lists(returned(tuple(Grade)), max_size=6))
        def judged(told: list[dict[str, Any]]) -> None:
            book = world.book()
            known = {row.id for row in book.rows(suppressions)}
            mails = [mail_of(book, one) for one in told]
            allowed = {book.key(numbered(0))}
            for mail in mails:
                allowed |= named_by(book, mail)
                book.come(mail)
            book.settle()
            made = [row for row in book.rows(suppressions) if row.id not in known]
            assert {row.key for row in made} <= allowed
            before = world.standing(book)
            for mail in mails:
                assert book.come(mail).events == ()
            assert book.settle() == []
            assert world.standing(book) == before

        judged()
        world.database.close()
