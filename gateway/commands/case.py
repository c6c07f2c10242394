"""`consentry case`: list and read cases, open them, and decide about them.

Works on the records directly; the running gateway obeys from the next MAIL on, and its notices go
out by themselves. Every decision carries who and why, and is in timeline, audit trail and journal.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from gateway.commands.deciding import deciding
from gateway.commands.records import open_records, when
from gateway.commands.shared import (
    ByOption,
    ConfigOption,
    JsonOption,
    actor,
    clean,
    fail,
    open_config,
    show,
)
from gateway.config.values import to_a_label
from gateway.errors import ConfigurationError
from gateway.records import case_view
from gateway.records.blocks import case_id, case_number
from gateway.records.case_change import change, note, open_by_hand
from gateway.records.case_view import StoredCase
from policies.sanctions.case import Decided, Fact
from policies.sanctions.words import Decision, FactKind, Phase

app = typer.Typer(no_args_is_help=True, help="Cases: list, read, open, decide.")


def register(target: typer.Typer) -> None:
    """Add the group to `target`."""
    target.add_typer(app, name="case", rich_help_panel="Abuse desk")


def _number(text: str) -> int:
    try:
        return case_number(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


CaseArgument = Annotated[int, typer.Argument(help="Such as C-000123.", parser=_number)]
ReasonOption = Annotated[str, typer.Option(help="Why; kept for good.", callback=clean)]
UntilOption = Annotated[
    datetime | None, typer.Option(help="A deadline, UTC: 2027-01-31 or 2027-01-31T18:00:00.")
]


@app.command("list")
def list_command(
    tenant: Annotated[str, typer.Option(help="Only this tenant's.")] = "",
    phase: Annotated[list[Phase] | None, typer.Option(help="Only in these phases.")] = None,
    queue: Annotated[
        case_view.Queue | None, typer.Option(help="What waits for staff, the most urgent first.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List cases, newest first.

    Example: consentry case list --tenant acme --phase open --phase overdue
    """
    with open_records(config) as records, records.database.reading() as connection:
        if queue is not None:
            page = case_view.queue(connection, queue, time.time(), limit=limit)
        else:
            page = case_view.list_cases(connection, tenant=tenant, phases=phase or (), limit=limit)
    rows = [_row(found) for found in page.cases if tenant in ("", found.case.tenant)]
    show(rows, as_json, empty="no case found")


@app.command("show")
def show_command(
    number: CaseArgument, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show one case with its timeline.

    Example: consentry case show C-000123
    """
    with open_records(config) as records, records.database.reading() as connection:
        found = case_view.find_case(connection, number)
        if found is None:
            fail(f"there is no case {case_id(number)}", status=1)
        timeline = case_view.timeline(connection, number)
    if as_json:
        told = {"id": found.id, **asdict(found.case), "next_at": found.next_at}
        told["timeline"] = [asdict(entry) for entry in reversed(timeline)]
        typer.echo(json.dumps(told, default=str, indent=2))
        return
    show([_row(found)], as_json)
    typer.echo()
    rows = [
        {"at": when(e.at), "by": e.actor, "what": e.kind, "detail": json.dumps(e.detail)}
        for e in reversed(timeline)
    ]
    show(rows, as_json)


@app.command("open")
def open_command(
    tenant: Annotated[str, typer.Argument(help="Whose case.")],
    kind: Annotated[FactKind, typer.Option(help="What happened.")],
    reason: ReasonOption,
    domain: Annotated[
        list[str] | None,
        typer.Option(help="Sender domains that may be blocked.", show_default="all of them"),
    ] = None,
    until: UntilOption = None,
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """Open a case; its step of the tenant's contract begins, or waits to be confirmed.

    Example: consentry case open acme --kind instruction --reason "mend your bounce handling"
    """
    loaded = open_config(config)
    if tenant not in loaded.tenants:
        fail(f"there is no tenant {tenant}")
    try:
        named = tuple(map(to_a_label, domain or ()))
    except ValueError as error:
        fail(str(error))
    with deciding(loaded) as (connection, rules, events):
        now = time.time()
        who = actor(by)
        domains = named or rules.of(tenant).domains
        first = named[0] if named else ""
        fact = Fact(kind, tenant, "", "", first, b"", "", now, actor=who, domains=domains)
        moved = open_by_hand(connection, fact, who, reason, now, rules, until=_instant(until))
        events += moved.events
    typer.echo(f"{case_id(moved.case.id)} is {moved.case.phase}, step {moved.case.step}")


@app.command()
def decide(
    number: CaseArgument,
    decision: Annotated[Decision, typer.Argument(help="What is decided.")],
    reason: ReasonOption,
    requirement: Annotated[str, typer.Option(help="For met and reject: which one.")] = "",
    until: UntilOption = None,
    fee: Annotated[int, typer.Option(help="For the fee's decisions: its number.")] = 0,
    minutes: Annotated[int, typer.Option(help="For bill: minutes of work.")] = 0,
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """Decide about a case. What is not allowed now is refused with the reason.

    Example: consentry case decide C-000123 accept --reason "screenshot shows the filter"
    """
    with deciding(open_config(config)) as (connection, rules, events):
        who = actor(by)
        decided = Decided(decision, who, reason, requirement, _instant(until), fee, minutes)
        moved = change(connection, number, decided, who, time.time(), rules)
        events += moved.events
    blocked = f", {', '.join(moved.case.domains)} blocked" if moved.case.blocked else ""
    typer.echo(f"{case_id(number)} is {moved.case.phase}{blocked}")


@app.command("note")
def note_command(
    number: CaseArgument,
    text: Annotated[str, typer.Argument(help="For whoever reads the case.", callback=clean)],
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """Add a note to a case's timeline.

    Example: consentry case note C-000123 "called, they mend it today"
    """
    with deciding(open_config(config)) as (connection, _, _):
        detail = {"text": text}
        note(connection, number, "case.noted", actor(by), time.time(), detail=detail)
    typer.echo(f"noted in {case_id(number)}")


def _instant(until: datetime | None) -> float | None:
    if until is None:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    if until.timestamp() <= time.time():
        raise ConfigurationError(f"{until:%Y-%m-%d %H:%M} UTC is past; give a later deadline")
    return until.timestamp()


def _row(found: StoredCase) -> dict[str, object]:
    case = found.case
    return {
        "case": found.id,
        "tenant": case.tenant,
        "ladder": case.ladder,
        "step": case.step,
        "phase": case.phase.value,
        "facts": case.facts,
        "reports": case.reports,
        "blocked": list(case.domains) if case.blocked else [],
        "opened": when(case.opened_at),
        "due": when(case.due_at),
        "open_items": list(case.open_items),
    }
