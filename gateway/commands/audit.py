"""`consentry audit`: reading the trail of changes, and proving that nobody has altered it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn

from gateway.commands.records import open_records, target_of, when
from gateway.commands.shared import ConfigOption, JsonOption, show
from gateway.journal_reader import read_events
from gateway.records import chains
from gateway.records.audit_search import search
from gateway.words import Address

app = typer.Typer(no_args_is_help=True, help="The trail of changes: list, verify.")


def register(target: typer.Typer) -> None:
    """Add the group to `target`."""
    target.add_typer(app, name="audit", rich_help_panel="Abuse desk")


@app.command("list")
def list_(
    actor: Annotated[str, typer.Option(help="Who did it.")] = "",
    action: Annotated[
        str, typer.Option(help="What was done; `suppression.` means all that begin so.")
    ] = "",
    scope: Annotated[str, typer.Option(help="`*`, a tenant with its streams, or a stream.")] = "",
    address: Annotated[str, typer.Option(help="About this address or domain.")] = "",
    since: Annotated[datetime | None, typer.Option(help="Not before this instant (UTC).")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 100,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List changes, newest first: who did what to whom, and why.

    Example: consentry audit list --address jan@example.org --since 2027-01-01
    """
    with open_records(config) as records:
        keys: list[bytes] = []
        if address:
            target = target_of(address)
            if isinstance(target, Address):
                keys += records.keyring.look_up_keys(target)
            else:
                keys += records.keyring.domain_look_up_keys(target)
        with records.database.reading() as connection:
            found = search(
                connection,
                actor=actor,
                action=action,
                scope=scope,
                keys=keys,
                since=None if since is None else since.replace(tzinfo=UTC).timestamp(),
                limit=limit,
            )
    show(
        [
            {
                "record": record.id,
                "at": when(record.at),
                "actor": record.actor,
                "action": record.action,
                "scope": record.scope,
                "key": None if record.key is None else record.key.hex(),
                "detail": record.detail if as_json else json.dumps(record.detail),
            }
            for record in found
        ],
        as_json,
    )


@app.command()
def verify(
    journal: Annotated[
        bool,
        typer.Option(
            "--journal", help="Also compare with the heads noted there: a cut-off end shows."
        ),
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(help="The journal elsewhere, such as a copy on the log host."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Walk the hash chains of audit trail, opt-out log and consent proofs; status 1 if one fails.

    Example: consentry audit verify --journal
    """
    with open_records(config) as records:
        settings = records.loaded.config
        noted: list[chains.Noted] = []
        if journal or folder is not None:
            noted = list(_noted(folder or settings.state_dir / "journal"))
        console = Console(stderr=True)
        with (
            Progress(
                TextColumn("{task.description}"),
                MofNCompleteColumn(),
                console=console,
                disable=as_json or not console.is_terminal,
                transient=True,
            ) as bar,
            records.database.reading() as connection,
        ):
            totals = chains.heads(connection)
            tasks = {name: bar.add_task(name, total=number) for name, (number, _) in totals.items()}

            def progress(chain: str, more: int) -> None:
                if chain in tasks:
                    bar.advance(tasks[chain], more)

            log = records.database.opt_outs
            found = list(chains.verify(connection, log, noted, progress))
    show(
        [
            {
                "chain": chain.name,
                "records": chain.records,
                "holds": chain.bad is None,
                "first_bad": chain.bad,
                "why": chain.why,
                "heads_compared": chain.heads,
                "heads_replaced": chain.replaced,
            }
            for chain in found
        ],
        as_json,
    )
    if any(chain.bad is not None for chain in found):
        raise typer.Exit(1)


def _noted(folder: Path) -> Iterator[chains.Noted]:
    for event in read_events(folder):
        if event.kind == chains.HEAD_EVENT:
            yield from chains.noted_in(event.at, event.detail)
