"""`consentry consent`: record a tenant's attestation for a list, and find what is on record.

An attestation is consent of level 1: the tenant's word, with its source, its date and the hash of
the file. From a tenant's first attestation on, level 1 is enforced on its streams. What proves
more is in `proofs`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands import proofs
from gateway.commands.progress import import_bars
from gateway.commands.records import (
    open_list,
    open_records,
    show_tally,
    target_of,
    when,
)
from gateway.commands.shared import ByOption, ConfigOption, JsonOption, actor, clean, fail, show
from gateway.records.consents import (
    Attestation,
    find_consents,
    has_attested,
    import_attestation,
)

app = typer.Typer(no_args_is_help=True, help="Who agreed to be mailed, and how we know.")


def register(target: typer.Typer) -> None:
    """Add the group to `target`."""
    target.add_typer(app, name="consent", rich_help_panel="Abuse desk")


proofs.register(app)


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="CSV, or one address a line.", dir_okay=False)],
    scope: Annotated[str, typer.Option(help="A tenant, or tenant/stream.")],
    source: Annotated[
        str, typer.Option(help="How these people agreed, in the tenant's words.", callback=clean)
    ],
    attested: Annotated[
        datetime | None, typer.Option(help="When the tenant attested it, UTC; now by default.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, only.")
    ] = False,
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record that everyone in a list agreed, by the tenant's word (level 1).

    Example: consentry consent import agreed.csv --scope acme/weekly --source "shop sign-up form"
    """
    with open_records(config) as records:
        records.check_scope(scope)
        if scope == "*":
            fail("consent is given to a tenant or to one of its streams, not to all")
        now = time.time()
        at = now if attested is None else attested.replace(tzinfo=UTC).timestamp()
        if at > now:
            fail("--attested is still to come")
        with open_list(file) as read, import_bars(read.lines, as_json, dry_run) as bars:
            tally = import_attestation(
                records.database,
                records.keyring,
                read.rows(),
                Attestation(scope, source, at, actor(by)),
                read.file,
                now,
                progress=bars.reading,
                merging=bars.merging,
                on_bad=bars.on_bad,
                dry_run=dry_run,
            )
        tenant = scope.partition("/")[0]
        with records.database.reading() as connection:
            is_first = dry_run and tally.added > 0 and not has_attested(connection, tenant)
    if is_first:
        typer.echo(
            f"This would be {tenant}'s first attestation: from then on its streams' consent levels "
            "are enforced, and mail to anyone not on record is refused with [NO-OPTIN].",
            err=True,
        )
    show_tally(tally, dry_run, as_json)


@app.command("find")
def find_command(
    address: Annotated[str, typer.Argument(help="An address.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every consent of an address, in force or ended.

    Example: consentry consent find jan@example.org
    """
    target = target_of(address)
    if isinstance(target, str):
        fail(f"{target} is a domain; only a person can consent", status=1)
    with open_records(config) as records, records.database.reading() as connection:
        found = find_consents(connection, records.keyring, target)
    rows = [
        {
            "scope": consent.scope,
            "level": consent.level,
            "given": when(consent.given_at),
            "ended": when(consent.ended_at),
            "source": consent.source,
        }
        for consent in found
    ]
    show(rows, as_json)
    if not found:
        raise typer.Exit(1)
