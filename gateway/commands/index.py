"""`consentry index`: look at the index in Redis, build it anew, and prove what it says.

Works beside a running gateway. Tables go to standard output, progress to standard error. Exit
status 1 when Redis or the records cannot answer, or when `check` could not prove every shard; 2
when no index is configured.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.commands.records import open_records
from gateway.commands.shared import ConfigOption, JsonOption, fail, show
from gateway.records.database import Database
from gateway.records.index_builder import Progress as Advance
from gateway.records.index_builder import build
from gateway.records.index_check import State, check_shard
from gateway.records.index_publisher import IndexPublisher
from gateway.records.index_state import describe
from gateway.records.look_ups import attach
from gateway.state.redis.keys import SHARDS

TOLD_EVERY = 5.0
"""Seconds between two lines of progress where no bar can be shown."""

app = typer.Typer(no_args_is_help=True, help="The index of suppressions and consents in Redis.")


def register(application: typer.Typer) -> None:
    """Add the group to `application`."""
    application.add_typer(app, name="index", rich_help_panel="Look into it")


@app.command("show")
def show_index(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show each shard: whether it is in use, how far it has come, and how full it is.

    Example: consentry index show

    `behind` counts changes on record that the shard does not have; while there are any, the records
    answer in its place.
    """
    with _open(config) as (database, publisher):
        show([asdict(row) for row in describe(database, publisher)], as_json)


@app.command()
def rebuild(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Build the index from the records, beside the one in use, and swap the two.

    Example: consentry index rebuild

    The gateway does so by itself when there is none, or when it has too many entries for its
    buckets.
    """
    with _open(config) as (database, publisher), _progress("entries", as_json) as advance:
        built = build(database, publisher, advance)
    show([asdict(built)], as_json)


@app.command()
def check(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Compare every shard with the records, and mend what differs.

    Example: consentry index check

    The gateway checks one shard after the other by itself, each about once an hour.
    """
    with _open(config) as (database, publisher), _progress("shards", as_json) as advance:
        checked = []
        for shard in range(SHARDS):
            checked.append(check_shard(database, publisher, shard))
            advance(len(checked), SHARDS)
    show([asdict(one) for one in checked], as_json)
    if any(one.state is not State.PROVEN for one in checked):
        fail("not every shard is proven; `consentry index rebuild` builds it anew", status=1)


@contextmanager
def _open(config: Path | None) -> Iterator[tuple[Database, IndexPublisher]]:
    with open_records(config) as records:
        settings = records.loaded.config
        if not settings.has_index:
            fail("no index is configured: it needs `redis`, and `postgresql` or `redis.index: yes`")
        publisher = records.database.publisher or attach(records.database, settings)
        if not isinstance(publisher, IndexPublisher):
            fail("no index is configured")
        yield records.database, publisher


@contextmanager
def _progress(what: str, as_json: bool) -> Iterator[Advance]:
    """A bar on standard error; off a terminal, and beside JSON, a line every few seconds."""
    bar = Progress(
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=as_json or not sys.stderr.isatty(),
        transient=True,
    )
    told = time.monotonic()
    with bar:
        task = bar.add_task(what, total=None)

        def advance(done: int, of: int) -> None:
            nonlocal told
            bar.update(task, completed=done, total=of)
            if bar.disable and time.monotonic() - told >= TOLD_EVERY:
                told = time.monotonic()
                typer.echo(f"{done:,} of {of:,} {what}", err=True)

        yield advance
