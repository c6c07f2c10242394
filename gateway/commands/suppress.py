"""`consentry suppress`: add, lift and find suppressions (import and export: `lists`).

Opens the database directly, beside a running gateway: what a command has done is in force for the
very next RCPT. Exit status 1 when something was refused, not found or not taken.
"""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

import typer

from gateway.commands.list_options import (
    CountryOption,
    DryRunOption,
    HiddenOption,
    ReasonOption,
    ScopeOption,
    StopsOption,
    UntilOption,
    draft_of,
    source_of,
)
from gateway.commands.lists import export_command, import_command
from gateway.commands.records import (
    Records,
    open_records,
    target_of,
    when,
)
from gateway.commands.shared import ByOption, ConfigOption, JsonOption, actor, clean, fail, show
from gateway.records.suppressions import (
    Draft,
    Entry,
    Refused,
    add,
    entry_of,
    find,
    lift,
)
from suppression.precedence import Lifter

app = typer.Typer(no_args_is_help=True, help="Who must not be mailed, why, and by whom.")


def register(target: typer.Typer) -> None:
    """Add the group to `target`."""
    target.add_typer(app, name="suppress", rich_help_panel="Abuse desk")


app.command("import")(import_command)
app.command("export")(export_command)

MAX_ENTRY = 2**63 - 1
"""What a number can be in the records."""

TargetArgument = Annotated[str, typer.Argument(help="An address, or a whole domain.")]


class Capacity(StrEnum):
    """As whom a person may lift; what consent, time or a delivery ends, they end themselves."""

    OPERATOR = Lifter.OPERATOR.value
    TENANT = Lifter.TENANT.value
    LIST_OWNER = Lifter.LIST_OWNER.value


@app.command("add")
def add_command(
    target: TargetArgument,
    reason: ReasonOption,
    scope: ScopeOption,
    note: Annotated[
        str, typer.Option(help="Where this comes from, for the record.", callback=clean)
    ] = "command",
    stops: StopsOption = None,
    until: UntilOption = None,
    undisclosed: HiddenOption = False,
    country: CountryOption = None,
    by: ByOption = None,
    dry_run: DryRunOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Suppress an address, or protect a whole domain with its subdomains.

    Example: consentry suppress add jan@example.org --reason protected --scope "*"
    """
    with open_records(config) as records:
        records.check_scope(scope)
        source = source_of(reason, country, "", note)
        draft = draft_of(reason, scope, source, stops, until, undisclosed, by)
        _add(records, target, draft, dry_run, as_json)


@app.command("lift")
def lift_command(
    number: Annotated[
        int,
        typer.Argument(metavar="ENTRY", min=1, max=MAX_ENTRY, help="As `find` shows it."),
    ],
    why: Annotated[str, typer.Option(help="The ground, for the record.", callback=clean)],
    capacity: Annotated[
        Capacity, typer.Option("--as", help="In what capacity.")
    ] = Capacity.OPERATOR,
    by: ByOption = None,
    dry_run: DryRunOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """End an entry; who may depends on its reason. Nothing is deleted.

    Example: consentry suppress lift 4711 --why "the owner asked, mail of 3 May"
    """
    with open_records(config) as records:
        try:
            with records.database.transaction() as connection:
                lift(connection, number, Lifter(capacity.value), actor(by), why, time.time())
                entry = entry_of(connection, records.keyring, number)
                if dry_run:
                    connection.rollback()
        except (Refused, LookupError) as error:
            fail(str(error), status=1)
    show([{"result": "would be lifted" if dry_run else "lifted", **_row(entry)}], as_json)


@app.command("find")
def find_command(
    target: TargetArgument, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Every entry that matches an address or covers a domain, lifted ones too.

    Example: consentry suppress find jan@example.org --json
    """
    with open_records(config) as records, records.database.reading() as connection:
        found = find(connection, records.keyring, target_of(target))
    show([_row(entry) for entry in found], as_json)
    if not found:
        raise typer.Exit(1)


def _add(records: Records, target: str, draft: Draft, dry_run: bool, as_json: bool) -> None:
    where = target_of(target)
    try:
        with records.database.transaction() as connection:
            number, is_new = add(connection, records.keyring, where, draft, time.time())
            stored = entry_of(connection, records.keyring, number)
            if dry_run:
                connection.rollback()
    except Refused as error:
        fail(str(error), status=1)
    outcome = "would be added" if dry_run and is_new else "added" if is_new else "already in force"
    show([{"result": outcome, **_row(stored)}], as_json)


def _row(entry: Entry) -> dict[str, object]:
    """An entry as the tables show it."""
    return {
        "entry": entry.id,
        "address": entry.address or f"key {entry.key.hex()}",
        "reason": "restriction" if entry.is_restriction else entry.reason.value,
        "stops": entry.stops.value,
        "scope": entry.scope,
        "since": when(entry.created_at),
        "ends": when(entry.ends_at),
        "set_by": entry.setter,
        "source": entry.source,
        "state": _state(entry),
        "disclosed": entry.is_disclosable,
        "hashed": entry.hashed,
    }


def _state(entry: Entry) -> str:
    if entry.lifted_at is not None:
        return f"lifted by {entry.lifted_by}: {entry.lifted_reason}"
    return "in force" if entry.is_live(time.time()) else "over"
