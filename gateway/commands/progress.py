"""How an import shows its progress: rows, rate and time left, on standard error.

Takes rows as they are done, gives two bars on a terminal and a line of text every few seconds
elsewhere. Lines that were not taken are listed there, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.commands.shared import fail
from gateway.explanation import show as printable
from suppression.listfile import BadRow

TOLD_EVERY = 5.0
"""Seconds between two lines of progress where no bars can be shown."""


@dataclass(slots=True)
class Bars:
    """Where an import reports: rows read, then rows brought into force, and lines not taken."""

    reading: Callable[[int], None]
    merging: Callable[[int], None]
    on_bad: Callable[[BadRow], None]


@contextmanager
def import_bars(lines: int, as_json: bool, dry_run: bool) -> Iterator[Bars]:
    """Two progress bars on standard error, where lines not taken are listed too.

    Off a terminal, and beside JSON, a line of text every `TOLD_EVERY` seconds takes their place.
    An interrupted import ends the command with what is stored so far.
    """
    console = Console(stderr=True, soft_wrap=True)
    is_shown = console.is_terminal and not as_json
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
        disable=not is_shown,
        transient=True,
    ) as bar:
        phases = [Phase("reading", lines), Phase("storing", lines)]
        tasks = [bar.add_task(phase.name, total=lines, rate="") for phase in phases]
        told = time.monotonic()

        def advance(number: int, rows: int) -> None:
            nonlocal told
            phase = phases[number]
            phase.advance(rows)
            bar.update(tasks[number], advance=rows, rate=phase.rate)
            if not is_shown and time.monotonic() - told >= TOLD_EVERY:
                told = time.monotonic()
                console.print(str(phase), markup=False, highlight=False)

        def on_bad(row: BadRow) -> None:
            console.print(
                f"line {row.line}: {printable(row.problem)}", markup=False, highlight=False
            )

        try:
            yield Bars(partial(advance, 0), partial(advance, 1), on_bad)
        except KeyboardInterrupt:
            stored = 0 if dry_run else phases[1].done
            again = "" if dry_run else "; run it again to complete"
            fail(f"interrupted: {stored} of some {lines} lines are stored{again}", status=130)


@dataclass(slots=True)
class Phase:
    """How far one half of an import is. What an earlier try has done does not count as speed."""

    name: str
    lines: int
    done: int = 0
    _began: float = 0.0
    _before: int = 0

    def advance(self, rows: int) -> None:
        """That many more lines are done."""
        self.done += rows
        if not self._began:
            self._began, self._before = time.monotonic(), self.done

    @property
    def rate(self) -> str:
        """Lines a second since the first were done, as people read it."""
        per_second = self._per_second()
        return f"{per_second:,.0f}/s" if per_second else ""

    def __str__(self) -> str:
        left = ""
        if per_second := self._per_second():
            seconds = max(0, self.lines - self.done) / per_second
            left = f", {per_second:,.0f}/s, {timedelta(seconds=int(seconds))} left"
        return f"{self.name}: {self.done:,} of some {self.lines:,} lines{left}"

    def _per_second(self) -> float:
        taken = time.monotonic() - self._began if self._began else 0.0
        return (self.done - self._before) / taken if taken else 0.0
