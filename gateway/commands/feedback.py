"""`consentry feedback`: mail that comes back, what is decided about it, and the rates of it."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

import typer

from gateway.commands.deciding import deciding
from gateway.commands.ingest import ingest
from gateway.commands.records import open_records, when
from gateway.commands.shared import (
    MAX_NUMBER,
    ByOption,
    ConfigOption,
    JsonOption,
    actor,
    clean,
    open_config,
    show,
)
from gateway.presets import read_preset
from gateway.records.bounces import decide_storm, storms
from gateway.records.figures import rates_of
from policies.returned.rates import read_rate
from policies.returned.storms import StormDecision
from policies.sanctions.words import FactKind
from policies.terms import DAY

app = typer.Typer(no_args_is_help=True, help="Mail that comes back: take it in, decide storms.")
app.command("ingest")(ingest)


def register(target: typer.Typer) -> None:
    """Add the group to `target`."""
    target.add_typer(app, name="feedback", rich_help_panel="Abuse desk")


class Part(StrEnum):
    """What rates are shown apart by."""

    STREAM = "stream"
    MAILING = "mailing"
    DOMAIN = "domain"


StormArgument = Annotated[
    int, typer.Argument(min=1, max=MAX_NUMBER, help="The storm's number, as `storms` shows it.")
]
ReasonOption = Annotated[str, typer.Option(help="Why; kept for good.", callback=clean)]


@app.command("storms")
def storms_command(
    all_of_them: Annotated[bool, typer.Option("--all", help="Decided ones, too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List storms, newest first: unknown mailboxes of one provider that are held, not believed.

    Example: consentry feedback storms
    """
    with open_records(config) as records, records.database.reading() as connection:
        found = storms(connection, is_open=not all_of_them, limit=limit)
    rows = [
        {
            "storm": one.number,
            "provider": one.provider,
            "since": when(one.since),
            "last": when(one.last_at),
            "unknown": one.unknown,
            "of": one.sent,
            "held": one.held,
            "tenants": one.tenants,
            "decision": one.decision,
            "by": one.decided_by,
            "reason": one.reason,
        }
        for one in found
    ]
    show(rows, as_json, empty="no storm")


@app.command()
def release(
    storm: StormArgument, reason: ReasonOption, by: ByOption = None, config: ConfigOption = None
) -> None:
    """Forget the bounces of a storm: the provider was in trouble, the mailboxes are there.

    Example: consentry feedback release 3 --reason "their directory was down"
    """
    count = _decide(storm, StormDecision.RELEASE, reason, by, config)
    typer.echo(f"storm {storm}: {count} bounces are forgotten")


@app.command()
def believe(
    storm: StormArgument, reason: ReasonOption, by: ByOption = None, config: ConfigOption = None
) -> None:
    """Believe the bounces of a storm: the mailboxes are gone.

    The service suppresses their recipients at once, by the thresholds.

    Example: consentry feedback believe 3 --reason "they closed free accounts"
    """
    count = _decide(storm, StormDecision.BELIEVE, reason, by, config)
    typer.echo(f"storm {storm}: {count} bounces are believed")


@app.command()
def rates(
    tenant: Annotated[str, typer.Argument(help="Only this tenant's.")] = "",
    days: Annotated[int, typer.Option(min=1, max=3650, help="Of so many days, UTC.")] = 7,
    by: Annotated[list[Part] | None, typer.Option(help="Apart by this; may repeat.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show complaints and bounces with their shares, the most mail first.

    How a share reads is by the contract `standard`: few (too little mail to say), well, warned or
    over.

    Example: consentry feedback rates acme --by mailing --days 30
    """
    since = time.time() - (days - 1) * DAY
    parts = [part.value for part in by or ()]
    with open_records(config) as records, records.database.reading() as connection:
        found = rates_of(connection, tenant, since, parts)[:limit]
    preset = read_preset("standard")
    rows = [
        {
            "tenant": one.tenant,
            **{part: getattr(one, part) for part in parts},
            "offered": one.offered,
            "delivered": one.delivered,
            "complaints": one.complaints,
            "complaint_percent": round(one.complaint_percent, 3),
            "complaints_read": read_rate(
                one.complaints, one.delivered, FactKind.COMPLAINT, preset
            ).value,
            "hard_bounces": one.hard_bounces,
            "hard_bounce_percent": round(one.hard_bounce_percent, 3),
            "hard_bounces_read": read_rate(
                one.hard_bounces, one.offered, FactKind.HARD_BOUNCE, preset
            ).value,
            "soft_bounces": one.soft_bounces,
        }
        for one in found
    ]
    show(rows, as_json, empty="no figures")


def _decide(
    storm: int, decision: StormDecision, reason: str, by: str | None, config: ConfigOption
) -> object:
    """How many bounces it was about."""
    with deciding(open_config(config)) as (connection, _, events):
        told = decide_storm(connection, storm, decision, actor(by), reason, time.time())
        events += told
    return told[0].detail["bounces"]
