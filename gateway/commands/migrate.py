"""`consentry migrate`: the records move from SQLite to PostgreSQL, or back.

The gateway must be stopped on every node. Says how many rows of each table were moved, and ends
with status 1 when the target is not empty, a count differs or a hash chain does not hold.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.commands.running import stopped
from gateway.commands.shared import (
    ByOption,
    ConfigOption,
    JsonOption,
    actor,
    fail,
    open_config,
    show,
)
from gateway.config.model import GatewayConfig
from gateway.records.store import Place

PANEL = "Run"


class Kind(StrEnum):
    """Where records can be."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


def register(target: typer.Typer) -> None:
    """Add the command to `target`."""
    target.command(rich_help_panel=PANEL)(migrate)


def migrate(
    source: Annotated[Kind, typer.Option("--from", help="Where the records are.")],
    target: Annotated[Kind, typer.Option("--to", help="Where they are to be; nothing is there.")],
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move the records between SQLite and PostgreSQL, counted and with every hash chain walked.

    Needs `postgresql` in the configuration, also to move away from it: take it out afterwards. Stop
    the gateway on every node first.

    Example: consentry migrate --from sqlite --to postgresql
    """
    # Imported here: only this command needs both kinds.
    from gateway.records.moving import move

    settings = open_config(config).config
    if source is target:
        fail("--from and --to name the same kind of records")
    console = Console(stderr=True)
    with (
        stopped(settings.state_dir),
        Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=as_json or not console.is_terminal,
            transient=True,
        ) as bar,
    ):
        task = bar.add_task("moving")
        moved = move(
            _place(settings, source),
            _place(settings, target),
            settings.opt_out_log,
            settings.node,
            actor(by),
            progress=lambda table, done, of: bar.update(
                task, description=table, completed=done, total=of
            ),
            walked=lambda chain, _records: bar.update(task, description=f"walking {chain}"),
        )
    rows: list[dict[str, object]] = [
        {"table": table, "rows": count, "arrived": True} for table, count in moved.rows.items()
    ]
    rows += [{"chain": chain.name, "records": chain.records} for chain in moved.chains]
    if as_json:
        show(
            [{"moved": rows, "old_records": None if moved.aside is None else str(moved.aside)}],
            True,
        )
        return
    show([row for row in rows if row.get("rows")], as_json, empty="there was nothing to move")
    held = ", ".join(f"{chain.name} ({chain.records})" for chain in moved.chains)
    typer.echo(f"every count is the same on both sides; the chains hold: {held}")
    if moved.aside is not None:
        typer.echo(f"the old file is {moved.aside}; delete it when the new records are backed up")


def _place(settings: GatewayConfig, kind: Kind) -> Place:
    if kind is Kind.SQLITE:
        return settings.sqlite_file
    if settings.postgresql is None:
        fail("the configuration names no `postgresql`")
    return settings.postgresql
