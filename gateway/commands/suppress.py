"""`consentry suppress`: add, lift, find, import and export suppressions.

Opens the database directly, beside a running gateway: what a command has done is in force for the
very next RCPT. Exit status 1 when something was refused, not found or not taken.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from tempfile import mkstemp
from typing import Annotated, TextIO

import typer
from rich.console import Console
from rich.progress import track

from gateway.commands.progress import import_bars
from gateway.commands.records import (
    Records,
    open_list,
    open_records,
    show_tally,
    target_of,
    when,
)
from gateway.commands.shared import ByOption, ConfigOption, JsonOption, actor, clean, fail, show
from gateway.records.staging import FOLDER, Staging
from gateway.records.streams import find_scope
from gateway.records.suppression_import import import_suppressions, staging_for
from gateway.records.suppressions import (
    Draft,
    Entry,
    Refused,
    add,
    count_entries,
    entries,
    entry_of,
    find,
    lift,
)
from suppression.listfile import write_rows
from suppression.precedence import Lifter
from suppression.standing import Reason, Stops

app = typer.Typer(no_args_is_help=True, help="Who must not be mailed, why, and by whom.")

MAX_ENTRY = 2**63 - 1
"""What a number can be in the records."""

TargetArgument = Annotated[str, typer.Argument(help="An address, or a whole domain.")]
ReasonOption = Annotated[Reason, typer.Option(help="Why; it decides what is stopped.")]
ScopeOption = Annotated[str, typer.Option(help="`*`, a tenant, or tenant/stream.")]
StopsOption = Annotated[Stops | None, typer.Option(help="For manual entries: what to stop.")]
UntilOption = Annotated[
    datetime | None, typer.Option(help="For manual entries: the end, UTC; without it, never.")
]
HiddenOption = Annotated[
    bool, typer.Option("--undisclosed", help="Tell the customer [POLICY], never the reason.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would change, only.")]


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
    by: ByOption = None,
    dry_run: DryRunOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Suppress an address, or protect a whole domain with its subdomains.

    Example: consentry suppress add jan@example.org --reason protected --scope "*"
    """
    with open_records(config) as records:
        draft = _draft(records, reason, scope, note, stops, until, undisclosed, by)
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


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="CSV, or one address a line.", dir_okay=False)],
    reason: ReasonOption,
    scope: ScopeOption,
    stops: StopsOption = None,
    until: UntilOption = None,
    undisclosed: HiddenOption = False,
    by: ByOption = None,
    dry_run: DryRunOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import a list; reason and scope of a row win over the options.

    Example: consentry suppress import list.csv --reason manual --scope acme --dry-run

    Running it again, or again after a crash, adds only what is missing; what an interrupted import
    has read is kept for a week and not read again.
    """
    with open_records(config) as records, open_list(file) as read:
        draft = _draft(records, reason, scope, f"import:{file.name}", stops, until, undisclosed, by)
        now = time.time()
        if dry_run:
            staged = Staging(records.keyring, now)
        else:
            folder = records.loaded.config.state_dir / FOLDER
            meaning = " ".join(records.scopes())
            staged = staging_for(folder, records.keyring, draft, read.file, meaning, now)
        with import_bars(read.lines, as_json, dry_run) as bars, staged as staging:
            tally = import_suppressions(
                records.database,
                records.keyring,
                read.rows(staging.lacks),
                draft,
                read.file,
                now,
                is_scope=records.is_scope,
                staging=staging,
                progress=bars.reading,
                merging=bars.merging,
                on_bad=bars.on_bad,
                dry_run=dry_run,
            )
    show_tally(tally, dry_run, as_json)


@app.command("export")
def export_command(
    file: Annotated[Path | None, typer.Argument(help="CSV to write; else standard output.")] = None,
    scope: Annotated[str, typer.Option(help="Only this scope.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many, only.")] = False,
    config: ConfigOption = None,
) -> None:
    """Write every entry that is not lifted as CSV, safe to open in a spreadsheet.

    Example: consentry suppress export entries.csv --scope acme

    `suppress import` takes it back; what is known by its key only, under the same keyring.
    """
    console = Console(stderr=True)
    with open_records(config) as records, ExitStack() as stack:
        out = None if dry_run else stack.enter_context(_output(file))
        connection = stack.enter_context(records.database.reading())
        if scope and find_scope(connection, scope) is None:
            records.check_scope(scope)
        count = count_entries(connection, scope)
        if out is not None:
            stored = track(
                entries(connection, records.keyring, scope),
                "exporting",
                total=count,
                console=console,
                transient=True,
                disable=not console.is_terminal,
            )
            write_rows(out, map(_cells, stored))
    console.print(f"{count} entries{' would be written' if dry_run else ''}", highlight=False)


@contextmanager
def _output(file: Path | None) -> Iterator[TextIO]:
    """Where an export goes. A file is its owner's only, and there once it is whole."""
    if file is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    if file.exists() and not file.is_file():  # a pipe or a device
        with file.open("w", encoding="utf-8", newline="") as out:
            yield out
        return
    path = file.resolve()
    try:
        descriptor, name = mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        fail(f"{path}: cannot be written: {error.strerror}", status=1)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as out:
            yield out
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _draft(
    records: Records,
    reason: Reason,
    scope: str,
    source: str,
    stops: Stops | None,
    until: datetime | None,
    undisclosed: bool,
    by: str | None,
) -> Draft:
    records.check_scope(scope)
    ends_at = None if until is None else until.replace(tzinfo=UTC).timestamp()
    return Draft(reason, scope, Lifter.OPERATOR, source, stops, ends_at, not undisclosed, actor(by))


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


def _cells(entry: Entry) -> tuple[str, ...]:
    """An entry as a line of `suppression.listfile.EXPORT_HEADER`."""
    return (
        entry.address,
        entry.reason.value,
        entry.scope,
        _iso(entry.created_at),
        _iso(entry.ends_at),
        entry.source,
        entry.key.hex(),
        entry.stops.value,
        "yes" if entry.is_disclosable else "no",
        entry.setter,
        entry.hashed or "",
    )


def _iso(seconds: int | None) -> str:
    instant = when(seconds)
    return "" if instant is None else instant.isoformat()
