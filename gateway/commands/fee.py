"""`consentry fee`: fees that cases brought, for the operator's invoicing. No money moves here."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from gateway.commands.case import CaseArgument, ReasonOption
from gateway.commands.deciding import deciding
from gateway.commands.records import open_records
from gateway.commands.shared import ByOption, ConfigOption, JsonOption, actor, open_config, show
from gateway.records import fees
from gateway.records.blocks import case_id
from gateway.records.case_change import change
from policies.sanctions.case import Decided, FeeState
from policies.sanctions.words import Decision

app = typer.Typer(no_args_is_help=True, help="Fees: list, issue, waive, mark paid, export.")


def register(target: typer.Typer) -> None:
    """Add the group to `target`."""
    target.add_typer(app, name="fee", rich_help_panel="Abuse desk")


TenantOption = Annotated[str, typer.Option(help="Only this tenant's.")]
StateOption = Annotated[FeeState | None, typer.Option(help="Only in this state.")]
NumberArgument = Annotated[int, typer.Argument(help="The fee's number within its case.")]
MOST = 1_000_000


class Format(StrEnum):
    """What an export is written as."""

    CSV = "csv"
    JSON = "json"


@app.command("list")
def list_command(
    tenant: TenantOption = "",
    state: StateOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List fees, newest first.

    Example: consentry fee list --state proposed
    """
    with open_records(config) as records, records.database.reading() as connection:
        found = fees.list_fees(connection, tenant=tenant, state=state)
    rows = [
        {
            "case": case_id(fee.case),
            "fee": fee.number,
            "tenant": fee.tenant,
            "amount": f"{fee.amount / 100:.2f} {fee.currency}",
            "for": f"{fee.count} x {fee.each / 100:.2f}",
            "clause": fee.clause,
            "state": fee.state.value,
        }
        for fee in found
    ]
    show(rows, as_json, empty="no fee found")


@app.command()
def issue(
    number: CaseArgument,
    fee: NumberArgument,
    reason: ReasonOption,
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """Issue a proposed fee: the tenant owes it.

    Example: consentry fee issue C-000123 1 --reason "reports checked"
    """
    _decide(number, fee, Decision.ISSUE_FEE, reason, by, config)


@app.command()
def waive(
    number: CaseArgument,
    fee: NumberArgument,
    reason: ReasonOption,
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """Waive a fee.

    Example: consentry fee waive C-000123 1 --reason "goodwill"
    """
    _decide(number, fee, Decision.WAIVE_FEE, reason, by, config)


@app.command()
def paid(
    number: CaseArgument,
    fee: NumberArgument,
    reason: ReasonOption,
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """Mark an issued fee as paid.

    Example: consentry fee paid C-000123 1 --reason "invoice 2027/14, bank statement of 3 May"
    """
    _decide(number, fee, Decision.PAY_FEE, reason, by, config)


@app.command()
def export(
    format: Annotated[Format, typer.Option(help="csv (RFC 4180) or json.")] = Format.CSV,
    tenant: TenantOption = "",
    state: StateOption = None,
    since: Annotated[
        datetime | None, typer.Option(help="Only those proposed or decided since then, UTC.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Write fees for the operator's invoicing to standard output.

    Example: consentry fee export --format csv --state issued > fees.csv
    """
    instant = None if since is None else since.replace(tzinfo=since.tzinfo or UTC).timestamp()
    with open_records(config) as records, records.database.reading() as connection:
        found = fees.list_fees(connection, tenant=tenant, state=state, since=instant, limit=MOST)
    if format is Format.JSON:
        typer.echo(json.dumps([fees.plain_fee(fee) for fee in found], indent=2))
        return
    for record in fees.export_csv(found):
        sys.stdout.buffer.write(record.encode())
    sys.stdout.buffer.flush()


def _decide(
    number: int, fee: int, decision: Decision, reason: str, by: str | None, config: ConfigOption
) -> None:
    with deciding(open_config(config)) as (connection, rules, events):
        who = actor(by)
        decided = Decided(decision, who, reason, fee=fee)
        moved = change(connection, number, decided, who, time.time(), rules)
        events += moved.events
    (changed,) = [one for one in moved.case.fees if one.number == fee]
    typer.echo(f"fee {fee} of {case_id(number)} is {changed.state}")
