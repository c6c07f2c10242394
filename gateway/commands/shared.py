"""What every command shares: the `--config` and `--json` options, tables, and failing plainly.

`open_config` finds and loads the configuration or ends the command with exit status 2 and every
error on standard error. `show` prints rows as a table for people or as JSON for machines.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from gateway.config.load import Loaded, load
from gateway.errors import ConfigurationError
from gateway.explanation import show as printable

SEARCHED = (Path("consentry.yaml"), Path("/etc/consentry/consentry.yaml"))
MAX_NUMBER = 2**63 - 1
"""What the records can hold; nothing there has a larger number."""
PIPED_WIDTH = 200
"""Columns of a table that is read by a program, where a row should stay one line."""


def clean(text: str | None) -> str | None:
    """A text for the records, refused when a reader of them could not see all of it."""
    if text is not None and not text.isprintable():
        raise typer.BadParameter("has octets or characters that cannot be shown")
    return text


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="CONSENTRY_CONFIG",
        show_default="./consentry.yaml, then /etc/consentry/consentry.yaml",
        help="The gateway file.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
ByOption = Annotated[
    str | None,
    typer.Option(help="Who decided it.", show_default="your login name", callback=clean),
]


def actor(by: str | None) -> str:
    """Who does this, for the records: `by`, or the person behind sudo, or the account."""
    account = os.environ.get("SUDO_USER") or os.environ.get("USER")
    return by or account or f"uid {os.getuid()}"


def find_config(path: Path | None) -> Path:
    """The gateway file to use; ends the command when there is none."""
    if path is not None:
        return path
    found = next((candidate for candidate in SEARCHED if candidate.exists()), None)
    if found is None:
        fail(
            "no consentry.yaml here or in /etc/consentry; name one with --config, or make one "
            "with `consentry init`"
        )
    return found


def open_config(path: Path | None) -> Loaded:
    """The configuration, checked; ends the command with status 2 when it has errors."""
    try:
        return load(find_config(path))
    except ConfigurationError as error:
        fail(str(error))


def fail(text: str, status: int = 2) -> NoReturn:
    """Say why on standard error and end the command with `status`."""
    Console(stderr=True, soft_wrap=True).print(text, style="red", markup=False, highlight=False)
    raise typer.Exit(status)


def show(rows: Sequence[Mapping[str, object]], as_json: bool, empty: str = "nothing found") -> None:
    """Print rows: a table whose columns are the first row's keys, or a JSON array."""
    if as_json:
        typer.echo(json.dumps([dict(row) for row in rows], default=_plain, indent=2))
        return
    if not rows:
        typer.echo(empty)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in rows[0]:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    console = Console() if sys.stdout.isatty() else Console(width=PIPED_WIDTH)
    console.print(table, markup=False, highlight=False)


def _cell(value: object) -> str:
    match value:
        case None | "":
            return "-"
        case True:
            return "yes"
        case False:
            return "no"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")
        case str():
            return printable(value)
        case list() | tuple() | set() | frozenset():
            return ", ".join(map(printable, value)) or "-"
        case _:
            return str(value)


def _plain(value: object) -> object:
    """What JSON has no word for: times as ISO 8601, sets as lists, the rest as text."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return sorted(map(str, value)) if isinstance(value, set | frozenset) else str(value)
