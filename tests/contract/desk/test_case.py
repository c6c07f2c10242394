"""*Case* and *Cases* over real records: what is shown, to whom, and what a decision changes.

Each test works on a tenant or a case of its own; what a decision does to a case in general is the
engine's and the records' own tests'.
"""

from __future__ import annotations

import re
from html import unescape
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from gateway.records import evidence, notices
from gateway.records.blocks import list_blocks
from gateway.records.case_change import change, note
from gateway.records.case_view import find_case, list_cases, timeline
from gateway.records.cases import take_fact
from gateway.records.evidence import Content
from gateway.records.subjects import add_subject, overwrite
from gateway.words import Role
from policies.sanctions.case import Case, Counts, Decided, Fact, Handed, Noticed
from policies.sanctions.words import Decision, FactKind, Grade, NoticeKind, Phase

if TYPE_CHECKING:
    from conftest import Client, World

MARKUP = "<img src=x onerror=alert(1)><b>"


def name(case: Case) -> str:
    """A case's name in addresses."""
    return f"C-{case.id:06d}"


def now_of(world: World, case: Case) -> Case:
    """The case as it stands."""
    with world.database.reading() as connection:
        found = find_case(connection, case.id)
    assert found is not None
    return found.case


def stamp(page: str) -> str:
    """What the forms of a case's page carry."""
    found = re.search(r'name="stamp" value="(\d+)"', page)
    assert found
    return found[1]


def submitted(world: World, tenant: str) -> Case:
    """A case in which everything was handed in."""
    case = world.open(tenant).case
    with world.database.transaction() as connection:
        for happening in (
            Noticed(NoticeKind.OPENED),
            *(Handed(one.name, "jan") for one in case.requirements),
        ):
            case = change(connection, case.id, happening, "jan", world.now, world.rules).case
    assert case.phase is Phase.SUBMITTED
    return case


async def decide(client: Client, case: Case, decision: Decision, **more: Any) -> str:
    """Decide as a person does: open the case, send the form, confirm what is asked; the answer."""
    page = (await client.get(f"cases/{name(case)}")).text
    form = {"stamp": stamp(page), "decision": decision, "reason": "for a reason", **more}
    answer = await client.post(f"cases/{name(case)}/decide", **form)
    if answer.status_code == HTTPStatus.OK:
        assert "touches" in answer.text
        answer = await client.post(f"cases/{name(case)}/decide", confirmed="yes", **form)
    assert answer.status_code == HTTPStatus.SEE_OTHER, answer.text
    return (await client.get(f"cases/{name(case)}")).text


def actions(page: str) -> set[str]:
    """What a case's page offers to decide."""
    return set(re.findall(r'name="decision" value="([a-z-]+)"', page))


# ---- what is shown ------------------------------------------------------------------------------


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
        reply = add_subject(connection, world.keyring.seal(f"Sorry {MARKUP}"))
        note(connection, taken.case.id, "case.replied", "jan", world.now, subject=reply)
        gone = add_subject(connection, world.keyring.seal("erased words"))
        note(connection, taken.case.id, "case.replied", "jan", world.now, subject=gone)
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


# ---- what is decided ----------------------------------------------------------------------------


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


# ---- the list, and opening by hand --------------------------------------------------------------


async def test_the_list_filters_and_pages(world: World) -> None:
    """By tenant and state, the newest first, 50 on a page; a mark that is none is 400."""
    made = [world.open("delta", FactKind.LEGAL_REQUEST).case.id for _ in range(52)]
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
    with world.database.reading() as connection:
        newest = list_cases(connection, limit=1).cases[0].number
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
        assert list_cases(connection, limit=1).cases[0].number == newest
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
