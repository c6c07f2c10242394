"""*Case* over real records: what is shown, and to whom."""

from __future__ import annotations

import re
from html import unescape
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from gateway.records import evidence
from gateway.records.case_change import change, note
from gateway.records.case_store import Clocks, insert_case
from gateway.records.cases import take_fact
from gateway.records.evidence import Content
from gateway.records.subjects import add_subject, overwrite
from gateway.words import Role
from policies.sanctions.case import Case, Counts, Fact, Noticed
from policies.sanctions.words import Decision, FactKind, Grade, NoticeKind, Phase
from tests.contract.desk.casework import MARKUP, actions, decide, name, submitted

if TYPE_CHECKING:
    from conftest import World


async def test_a_case_is_told_in_one_sentence(world: World) -> None:
    """Who, what, how often, at which step, and the clause with what it says; in both languages."""
    case = world.open("told").case
    page = (await world.as_(Role.ABUSE).get(f"cases/{name(case)}")).text
    assert "told: unasked mail &lt;i&gt;, one fact; step S1, clause 1: No unasked mail." in page
    page = (await world.as_(Role.ABUSE, "pl").get(f"cases/{name(case)}")).text
    assert "krok S1, 1: Bez poczty niezamówionej." in page


async def test_everything_that_belongs_to_a_case_is_on_its_page(world: World) -> None:
    """Effects, requirements, clocks, facts with grade, notices, replies; strangers' words as text,
    addresses masked."""
    with world.database.transaction() as connection:
        subject = add_subject(connection, world.keyring.seal("jan.kowalski@inbox.test"))
        fact = Fact(
            FactKind.COMPLAINT, "whole", "mail", "m-7", "whole.test", bytes(16), "r1", world.now,
            Grade.A, domains=("whole.test",),
        )  # fmt: skip
        taken = take_fact(connection, fact, Counts(), world.rules, world.now, subject=subject)
        assert taken.case is not None
        change(connection, taken.case.id, Noticed(NoticeKind.OPENED), "x", world.now, world.rules)
        said = f"From: kowalski@whole.test\n\nSorry {MARKUP}"
        reply = add_subject(connection, world.keyring.seal(said))
        note(connection, taken.case.id, "reply.received", "jan", world.now, subject=reply)
        gone = add_subject(connection, world.keyring.seal("erased words"))
        note(connection, taken.case.id, "reply.received", "jan", world.now, subject=gone)
        overwrite(connection, [gone])
    page = (await world.as_(Role.AUDITOR).get(f"cases/{name(taken.case)}")).text
    said = unescape(page)
    for shown in (
        "blocked since", "explanation", "Longest clock ends", "30 d left",
        "Reminder at half time", "<strong>A</strong>", "j***@inbox.test", "mailing m-7",
        "first notice", "waiting to be sent", f"Sorry {MARKUP}", "(erased)",
    ):  # fmt: skip
        assert shown in said, shown
    assert "kowalski" not in said
    assert "<img src=x" not in page
    assert re.search(r'href="http://localhost:8080/status/[a-z2-7]{52}"', page)


async def test_probation_and_fees_are_in_force(world: World) -> None:
    """The share of the volume and the thresholds' divisor, the second step's fee as money."""
    first = submitted(world, "trial")
    lead = world.as_(Role.LEAD)
    page = await decide(lead, first, Decision.ACCEPT)
    assert "Volume: 25 % of the usual, thresholds divided by 2" in page
    assert "The volume rises to 50 %" in page
    page = (await lead.get(f"cases/{name(world.open('trial').case)}")).text
    assert "<strong>45.00 PLN</strong> (1 at 45.00 PLN, Clause 1)" in page
    assert "issue-fee" in actions(page)


async def test_a_case_from_before_the_ladders_is_shown_all_the_same(world: World) -> None:
    """Nothing can be decided about it any more."""
    old = Case(0, "acme", "protected-hit", "", "m", "", Phase.CLOSED, 100.0, closed_at=100.0)
    with world.database.transaction() as connection:
        old = insert_case(connection, old, Clocks(volume=100, next_at=None))
    page = (await world.as_(Role.LEAD).get(f"cases/{name(old)}")).text
    assert "Protected recipient" in page
    assert "from before there were ladders" in page
    assert actions(page) == set()
    assert (await world.as_(Role.LEAD).get("cases")).status_code == HTTPStatus.OK


@pytest.mark.parametrize("wrong", ["C-999999", "C-x", "000001", "C-1%00", "C-99999999999999999999"])
async def test_there_is_no_such_case(world: World, wrong: str) -> None:
    """A name that is none is 404, whatever it is made of."""
    answer = await world.as_(Role.ABUSE).get(f"cases/{wrong}")
    assert answer.status_code == HTTPStatus.NOT_FOUND


async def test_evidence_is_octets_that_no_browser_runs(world: World) -> None:
    """Pictures are shown, anything else is saved; of its own case only, and gone when destroyed."""
    case, other = world.open("acme").case, world.open("acme").case
    with world.database.transaction() as connection:
        numbers = [
            evidence.add(
                connection, world.keyring, case.id, "screenshot",
                Content(kind, b"<script>", bytes(32), f'x"\r\n{MARKUP}.png', "clean"), "jan",
                world.now,
            )
            for kind in ("image/png", "text/html", "image/svg+xml")
        ]  # fmt: skip
    client = world.as_(Role.AUDITOR)
    for number, kind, disposition in zip(
        numbers,
        ("image/png", "application/octet-stream", "application/octet-stream"),
        ("inline", "attachment", "attachment"),
        strict=True,
    ):
        answer = await client.get(f"cases/{name(case)}/evidence/{number}")
        assert answer.content == b"<script>"
        assert answer.headers["content-type"] == kind
        ending = "png" if disposition == "inline" else "bin"
        file = f'{disposition}; filename="{name(case)}-{number}.{ending}"'
        assert answer.headers["content-disposition"] == file
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "script-src" not in answer.headers["content-security-policy"]
        wrong = await client.get(f"cases/{name(other)}/evidence/{number}")
        assert wrong.status_code == HTTPStatus.NOT_FOUND
    assert "<img src=x" not in (await client.get(f"cases/{name(case)}")).text
    with world.database.transaction() as connection:
        evidence.destroy_of(connection, [case.id])
    answer = await client.get(f"cases/{name(case)}/evidence/{numbers[0]}")
    assert answer.status_code == HTTPStatus.NOT_FOUND
