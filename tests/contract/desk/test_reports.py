"""One report at the desk: its words masked until revealed, counted, dismissed or matched once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.records.audit_search import search
from gateway.records.reports import Report, ReportState, find_report, take_report
from gateway.words import Role
from policies.sanctions.words import Grade

if TYPE_CHECKING:
    from conftest import World

ADDRESS = "angry.person@inbox.test"


def came(world: World, tenant: str, grade: Grade = Grade.B) -> int:
    """A new report's number."""
    said = {"text": f"I, {ADDRESS}, never asked <img src=x> for this"}
    report = Report(
        grade, "fbl.test", world.now, tenant, "offers", "", f"{tenant}.test" if tenant else "",
        address=ADDRESS, said=said,
    )  # fmt: skip
    with world.database.transaction() as connection:
        return take_report(connection, report, world.rules, world.now).report.number


def state(world: World, number: int) -> ReportState:
    """Where the report stands."""
    with world.database.reading() as connection:
        found = find_report(connection, number)
    assert found is not None
    return found.state


async def test_words_are_masked_until_somebody_says_why(world: World) -> None:
    """What strangers wrote is text; who revealed it and why is on the trail; an auditor may not."""
    number = came(world, "acme")
    abuse = world.as_(Role.ABUSE)
    page = (await abuse.get(f"reports/{number}")).text
    assert "angry.person" not in page
    assert "<img" not in page
    assert f"reports/{number}" in (await abuse.get("")).text
    lacking = await abuse.post(f"reports/{number}/reveal", reason=" ")
    assert (lacking.status_code, "angry.person" in lacking.text) == (400, False)
    assert ADDRESS in (await abuse.post(f"reports/{number}/reveal", reason="they called")).text
    with world.database.reading() as connection:
        (record, *_) = search(connection, action="address.revealed", actor="abuse")
    assert record.detail == {"report": number, "why": "they called", "screen": "reports"}
    auditor = world.as_(Role.AUDITOR, "pl")
    assert (await auditor.get(f"reports/{number}")).status_code == 200
    assert (await auditor.post(f"reports/{number}/reveal", reason="x")).status_code == 403


async def test_a_report_is_decided_once(world: World) -> None:
    """With a reason; what is not possible says so and changes nothing."""
    lead = world.as_(Role.LEAD)
    number = came(world, "acme")
    assert (await lead.post(f"reports/{number}", decision="dismiss")).status_code == 400
    assert (await lead.post(f"reports/{number}", decision="x", reason="x")).status_code == 400
    assert state(world, number) is ReportState.WAITING
    done = await lead.post(f"reports/{number}", decision="dismiss", reason="a test of theirs")
    assert (done.status_code, state(world, number)) == (303, ReportState.DISMISSED)
    again = await lead.post(f"reports/{number}", decision="count", reason="x")
    assert again.status_code == 400
    assert "was dismissed by lead" in again.text
    assert (await lead.get("reports/999999")).status_code == 404


async def test_an_unmatched_report_finds_its_tenant_and_counts(world: World) -> None:
    """Nobody's cannot be counted; matched, it waits; counted, it is a fact of a case."""
    abuse = world.as_(Role.ABUSE)
    number = came(world, "", Grade.D)
    assert state(world, number) is ReportState.UNMATCHED
    refused = await abuse.post(f"reports/{number}", decision="match", reason="x", tenant="nobody")
    assert "there is no tenant nobody" in refused.text
    said = {"decision": "match", "reason": "their Message-ID", "tenant": "beta"}
    await abuse.post(f"reports/{number}", **said)
    assert state(world, number) is ReportState.WAITING
    await abuse.post(f"reports/{number}", decision="count", reason="unasked")
    assert state(world, number) is ReportState.COUNTED
