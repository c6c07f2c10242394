"""Deciding about a case on its page: roles, stale forms, dangers, undoing.

What a decision does to a case in general is the engine's and the records' own tests'.
"""

from __future__ import annotations

import re
from html import unescape
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from gateway.records import notices
from gateway.records.blocks import list_blocks
from gateway.records.case_change import change
from gateway.records.case_view import timeline
from gateway.words import Role
from policies.sanctions.case import Decided, Noticed
from policies.sanctions.words import Decision, FactKind, NoticeKind, Phase
from tests.contract.desk.casework import MARKUP, actions, decide, name, now_of, stamp, submitted

if TYPE_CHECKING:
    from conftest import World


async def test_accepting_lifts_the_block_once_it_was_confirmed(world: World) -> None:
    """The first answer says what it touches and changes nothing; then the block goes, with reason
    and actor on the timeline."""
    case = submitted(world, "beta")
    client = world.as_(Role.ABUSE)
    page = (await client.get(f"cases/{name(case)}")).text
    form = {"stamp": stamp(page), "decision": "accept", "reason": "looks good"}
    asked = await client.post(f"cases/{name(case)}/decide", **form)
    assert "beta.test" in asked.text
    assert "looks good" in asked.text
    assert now_of(world, case) == case
    page = await decide(client, case, Decision.ACCEPT, reason="looks good")
    assert "looks good" in page
    with world.database.reading() as connection:
        held = {block.case for block in list_blocks(connection, "beta")}
        assert name(case) not in held
        (entry, *_) = [one for one in timeline(connection, case.id) if one.kind == "case.decided"]
    assert (entry.actor, entry.detail["decision"]) == ("abuse", "accept")


@pytest.mark.parametrize(
    ("decision", "undone"),
    [
        (Decision.ACCEPT, Phase.OPEN),
        (Decision.LIFT, Phase.SUBMITTED),
        (Decision.DISMISS, Phase.SUBMITTED),
    ],
)
async def test_what_was_decided_is_taken_back_within_a_minute(
    world: World, decision: Decision, undone: Phase
) -> None:
    """The banner offers it on every page, and the domain is blocked again."""
    case = submitted(world, "beta")
    client = world.as_(Role.ABUSE)
    page = await decide(client, case, decision)
    assert not now_of(world, case).blocked
    (number, *_) = re.findall(r'action="[./]*undo/(\d+)"', page)
    answer = await client.post(f"undo/{number}")
    assert answer.status_code == HTTPStatus.SEE_OTHER
    after = now_of(world, case)
    assert (after.phase, after.blocked) == (undone, True)
    await decide(client, case, Decision.DISMISS)


async def test_what_has_moved_on_is_not_taken_back(world: World) -> None:
    """Somebody else reopened it meanwhile: 409, and the case stays as they left it."""
    case = submitted(world, "beta")
    client = world.as_(Role.ABUSE)
    page = await decide(client, case, Decision.LIFT)
    (number, *_) = re.findall(r'action="[./]*undo/(\d+)"', page)
    await decide(world.as_(Role.LEAD), case, Decision.REOPEN)
    reopened = now_of(world, case)
    assert (await client.post(f"undo/{number}")).status_code == HTTPStatus.CONFLICT
    assert now_of(world, case) == reopened


async def test_a_stale_form_changes_nothing(world: World) -> None:
    """Whoever was slower is told what happened meanwhile; a notice or a note makes nobody late."""
    case = world.open("acme").case
    first, second = world.as_(Role.ABUSE), world.as_(Role.LEAD)
    held = stamp((await first.get(f"cases/{name(case)}")).text)
    await second.post(f"cases/{name(case)}/note", text="a note")
    form = {"decision": "stop", "reason": "wait", "stamp": held}
    with world.database.transaction() as connection:
        change(connection, case.id, Noticed(NoticeKind.OPENED), "x", world.now, world.rules)
    assert (await first.post(f"cases/{name(case)}/decide", **form)).status_code == 303
    late = await second.post(f"cases/{name(case)}/decide", **form | {"decision": "resume"})
    assert late.status_code == HTTPStatus.CONFLICT
    assert "Stop the clockwork" in late.text
    assert now_of(world, case).stopped
    for wrong in ("", "x", "0"):
        form = {"decision": "resume", "reason": "go", "stamp": wrong}
        answer = await second.post(f"cases/{name(case)}/decide", **form)
        assert answer.status_code == HTTPStatus.CONFLICT
    assert now_of(world, case).stopped


async def test_the_clockwork_stops_and_goes_on(world: World) -> None:
    """The next automatic action is shown with its button, stopped it is said to be."""
    case = world.open("acme").case
    with world.database.transaction() as connection:
        change(connection, case.id, Noticed(NoticeKind.OPENED), "x", world.now, world.rules)
    client = world.as_(Role.ABUSE)
    page = await decide(client, case, Decision.STOP)
    assert "Stopped by a person" in page
    page = await decide(client, case, Decision.RESUME)
    assert "Stopped by a person" not in page
    assert "Reminder at half time" in page


async def test_more_time_is_given_in_the_zone_of_who_gives_it(world: World) -> None:
    """The date is read as local time; an earlier one is refused in words, and nothing changes."""
    case = world.open("acme").case
    with world.database.transaction() as connection:
        moved = change(connection, case.id, Noticed(NoticeKind.OPENED), "x", world.now, world.rules)
    client = world.as_(Role.ABUSE)
    page = (await client.get(f"cases/{name(case)}")).text
    form = {"stamp": stamp(page), "decision": "extend", "reason": "holidays"}
    for until, status in (("2027-01-20T00:00", 409), ("soon", 400), ("", 400)):
        answer = await client.post(f"cases/{name(case)}/decide", until=until, **form)
        assert answer.status_code == status
    assert now_of(world, case).due_at == moved.case.due_at
    await decide(client, case, Decision.EXTEND, until="2027-06-01T12:00")
    assert now_of(world, case).due_at == 1_811_844_000.0  # 10:00 UTC


async def test_a_decision_needs_its_reason_and_details(world: World) -> None:
    """What is missing is said with 400; a word that is no decision is 400 too."""
    case = world.open("acme").case
    client = world.as_(Role.LEAD)
    held = stamp((await client.get(f"cases/{name(case)}")).text)
    for fields, said in (
        ({"decision": "stop"}, "Say why"),
        ({"decision": "stop", "reason": "  "}, "Say why"),
        ({"decision": "bill", "reason": "x", "minutes": "0"}, "whole minutes"),
        ({"decision": "delete", "reason": "x"}, "incomplete"),
    ):
        answer = await client.post(f"cases/{name(case)}/decide", stamp=held, **fields)
        assert answer.status_code == HTTPStatus.BAD_REQUEST
        assert said in answer.text
    gone = await client.post("cases/C-999999/decide", stamp="1", decision="stop", reason="x")
    assert gone.status_code == HTTPStatus.NOT_FOUND


async def test_working_time_becomes_a_fee_that_a_lead_issues(world: World) -> None:
    """Minutes at the contract's rate, by the hour; issued, then paid, each offered in its time."""
    case = world.open("delta").case
    await decide(world.as_(Role.ABUSE), case, Decision.BILL, minutes="61")
    lead = world.as_(Role.LEAD)
    page = (await lead.get(f"cases/{name(case)}")).text
    assert "200.00 USD" in page
    assert {"issue-fee", "waive-fee"} <= actions(page)
    assert "issue-fee" not in actions((await world.as_(Role.ABUSE).get(f"cases/{name(case)}")).text)
    page = await decide(lead, case, Decision.ISSUE_FEE, fee="1")
    assert "pay-fee" in actions(page)
    page = await decide(lead, case, Decision.PAY_FEE, fee="1")
    assert "pay-fee" not in actions(page)


async def test_a_termination_takes_two_people_and_a_lead(world: World) -> None:
    """Abuse staff may propose and not confirm, who proposed it cannot; the second ends it all."""
    case = world.open("gamma", FactKind.EMERGENCY).case
    if case.phase is Phase.UNDECIDED:
        await decide(world.as_(Role.ABUSE), case, Decision.CONFIRM)
    await decide(world.as_(Role.LEAD), case, Decision.PROPOSE_TERMINATION)
    for who, status in ((Role.ABUSE, 403), (Role.LEAD, 409), (Role.AUDITOR, 403)):
        client = world.as_(who)
        page = (await client.get(f"cases/{name(case)}")).text
        assert "confirm-termination" not in actions(page)
        held = stamp((await world.as_(Role.LEAD).get(f"cases/{name(case)}")).text)
        form = {"decision": "confirm-termination", "reason": "x", "stamp": held}
        answer = await client.post(f"cases/{name(case)}/decide", confirmed="yes", **form)
        assert answer.status_code == status
    assert now_of(world, case).phase is not Phase.TERMINATED
    page = await decide(world.as_("lead2"), case, Decision.CONFIRM_TERMINATION)
    assert now_of(world, case).phase is Phase.TERMINATED
    assert "every sender domain of the tenant" in page


async def test_an_auditor_reads_and_changes_nothing(world: World) -> None:
    """No form but the one to leave; each of its POSTs is refused."""
    case = world.open("acme").case
    client = world.as_(Role.AUDITOR)
    page = (await client.get(f"cases/{name(case)}")).text
    assert "change nothing" in page
    assert re.findall(r'<form method="post" action="([^"]+)"', page) == ["../sign-out"]
    before = now_of(world, case)
    for path in ("decide", "note", "notices/1/again"):
        answer = await client.post(f"cases/{name(case)}/{path}", reason="x", text="x")
        assert answer.status_code == HTTPStatus.FORBIDDEN
    assert (await client.get("new-case")).status_code == HTTPStatus.FORBIDDEN
    assert now_of(world, case) == before


async def test_notes_and_notices(world: World) -> None:
    """A note is text with addresses masked; a notice is sent once more, of this case only."""
    case, other = world.open("acme").case, world.open("beta").case
    client = world.as_(Role.ABUSE)
    await client.post(f"cases/{name(case)}/note", text=f"rang jan.k@inbox.test {MARKUP}")
    page = (await client.get(f"cases/{name(case)}")).text
    assert f"rang j***@inbox.test {MARKUP}" in unescape(page)
    assert "<img src=x" not in page
    with world.database.reading() as connection:
        (sent,) = notices.list_of(connection, case.id)
    again = f"notices/{sent.number}/again"
    assert (await client.post(f"cases/{name(other)}/{again}")).status_code == 404
    assert (await client.post(f"cases/{name(case)}/{again}")).status_code == 303
    with world.database.reading() as connection:
        assert len(notices.list_of(connection, case.id)) == 2
        assert len(notices.list_of(connection, other.id)) == 1


async def test_an_appeal_is_not_decided_by_its_author(world: World) -> None:
    """Who set the sanction sees no button for it, another lead does; abuse staff never do."""
    case = world.open("beta").case
    lead = world.as_(Role.LEAD)
    with world.database.transaction() as connection:
        block = Decided(Decision.APPEAL, "lead", "they rang")
        change(connection, case.id, block, "lead", world.now, world.rules)
    assert not {"uphold", "deny"} & actions(
        (await world.as_(Role.ABUSE).get(f"cases/{name(case)}")).text
    )
    assert {"uphold", "deny"} <= actions((await lead.get(f"cases/{name(case)}")).text)
    page = await decide(lead, case, Decision.UPHOLD)
    assert not now_of(world, case).blocked
    assert "Appeal: the tenant is right" in page
