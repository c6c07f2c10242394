"""Blocks with undo, audit, staff and Today over real records; live counters."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING

import pytest

from gateway.records import audit, staff, staff_sessions
from gateway.records.blocks import list_blocks
from gateway.records.case_view import list_cases, timeline
from gateway.records.subject_requests import RequestKind, record
from gateway.records.undoings import SECONDS
from gateway.web.desk import subjects
from gateway.web.desk.live import MAX_LISTENERS, Live
from gateway.web.desk.screens import SCREENS
from gateway.words import Address, Role
from policies.sanctions.words import Phase

if TYPE_CHECKING:
    from conftest import World

REASON = "bought list <b>"


def blocked(world: World, tenant: str) -> list[str]:
    """The domains of a tenant's that are blocked now."""
    with world.database.reading() as connection:
        return [block.domain for block in list_blocks(connection, tenant)]


def undo_of(page: str) -> str:
    """The latest undoing that a page offers."""
    found = re.search(r'action="[./]*(undo/\d+)"', page)
    assert found
    return found[1]


async def test_a_block_says_what_it_touches_asks_why_and_can_be_undone(world: World) -> None:
    """The first form only asks; without a reason so does the second. Then the domain is blocked
    under a case, and for a minute whoever did it, and nobody else, can take it back."""
    lead, abuse = world.as_(Role.LEAD), world.as_(Role.ABUSE)
    asked = await lead.post("blocks", domain="SHOP.delta.test", tenant="")
    assert "Block shop.delta.test for delta" in asked.text
    assert "Mail relayed in the last 24 hours" in asked.text
    fields = {"domain": "shop.delta.test", "tenant": "delta", "confirmed": "yes"}
    assert "Write a reason first." in (await lead.post("blocks", **fields, reason=" ")).text
    assert blocked(world, "delta") == []
    done = await lead.post("blocks", **fields, reason=REASON)
    assert (done.status_code, done.headers["location"]) == (303, "./blocks")
    assert blocked(world, "delta") == ["shop.delta.test"]
    page = (await lead.get("blocks")).text
    assert "blocked for delta" in page
    undo = undo_of(page)
    assert "undo/" not in (await abuse.get("blocks")).text
    assert (await abuse.post(undo)).status_code == 409
    assert blocked(world, "delta") == ["shop.delta.test"]
    assert (await lead.post(undo)).status_code == 303
    assert blocked(world, "delta") == []
    assert (await lead.post(undo)).status_code == 409
    with world.database.reading() as connection:
        (case,) = list_cases(connection, tenant="delta").cases
        decided = [
            entry.detail["decision"]
            for entry in timeline(connection, case.number)
            if entry.kind == "case.decided"
        ]
        actions = [
            (row.action, json.loads(row.detail))
            for row in connection.exec_driver_sql("SELECT action, detail FROM audit")
        ]
    assert case.case.phase is Phase.CLOSED
    assert not case.case.counted
    assert decided == ["dismiss", "block"]
    assert any(
        action == "act.undone" and detail["act"] == "block.added" for action, detail in actions
    )


async def test_a_lifted_block_comes_back_within_a_minute_only(world: World) -> None:
    """Lifting lifts the case; undone in time it blocks again, a second late it does not."""
    lead = world.as_(Role.LEAD)
    confirmed = {"confirmed": "yes", "reason": "cleaned"}
    fields = {"domain": "gamma.test", "tenant": "gamma"}
    await lead.post("blocks", **fields, **confirmed)
    for is_late in (False, True):
        with world.database.reading() as connection:
            (block,) = list_blocks(connection, "gamma")
        asked = await lead.post(f"blocks/{block.id}/lift")
        assert f"Lift the block on gamma.test for gamma, case {block.case}?" in asked.text
        assert (await lead.post(f"blocks/{block.id}/lift", **confirmed)).status_code == 303
        assert blocked(world, "gamma") == []
        undo = undo_of((await lead.get("")).text)
        if is_late:
            world.now += SECONDS
            assert "undo/" not in (await lead.get("")).text
            assert (await lead.post(undo)).status_code == 409
            assert blocked(world, "gamma") == []
            assert (await lead.post(f"blocks/{block.id}/lift")).status_code == 409
        else:
            assert (await lead.post(undo)).status_code == 303
            assert blocked(world, "gamma") == ["gamma.test"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"domain": "not a domain", "tenant": ""}, "That is no domain"),
        ({"domain": "nobody.test", "tenant": ""}, "no tenant&#39;s domain"),
        ({"domain": "acme.test", "tenant": "nobody"}, "no tenant&#39;s domain"),
    ],
)
async def test_a_wrong_block_says_why(world: World, fields: dict[str, str], says: str) -> None:
    """And blocks nothing."""
    answer = await world.as_(Role.ABUSE).post("blocks", **fields, confirmed="yes", reason="x")
    assert answer.status_code == 400
    assert says in answer.text


async def test_blocks_are_read_in_pages(world: World) -> None:
    """Fifty at a time, newest first, lifted ones when asked; texts of people are text."""
    with world.database.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM blocks WHERE tenant='beta'")
        for number in range(55):
            connection.exec_driver_sql(
                "INSERT INTO blocks (case_id, tenant, domain, reason, actor, since, lifted_at,"
                " lifted_by, lifted_reason) VALUES (1, 'beta', ?, '<i>why</i>', 'x', 1, ?, ?, '')",
                (f"d{number}.test", *((2, "x") if number % 2 else (None, None))),
            )
    client = world.as_(Role.AUDITOR, "pl")
    page = (await client.get("blocks", tenant="beta")).text
    assert page.count('<th scope="row"') == 28
    assert "<i>" not in page
    assert "/lift" not in page
    page = (await client.get("blocks", tenant="beta", lifted="yes")).text
    assert page.count('<th scope="row"') == 50
    following = re.search(r'href="\?before=(\d+)', page)
    assert following
    page = (await client.get("blocks", tenant="beta", lifted="yes", before=following[1])).text
    assert page.count('<th scope="row"') == 5


async def test_the_trail_is_searched_and_verified(world: World) -> None:
    """By who, what, where and since when; a chain that was altered says where."""
    with world.database.transaction() as connection:
        for number in range(101):
            audit.append(
                connection, at=world.now, actor="zoe", action="thing.done", scope="acme",
                detail={"n": number, "text": "<script>"},
            )  # fmt: skip
    auditor = world.as_(Role.AUDITOR)
    page = (await auditor.get("audit", actor="zoe", action="thing.")).text
    assert page.count('<th scope="row"') == 100
    assert "<script>" not in page
    following = re.search(r'href="\?before=(\d+)&amp;actor=zoe', page)
    assert following
    page = (await auditor.get("audit", actor="zoe", before=following[1])).text
    assert page.count('<th scope="row"') == 1
    assert "No record is like that" in (await auditor.get("audit", since="2060-01-01")).text
    assert (await auditor.get("audit", since="yesterday")).status_code == 400
    assert "The chain is whole" in (await auditor.get("audit/chain")).text
    with world.database.transaction() as connection:
        number = audit.head(connection)[0]
        change = "UPDATE audit SET actor=? WHERE id=?"
        connection.exec_driver_sql(change, ("mallory", number))
    broken = (await auditor.get("audit/chain")).text
    with world.database.transaction() as connection:
        connection.exec_driver_sql(change, ("zoe", number))
    assert f"broken at record {number}" in broken


async def test_operators_say_who_may_sign_in(world: World) -> None:
    """A password is shown once, to the operator; nobody else comes here, and nobody changes
    themselves."""
    operator = world.as_(Role.OPERATOR)
    shown = (await operator.post("staff", name="newt", role="abuse", zone="")).text
    found = re.search(r"Password of newt, shown this once: <code>(\w{24})</code>", shown)
    assert found
    assert found[1] not in (await operator.get("staff")).text
    assert (await operator.post("staff", name="newt", role="abuse")).status_code == 400
    assert (await operator.post("staff", name="N ewt", role="abuse")).status_code == 400
    assert (await operator.post("staff", name="nora", role="king")).status_code == 400
    for path, fields in (("role", {"role": "lead"}), ("disable", {}), ("password", {})):
        assert (await operator.post(f"staff/newt/{path}", **fields)).status_code in (200, 303)
        assert (await operator.post(f"staff/operator/{path}", **fields)).status_code == 409
        for role in (Role.ABUSE, Role.LEAD, Role.AUDITOR):
            answer = await world.as_(role).post(f"staff/newt/{path}", **fields)
            assert answer.status_code == 403
    assert (await world.as_(Role.LEAD).get("staff")).status_code == 403
    assert (await operator.post("staff/newt/promote")).status_code == 404
    assert (await operator.post("staff/nobody/disable")).status_code == 404
    with world.database.reading() as connection:
        newt = staff.member(connection, "newt")
    assert (newt.role, newt.disabled_at is not None) == (Role.LEAD, True)


async def test_today_shows_what_waits(world: World) -> None:
    """A case that a person must decide on stands in its queue, in both languages."""
    moved = world.open("acme", reason="seen")
    case = f"C-{moved.case.id:06d}"
    with world.database.transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE cases SET due_at=?, phase='open' WHERE id=?",
            (int(world.now) + 60, moved.case.id),
        )
    for language, title in (("en", "Due within 4 hours"), ("pl", "Termin w ciągu 4 godzin")):
        page = (await world.as_(Role.ABUSE, language).get("")).text
        assert title in page
        assert case in page
        assert case in (await world.as_(Role.ABUSE, language).get("live/queues")).text


@pytest.mark.parametrize("language", ["en", "pl"])
async def test_screens_are_called_the_same_on_every_page(world: World, language: str) -> None:
    """No screen's own words change a name in the navigation."""
    operator = world.as_(Role.OPERATOR, language)
    pages = [(await operator.get(screen.path)).text for screen in SCREENS if screen.is_listed]
    names = [re.findall(r'<li><a href="[^>]*>([^<]+)</a></li>', page) for page in pages]
    assert len(names[0]) == len(pages)
    assert [one for one in names if one != names[0]] == []


async def test_counters_follow_and_end_with_the_session(world: World) -> None:
    """A listener hears the counters at once and again when they change; signed out, its stream
    ends; more listeners than are allowed get none."""
    live = Live()
    with world.database.transaction() as connection:
        who = staff.member(connection, "lead2")
        text = staff_sessions.begin(connection, who.id, is_complete=True, now=world.now)
    digest = staff_sessions.digest_of(text)
    stream = live.stream(lambda: world.parts, digest)
    assert (await anext(stream)).startswith("retry:")
    first = json.loads((await anext(stream)).partition("data: ")[2])
    with world.database.transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO blocks (case_id, tenant, domain, reason, actor, since)"
            " VALUES (1, 'x', 'live.test', '', 'x', 1)"
        )
    second = json.loads((await anext(stream)).partition("data: ")[2])
    assert second["blocks"] == first["blocks"] + 1
    with world.database.transaction() as connection:
        staff_sessions.end(connection, digest)
    assert [event async for event in stream] == []

    waiting = [live.stream(lambda: world.parts, digest) for _ in range(MAX_LISTENERS)]
    await asyncio.gather(*(anext(one) for one in waiting))
    assert live.is_full
    live.close()
    for one in waiting:
        assert len([event async for event in one]) <= 1  # what was queued before


async def test_only_the_most_overdue_requests_are_listed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are open, the page lists the first ones, and says that there are more."""
    monkeypatch.setattr(subjects, "SHOWN", 2)
    keyring, now = world.keyring, world.now
    with world.database.transaction() as connection:
        for days in (3, 9, 6):
            address = Address(f"late{days}@inbox.test", f"late{days}", "inbox.test")
            at = now - days * 86_400
            record(
                connection, keyring, RequestKind.ACCESS, address, "trial", "by mail", at, "x", now
            )
    page = (await world.as_(Role.ABUSE).get("subjects?tenant=trial")).text
    assert page.count("<tr>") - 1 == 2
    assert "these 2 are the most overdue" in page
    first, second = re.findall(r'data-label="Received">.*?datetime="(\d{4}-\d\d-\d\d)', page)
    assert first < second
