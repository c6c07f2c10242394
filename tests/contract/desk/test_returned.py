"""Mail that came back at the desk: listed and read, storms decided, bounces found by look-up."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.message.address import parse_mailbox
from gateway.records.audit_search import search
from gateway.records.bounces import BounceTerms, settle, storms
from gateway.records.suppressions import find
from gateway.records.undoings import SECONDS
from gateway.web.desk.storms import WAIT
from gateway.words import Role
from tests.contract.desk.came_back import FORGED, JAN, arf, came, storm, trace

if TYPE_CHECKING:
    from conftest import World

NUMBERS = re.compile(r'<th scope="row"[^>]*><a [^>]*reports/(\d+)"')


def reasons(world: World, address: str) -> list[str]:
    """Why an address is suppressed now."""
    with world.database.reading() as connection:
        found = find(connection, world.keyring, parse_mailbox(address))
    return [one.reason.value for one in found if one.is_live(world.now)]


async def test_reports_are_listed_oldest_first_by_form_grade_and_state(
    open_world: Callable[[Path], AbstractContextManager[World]], tmp_path: Path
) -> None:
    """What waits, unless something else is asked for; fifty at a time; Today counts them."""
    with open_world(tmp_path) as world:
        await listed(world)


async def listed(world: World) -> None:
    """The same, in a house of its own."""
    abuse = world.as_(Role.ABUSE)
    first = await came(world, arf("Subject: one"))
    second = await came(world, arf("Subject: two"))
    other = await came(world, b"From: a@x.test\r\nSubject: hello\r\n\r\nStop!\r\n")
    page = (await abuse.get("reports")).text
    assert [int(one) for one in NUMBERS.findall(page)] == [first, second, other]
    for asked, found in (
        ({"form": "arf"}, [first, second]),
        ({"form": "other", "grade": "D"}, [other]),
        ({"grade": "A"}, []),
        ({"state": "unmatched"}, [first, second, other]),
        ({"state": "waiting"}, []),
        ({"form": "staff"}, []),
        ({"form": "'", "grade": "'", "state": "all", "after": str(first)}, [second, other]),
    ):
        page = (await world.as_(Role.AUDITOR, "pl").get("reports", **asked)).text
        assert [int(one) for one in NUMBERS.findall(page)] == found, asked
    today = (await abuse.get("")).text
    assert f"reports/{other}" in today
    assert re.search(r'<b data-counter="unmatched">3</b>', today)
    await abuse.post(f"reports/{first}", decision="dismiss", reason="a test")
    assert str(first) not in NUMBERS.findall((await abuse.get("reports")).text)
    for number in range(50):
        await came(world, arf(f"Subject: more {number}"))
    page = (await abuse.get("reports")).text
    following = re.search(r'href="[./]*reports\?([^"]*after=\d+)"', page)
    assert following
    assert len(NUMBERS.findall(page)) == 50
    more = dict(part.split("=") for part in following[1].replace("&amp;", "&").split("&"))
    assert len(NUMBERS.findall((await abuse.get("reports", **more)).text)) == 2


async def test_a_report_says_what_speaks_for_it(world: World) -> None:
    """Where our token stood, that nobody vouches for who sent it, the recipient masked, and our
    mail's fields; the header sections only once somebody has said why, which is on record."""
    token = trace(world)
    original = (
        f"Subject: =?utf-8?q?Oferta_dla_{JAN.replace('@', '=40')}?=\nConsentry-Trace: {token}"
    )
    number = await came(world, arf(f"{original}\nX-Own: kept back", agent="Loop <b>", To=JAN))
    for role, language, ours, unsigned, why in (
        (
            *(Role.AUDITOR, "en", "ours</span> consentry-trace", "no listed feedback source"),
            "Who reports it is not proven",
        ),
        (
            *(Role.ABUSE, "pl", "nasz</span> consentry-trace", "nie podpisało żadne"),
            "Kto je składa, nie jest pewne",
        ),
    ):
        page = (await world.as_(role, language).get(f"reports/{number}")).text
        assert why in page
        assert ours in page
        assert unsigned in page
        assert "Oferta dla j***@inbox.test" in page
        assert "Loop &lt;b&gt;" in page
        assert f"\N{HORIZONTAL ELLIPSIS}{token[-6:]}" in page
        assert "<pre" not in page
        assert not [one for one in ("kowalski", token, "X-Own", "kept back") if one in page]
    abuse = world.as_(Role.ABUSE)
    shown = (await abuse.post(f"reports/{number}/reveal", reason="they called")).text
    assert f"Consentry-Trace: {token}" in shown
    assert "X-Own: kept back" in shown
    assert "From: Loop &lt;fbl@loop.test&gt;" in shown
    assert JAN in shown
    with world.database.reading() as connection:
        (record, *_) = search(connection, action="address.revealed", actor="abuse")
    assert record.detail == {"report": number, "why": "they called", "screen": "reports"}
    key = world.keyring.exact_key(parse_mailbox(JAN)).hex()
    assert f'name="what" value="{key}"' in page
    page = (await abuse.post("look-up", what=key)).text
    assert f'reports/{number}">{number}</a>' in page


async def test_a_forged_token_is_named(world: World) -> None:
    """Beside ours it spoils it, and the page says so; nothing can be counted."""
    header = f"Consentry-Trace: {trace(world)}\nCFBL-Feedback-ID: {FORGED}\nSubject: x"
    number = await came(world, arf(header))
    page = (await world.as_(Role.LEAD).get(f"reports/{number}")).text
    assert "forged</span> cfbl-feedback-id" in page
    assert "so none of them counts" in page
    assert '<option value="count">' not in page


def undo_of(page: str) -> str:
    """The latest undoing that a page offers."""
    found = re.search(r'action="[./]*(undo/\d+)"', page)
    assert found
    return found[1]


@pytest.mark.parametrize("decision", ["release", "believe"])
async def test_a_storm_is_decided_with_a_reason_and_undone(world: World, decision: str) -> None:
    """It says whom it touches first; taken back within its minute nothing has followed; then what
    was decided does. An auditor only looks."""
    provider, terms = f"{decision}.test", BounceTerms()
    with world.database.transaction() as connection:
        storm(connection, world.rules, world.now, provider)
        number = storms(connection)[0].number
    abuse, path = world.as_(Role.ABUSE), f"storms/{number}/{decision}"
    for page in ((await abuse.get("storms")).text, (await abuse.get("")).text):
        assert provider in page
    looking = (await world.as_(Role.AUDITOR, "pl").get("storms")).text
    assert "zwroty: 26, odbiorcy: 13" in looking
    assert path not in looking
    asked = (await abuse.post(path)).text
    assert "It touches 13 recipients of 2 tenants: acme, beta." in asked
    assert "can be undone for 60 seconds" in asked
    confirmed = {"confirmed": "yes", "reason": "their directory was down"}

    def settled() -> None:
        with world.database.transaction() as connection:
            while settle(connection, world.rules, terms, world.now):
                pass

    for is_undone in (True, False):
        assert (await abuse.post(path, **confirmed)).status_code == 303
        assert (await abuse.post(path, **confirmed)).status_code == 409
        world.now += SECONDS - 1
        settled()
        assert reasons(world, f"user0@{provider}") == []
        if is_undone:
            assert (await abuse.post(undo_of((await abuse.get("")).text))).status_code == 303
            with world.database.reading() as connection:
                assert storms(connection)[0].held == 26
    world.now += WAIT
    settled()
    assert reasons(world, f"user0@{provider}") == (
        ["hard_bounce"] * 2 if decision == "believe" else []
    )
    assert "their directory was down" in (await abuse.get("storms")).text
    with world.database.reading() as connection:
        actions = [one.action for one in search(connection, actor="abuse", action="storm.")]
    assert actions[:3] == ["storm.decided", "storm.reopened", "storm.decided"]
    assert (await abuse.post(path)).status_code == 409
    assert (await abuse.post(f"storms/{number}/forget")).status_code == 404


async def test_bounces_stand_in_the_look_up(world: World) -> None:
    """Class, reply, state and what stands because of it; held ones lead to their storm."""
    abuse = world.as_(Role.ABUSE)
    with world.database.transaction() as connection:
        storm(connection, world.rules, world.now, "found.test", text="<i>unknown user0@found.test")
        number = storms(connection)[0].number
    page = (await abuse.post("look-up", what="user0@found.test")).text
    assert page.count("no such mailbox") == 2
    assert "550 5.1.1 &lt;i&gt;unknown u***@found.test" in page
    assert page.count(f"Storm {number}</a>") == 2
    confirmed = {"confirmed": "yes", "reason": "they closed it"}
    await abuse.post(f"storms/{number}/believe", **confirmed)
    page = (await abuse.post("look-up", what="user0@found.test")).text
    assert "waits for its time" in page
    world.now += WAIT
    with world.database.transaction() as connection:
        while settle(connection, world.rules, BounceTerms(), world.now):
            pass
    page = (await world.as_(Role.AUDITOR, "pl").post("look-up", what="user0@found.test")).text
    bounces = page[page.index('id="bounces"') :]
    assert bounces[: bounces.index("</table>")].count("poczty nie dało się doręczyć") == 2
    assert "uznany" in bounces
