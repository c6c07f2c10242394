"""`consentry sanctions`: read a contract, and try it on the past.

`show` prints what a preset says; `simulate` replays journals under it and lists who would have been
warned, blocked and charged, and when. Both change nothing and need no configuration.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.commands.shared import JsonOption, show
from gateway.presets import preset_names, read_preset
from gateway.sanctions.past import events_of, replay
from gateway.sanctions.reference import markdown
from policies.sanctions.calendar import Calendar
from policies.sanctions.preset import digest, to_plain
from policies.sanctions.simulate import Simulation, What

app = typer.Typer(no_args_is_help=True, help="The operator's contract: show it, try it.")


def register(target: typer.Typer) -> None:
    """Add the group to `target`."""
    target.add_typer(app, name="sanctions", rich_help_panel="Abuse desk")


TOLD_EVERY = 5.0
"""Seconds between two lines of progress where no bar can be shown."""
PresetOption = Annotated[
    str,
    typer.Option(
        "--preset", help=f"{', '.join(preset_names())}, or the path of a YAML file of your own."
    ),
]
COLUMNS = (What.WARNED, What.TOLD, What.BLOCKED, What.CHARGED, What.FOR_A_PERSON, What.OVERDUE)


@app.command("show")
def show_preset(preset: PresetOption = "standard", as_json: JsonOption = False) -> None:
    """Print what follows from what, and which clause each line implements.

    Example: consentry sanctions show --preset niebieski
    """
    read = read_preset(preset)
    if as_json:
        content = {"name": read.name, "digest": digest(read), **to_plain(read)}
        typer.echo(json.dumps(content, indent=2, ensure_ascii=False))
        return
    console = Console()
    page = markdown(read)
    if console.is_terminal:
        console.print(Markdown(page))
    else:
        typer.echo(page, nl=False)


@app.command()
def simulate(
    journal: Annotated[
        list[Path],
        typer.Option(help="A journal file; may be given again.", exists=True, dir_okay=False),
    ],
    preset: PresetOption = "standard",
    mended_after: Annotated[
        float,
        typer.Option(
            min=0,
            help="Hours after a notice when the tenant has done all that is asked, and staff "
            "accepted it; 0: nobody ever answers.",
        ),
    ] = 24.0,
    as_json: JsonOption = False,
) -> None:
    """Replay the past: who would have been warned, blocked and charged, and when.

    Every notice is taken to arrive at once. What a domain tried while it would have been blocked is
    only counted. Fees are proposals: a person issues them. Changes nothing.

    Example: consentry sanctions simulate --preset niebieski --journal state/journal/smtp.jsonl
    """
    simulation = Simulation(
        read_preset(preset), Calendar(UTC), mended_after * 3600 if mended_after else None
    )
    with _progress(journal, as_json) as reading:
        events, first, last = replay(simulation, events_of(journal, reading))
    lines = [
        {
            "at": datetime.fromtimestamp(line.at, UTC),
            "tenant": line.tenant,
            "what": str(line.what),
            "case": line.case,
            "step": line.step,
            "clause": line.clause,
            "about": line.about,
        }
        for line in simulation.lines
    ]
    tenants = list(_tenants(simulation))
    if as_json:
        span = {"first": _iso(first), "last": _iso(last)} if events else {}
        result = {"preset": preset, "events": events, **span}
        for line in lines:
            line["at"] = line["at"].isoformat()  # type: ignore[attr-defined]
        typer.echo(json.dumps({**result, "tenants": tenants, "lines": lines}, indent=2))
        return
    show(lines, as_json=False, empty="nothing would have followed")
    if tenants:
        typer.echo("")
        show(tenants, as_json=False)
    if events:
        typer.echo(f"\n{events:,} events from {_iso(first)} to {_iso(last)} under {preset}")


def _tenants(simulation: Simulation) -> Iterator[dict[str, object]]:
    """A row for each tenant that anything would have followed for."""
    counts: dict[str, Counter[What]] = {}
    for line in simulation.lines:
        counts.setdefault(line.tenant, Counter())[line.what] += 1
    others = set(simulation.held_back) | set(simulation.waiting)
    for tenant in sorted(set(counts) | others):
        found = counts.get(tenant, Counter())
        yield {
            "tenant": tenant,
            **{str(what): found[what] for what in COLUMNS},
            "held back": simulation.held_back[tenant],
            "reports waiting": simulation.waiting[tenant],
        }


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


@contextmanager
def _progress(paths: Iterable[Path], as_json: bool) -> Iterator[Progressing]:
    """A bar on standard error, or a line of text every few seconds where none can be shown."""
    console = Console(stderr=True, soft_wrap=True)
    is_shown = console.is_terminal and not as_json
    total = sum(path.stat().st_size for path in paths)
    with Progress(
        TextColumn("reading"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not is_shown,
        transient=True,
    ) as bar:
        yield Progressing(bar, total, None if is_shown else console)


class Progressing:
    """Told of each line's octets, it shows how far the reading is, now and then."""

    def __init__(self, bar: Progress, total: int, console: Console | None) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=total)
        self._total = total
        self._console = console
        self._done = 0
        self._shown = 0
        self._told = time.monotonic()

    def __call__(self, octets: int) -> None:
        """So many more were read."""
        self._done += octets
        if self._done - self._shown < 1 << 18:
            return
        self._shown = self._done
        self._bar.update(self._task, completed=self._done)
        if self._console and time.monotonic() - self._told >= TOLD_EVERY:
            self._told = time.monotonic()
            share = 100 * self._done // max(1, self._total)
            self._console.print(f"reading: {share} % of {self._total:,} octets", markup=False)
