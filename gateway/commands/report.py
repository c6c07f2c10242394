"""`consentry report`: complaints as they came in, by grade of evidence, and what came of them."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from gateway.commands.deciding import deciding
from gateway.commands.records import open_records, when
from gateway.commands.shared import (
    MAX_NUMBER,
    ByOption,
    ConfigOption,
    JsonOption,
    actor,
    clean,
    fail,
    open_config,
    show,
)
from gateway.errors import AddressSyntaxError
from gateway.message.address import parse_mailbox
from gateway.records import reports
from gateway.records.blocks import case_id
from gateway.records.reports import Report, ReportDecision, ReportState
from gateway.records.suppressions import Draft
from gateway.records.suppressions import add as suppress
from policies.sanctions.words import Grade
from suppression.precedence import Lifter
from suppression.standing import Reason

app = typer.Typer(no_args_is_help=True, help="Complaints: list, add, count, dismiss, match.")


def register(target: typer.Typer) -> None:
    """Add the group to `target`."""
    target.add_typer(app, name="report", rich_help_panel="Abuse desk")


NumberArgument = Annotated[
    int, typer.Argument(min=1, max=MAX_NUMBER, help="The report's number, as `list` shows it.")
]
ReasonOption = Annotated[str, typer.Option(help="Why; kept for good.", callback=clean)]


@app.command("list")
def list_command(
    tenant: Annotated[str, typer.Option(help="Only this tenant's.")] = "",
    state: Annotated[ReportState | None, typer.Option(help="Only in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List reports, newest first; addresses stay sealed.

    Example: consentry report list --state waiting
    """
    with open_records(config) as records, records.database.reading() as connection:
        found = reports.list_reports(connection, state=state, tenant=tenant, limit=limit)
    rows = [
        {
            "report": one.number,
            "received": when(one.received_at),
            "grade": one.grade.value,
            "source": one.source,
            "tenant": one.tenant,
            "stream": one.stream,
            "mailing": one.mailing,
            "state": one.state.value,
            "by": one.decided_by,
            "reason": one.reason,
        }
        for one in found
    ]
    show(rows, as_json, empty="no report found")


@app.command()
def add(
    address: Annotated[str, typer.Argument(help="Who complains.")],
    grade: Annotated[Grade, typer.Option(help="How good the evidence is.")],
    source: Annotated[str, typer.Option(help="By which way it came.", callback=clean)],
    tenant: Annotated[str, typer.Option(help="Whose mail it was; grade D: nobody knows.")] = "",
    stream: Annotated[str, typer.Option(help="Of which stream.")] = "",
    mailing: Annotated[str, typer.Option(help="Of which mailing.")] = "",
    domain: Annotated[str, typer.Option(help="Its sender domain.")] = "",
    ref: Annotated[str, typer.Option(help="Its reference.")] = "",
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """Take a complaint in. Of grade A and B the address is suppressed for the tenant at once.

    Example: consentry report add jan@example.org --grade B --source phone --tenant acme
    """
    loaded = open_config(config)
    if tenant and tenant not in loaded.tenants:
        fail(f"there is no tenant {tenant}")
    try:
        mailbox = parse_mailbox(address)
    except AddressSyntaxError as error:
        fail(f"{address}: {error}")
    with deciding(loaded) as (connection, rules, events):
        now = time.time()
        report = Report(
            grade,
            source,
            now,
            tenant=tenant,
            stream=stream,
            mailing=mailing,
            domain=domain,
            ref=ref,
            key=rules.keyring.exact_key(mailbox),
            address=mailbox.text,
        )
        taken = reports.take_report(connection, report, rules, now)
        if tenant and taken.report.grade in (Grade.A, Grade.B):
            draft = Draft(Reason.COMPLAINT, tenant, Lifter.OPERATOR, source, actor=actor(by))
            suppress(connection, rules.keyring, mailbox, draft, now)
        events += taken.events
    case = f", {case_id(taken.case.id)}" if taken.case else ""
    typer.echo(
        f"report {taken.report.number} is {taken.report.state}, grade {taken.report.grade}{case}"
    )


@app.command()
def decide(
    number: NumberArgument,
    decision: Annotated[ReportDecision, typer.Argument(help="What is decided.")],
    reason: ReasonOption,
    tenant: Annotated[str, typer.Option(help="For match: whose mail it was.")] = "",
    stream: Annotated[str, typer.Option(help="For match: of which stream.")] = "",
    mailing: Annotated[str, typer.Option(help="For match: of which mailing.")] = "",
    domain: Annotated[str, typer.Option(help="For match: its sender domain.")] = "",
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """Count a report (it is a fact then), dismiss it, or match it to a tenant.

    Example: consentry report decide 17 count --reason "the mail is attached"
    """
    with deciding(open_config(config)) as (connection, rules, events):
        taken = reports.decide_report(
            connection,
            number,
            decision,
            actor(by),
            reason,
            time.time(),
            rules,
            tenant=tenant,
            stream=stream,
            mailing=mailing,
            domain=domain,
        )
        events += taken.events
    case = f", {case_id(taken.case.id)}" if taken.case else ""
    typer.echo(f"report {number} is {taken.report.state}{case}")
