"""All rolling windows of one process, and what of them a checkpoint must save.

Byte and rate windows share one table, so that one checkpoint covers both. `changes()` gives the
buckets touched since it was last called, with their absolute amounts: saving one twice is
harmless, and a save that failed is handed back with `unsaved()`. `restore()` puts saved buckets
back at start-up. Knows no file and no database.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.state.window import Window
from policies.ports import Clock

SWEEP_AT_LEAST = 1024


@dataclass(frozen=True, slots=True)
class Bucket:
    """One saved bucket: `amount` under `key` from `start` (Unix s) on, in a window of `seconds`."""

    key: str
    seconds: int
    start: int
    amount: int


class WindowTable:
    """Windows by key and length, made on first use and dropped when they are empty."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._windows: dict[tuple[str, int], Window] = {}
        self._dirty: set[tuple[str, int, int]] = set()
        self._sweep_at = SWEEP_AT_LEAST

    def window(self, key: str, seconds: int) -> Window:
        """The window of that key and length, with nothing in it that is over."""
        window = self._windows.get((key, seconds))
        if window is None:
            if len(self._windows) >= self._sweep_at:
                self._sweep()
            window = self._windows[key, seconds] = Window(seconds)
        window.expire(self.clock())
        return window

    def add(self, key: str, seconds: int, amount: int) -> int:
        """Add `amount` now; the window's new total."""
        window = self.window(key, seconds)
        if amount:
            self._dirty.add((key, seconds, window.add(self.clock(), amount)))
        return window.total

    def changes(self) -> list[Bucket]:
        """The buckets that changed since the last call and still count."""
        dirty, self._dirty = self._dirty, set()
        return [
            Bucket(key, seconds, number * window.width, window.amounts[number])
            for key, seconds, number in dirty
            if (window := self._windows.get((key, seconds))) and number in window.amounts
        ]

    def unsaved(self, buckets: Iterable[Bucket]) -> None:
        """Hand back what could not be saved; the next `changes()` gives it again."""
        for bucket in buckets:
            window = self._windows.get((bucket.key, bucket.seconds))
            if window is not None:
                self._dirty.add((bucket.key, bucket.seconds, bucket.start // window.width))

    def snapshot(self) -> list[Bucket]:
        """Every bucket that still counts."""
        self._sweep()
        return [
            Bucket(key, seconds, number * window.width, amount)
            for (key, seconds), window in self._windows.items()
            for number, amount in window.amounts.items()
        ]

    def restore(self, buckets: Iterable[Bucket]) -> None:
        """Put saved buckets into a fresh table; those dated after now count as of now."""
        now = self.clock()
        for bucket in sorted(buckets, key=lambda bucket: bucket.start):
            window = self.window(bucket.key, bucket.seconds)
            window.add(min(float(bucket.start), now), bucket.amount)
        self._sweep()

    def _sweep(self) -> None:
        """Drop empty windows; called again only after the table has doubled, so it costs little."""
        now = self.clock()
        for window in self._windows.values():
            window.expire(now)
        self._windows = {key: window for key, window in self._windows.items() if window.amounts}
        self._sweep_at = max(SWEEP_AT_LEAST, 2 * len(self._windows))
