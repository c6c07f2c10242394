"""*Case* and *Cases* over real records: what is shown, to whom, and opening a case by hand."""

from __future__ import annotations

import re
from html import unescape
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from gateway.records import evidence
from gateway.records.case_change import change, note, open_by_hand
from gateway.records.case_store import Clocks, insert_case
from gateway.records.case_view import find_case, list_cases
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


# ---- the list, and opening by hand --------------------------------------------------------------


async def test_the_list_filters_and_pages(world: World) -> None:
    """By tenant and state, the newest first, 50 on a page; a mark that is none is 400."""
    asks = Fact(
        FactKind.LEGAL_REQUEST, "delta", "", "", "delta.test", b"", "", world.now, actor="abuse",
        domains=("delta.test",),
    )  # fmt: skip
    with world.database.transaction() as connection:
        made = [
            open_by_hand(connection, asks, "abuse", "asked", world.now, world.rules).case.id
            for _ in range(52)
        ]
    client = world.as_(Role.AUDITOR)
    asked = {"tenant": "delta", "phase": "undecided"}
    page = (await client.get("cases", **asked)).text
    shown = [int(one) for one in re.findall(r"cases/C-(\d{6})", page)]
    assert shown == made[:1:-1]
    (more,) = re.findall(r'href="\./cases\?([^"]+after[^"]+)"', page)
    page = (await client.get("cases", **dict(p.split("=") for p in unescape(more).split("&")))).text
    assert [int(one) for one in re.findall(r"cases/C-(\d{6})", page)] == made[1::-1]
    assert "C-0" not in (await client.get("cases", tenant="nobody")).text
    assert (await client.get("cases", after="x")).status_code == HTTPStatus.BAD_REQUEST


async def test_a_case_is_opened_by_hand(world: World) -> None:
    """Only for what the tenant's contract knows and no machine sees; asked twice; what is wrong is
    said, and nothing is opened."""
    client = world.as_(Role.ABUSE)
    page = (await client.get("new-case", tenant="acme")).text
    offered = re.findall(r'<option value="([a-z-]+)">', page)
    assert set(offered) == {"spam", "emergency", "legal-request"}
    before = world.open("acme").case
    good = {"tenant": "acme", "kind": "spam", "domain": ["acme.test", "shop.acme.test"]}
    good |= {"stream": "offers", "reason": "a call", "until": "2027-03-01T10:00"}
    for wrong in (
        {"tenant": "nobody"}, {"kind": "complaint"}, {"kind": "x"}, {"domain": "beta.test"},
        {"domain": []}, {"until": "soon"},
    ):  # fmt: skip
        answer = await client.post("new-case", confirmed="yes", **good | wrong)
        assert answer.status_code == HTTPStatus.BAD_REQUEST, wrong
    unknown = await client.post("new-case", confirmed="yes", **good | {"kind": "copyright"})
    assert unknown.status_code == HTTPStatus.CONFLICT
    asked = await client.post("new-case", **good)
    assert 'name="domain" value="acme.test,shop.acme.test"' in asked.text
    with world.database.reading() as connection:
        assert list_cases(connection, limit=1).cases[0].number == before.id
    sure = good | {"domain": "acme.test,shop.acme.test", "confirmed": "yes"}
    opened = await client.post("new-case", **sure)
    assert opened.status_code == HTTPStatus.SEE_OTHER
    number = int(opened.headers["location"].rpartition("-")[2])
    with world.database.reading() as connection:
        found = find_case(connection, number)
    assert found is not None
    assert found.case.blocked
    assert found.case.domains == ("acme.test", "shop.acme.test")
    assert found.case.until == 1_803_891_600.0
    page = (await client.get(f"cases/{name(found.case)}")).text
    assert "a call" in page
    assert "Case opened (Dismiss: no violation)" in page
