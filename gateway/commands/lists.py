"""`consentry suppress import` and `export`: whole lists, our own and those of other services.

Exit status 1 when a line was not taken or the list was empty.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import mkstemp
from typing import Annotated, TextIO

import typer
from rich.console import Console
from rich.progress import track

from gateway.commands.list_options import (
    CountryOption,
    DryRunOption,
    HiddenOption,
    ScopeOption,
    StopsOption,
    UntilOption,
    draft_of,
    source_of,
)
from gateway.commands.progress import import_bars
from gateway.commands.records import OpenList, open_list, open_records, show_tally, when
from gateway.commands.shared import ByOption, ConfigOption, JsonOption, clean, fail
from gateway.records.drafts import Refused
from gateway.records.list_diff import Diff
from gateway.records.staging import FOLDER, Staging
from gateway.records.streams import find_scope
from gateway.records.suppression_import import import_suppressions, staging_for
from gateway.records.suppressions import Entry, count_entries, entries
from suppression.dialects import Dialect, Part, part_of
from suppression.foreign_export import Outgoing, parts_of, write_foreign
from suppression.foreign_lists import Format, recognise_text
from suppression.hashes import HashKind
from suppression.listfile import write_rows
from suppression.standing import Reason

_START = 1 << 16
"""Characters of a list that are looked at to tell whose it is."""

PartOption = Annotated[
    Part | None, typer.Option(help="Which list, where a service has a file for each.")
]


def import_command(
    file: Annotated[
        Path, typer.Argument(help="CSV, JSON of a service, or one a line.", dir_okay=False)
    ],
    scope: ScopeOption,
    reason: Annotated[
        Reason | None, typer.Option(help="Why; a list of another service says it itself.")
    ] = None,
    stops: StopsOption = None,
    until: UntilOption = None,
    undisclosed: HiddenOption = False,
    dialect: Annotated[
        Dialect | None,
        typer.Option(help="Whose list it is.", show_default="told by its columns"),
    ] = None,
    part: PartOption = None,
    hashed: Annotated[
        HashKind | None, typer.Option(help="Every row must be such a digest, in hex.")
    ] = None,
    source: Annotated[
        str,
        typer.Option(
            help="Where it comes from, for the record.",
            show_default="import:<file name>",
            callback=clean,
        ),
    ] = "",
    country: CountryOption = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="A robinson list's new edition: end what it does not name any more."
        ),
    ] = False,
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
        records.check_scope(scope)
        form = _format(read, file.name, dialect, part, scope, hashed)
        if form is None and reason is None:
            fail("say why with --reason; see consentry suppress import --help")
        why = reason or Reason.MANUAL
        origin = source_of(why, country, source, f"import:{file.name}")
        draft = draft_of(why, scope, origin, stops, until, undisclosed, by)
        if form is not None:
            Console(stderr=True).print(f"read as a list of {form.dialect}", highlight=False)
        now = time.time()
        if dry_run:
            staged, diff = Staging(records.keyring, now), Diff()
        else:
            folder = records.loaded.config.state_dir / FOLDER
            meaning = " ".join((*records.scopes(), repr(form), repr(hashed), repr(replace)))
            staged = staging_for(folder, records.keyring, draft, read.file, meaning, now)
            diff = None
        with import_bars(read.lines, as_json, dry_run) as bars, staged as staging:
            try:
                tally = import_suppressions(
                    records.database,
                    records.keyring,
                    read.rows(staging.lacks, form, hashed),
                    draft,
                    read.file,
                    now,
                    is_scope=records.is_scope,
                    staging=staging,
                    progress=bars.reading,
                    merging=bars.merging,
                    on_bad=bars.on_bad,
                    dry_run=dry_run,
                    diff=diff,
                    is_edition=replace,
                )
            except Refused as error:
                fail(str(error), status=1)
    if replace and tally.bad:
        message = "nothing of older editions is ended while a line of the new one is not taken"
        Console(stderr=True).print(message, highlight=False)
    show_tally(tally, dry_run, as_json, diff)


def _format(
    read: OpenList,
    name: str,
    dialect: Dialect | None,
    part: Part | None,
    scope: str,
    hashed: HashKind | None,
) -> Format | None:
    """How the list is to be read; None for our own and for plain ones."""
    found = dialect
    if found is None and hashed is None:
        found = recognise_text(read.text.read(_START))
        read.text.seek(0)
    if found is None:
        if part is not None:
            fail("--part is for the lists of another service; name it with --dialect")
        return None
    return Format(found, part or part_of(name), scope)


def export_command(
    file: Annotated[Path | None, typer.Argument(help="CSV to write; else standard output.")] = None,
    scope: Annotated[str, typer.Option(help="Only this scope.")] = "",
    dialect: Annotated[
        Dialect | None, typer.Option(help="As another service takes it.", show_default="our own")
    ] = None,
    part: PartOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many, only.")] = False,
    config: ConfigOption = None,
) -> None:
    """Write every entry that is not lifted as CSV, safe to open in a spreadsheet.

    Example: consentry suppress export entries.csv --scope acme

    `suppress import` takes it back; what is known by its key only, under the same keyring. For
    another service it has what is in force, is about an address that is known, and has a place
    there; what has none is counted.
    """
    if dialect is not None and (part in parts_of(dialect)) is not bool(parts_of(dialect)):
        known = ", ".join(parts_of(dialect))
        fail(f"{dialect} takes {f'a file for each: --part {known}' if known else 'no --part'}")
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
            if dialect is None:
                write_rows(out, map(_cells, stored))
            else:
                count = _write_foreign(out, stored, dialect, part, console)
    console.print(f"{count} entries{' would be written' if dry_run else ''}", highlight=False)


def _write_foreign(
    out: TextIO, stored: Iterable[Entry], dialect: Dialect, part: Part | None, console: Console
) -> int:
    """Write what another service can take; how many, and on `console` what it cannot."""
    unknown = 0
    now = time.time()

    def outgoing() -> Iterator[Outgoing]:
        nonlocal unknown
        for entry in stored:
            if "@" not in entry.address:
                unknown += 1
            elif entry.is_live(now):
                yield Outgoing(entry.address, entry.reason, entry.stops, entry.created_at)

    count, left_out = write_foreign(out, outgoing(), dialect, part)
    for reason, number in sorted(left_out.items()):
        console.print(f"left out: {number} {reason}, which have no place there", highlight=False)
    if unknown:
        text = f"left out: {unknown} that are a domain, a digest or known by key only"
        console.print(text, highlight=False)
    return count


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
