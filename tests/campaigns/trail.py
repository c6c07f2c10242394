"""Counts what the journal tells while it is written, over rotation: kinds of events, and faults.

`Trail(folder)`, then `poll` every few seconds: faster than the files that are kept are filled, for
what was deleted meanwhile is not counted. A fault is an event of a kind in `FAULTS`, or one whose
trail tells of a fault. The files are held open, so that a file is never taken for another one.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import orjson

FAULTS = frozenset(
    ("task.failed", "policy.failed", "session.failed", "job.failed", "journal.recovered")
)


class Trail:
    """`kinds` counts events, `recipients` those of relayed messages by what became of them."""

    def __init__(self, folder: Path) -> None:
        self.kinds: Counter[str] = Counter()
        self.recipients: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.files = 0
        """Journal files there have been, both processes together."""
        self._folder = folder
        self._files: dict[int, BinaryIO] = {}

    def poll(self) -> None:
        """Read what is new."""
        for path in sorted(self._folder.glob("*.jsonl")):
            with suppress(FileNotFoundError):
                number = path.stat().st_ino
                if number not in self._files:
                    self._files[number] = path.open("rb")
                    self.files += 1
        for number, file in list(self._files.items()):
            self._read(file)
            if os.fstat(file.fileno()).st_nlink == 0:
                file.close()
                del self._files[number]

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files.values():
            file.close()

    def _read(self, file: BinaryIO) -> None:
        start = file.tell()
        for line in file:
            if not line.endswith(b"\n"):
                break
            start += len(line)
            self._take(orjson.loads(line))
        file.seek(start)

    def _take(self, event: dict[str, Any]) -> None:
        kind, detail = event["kind"], event.get("detail", {})
        self.kinds[kind] += 1
        if kind in FAULTS:
            self.faults[f"{kind} {detail}"[:200]] += 1
        for trouble in ("fault", "unsettled"):
            if trouble in detail.get("trail", ()):
                self.faults[f"{kind}: {detail['trail'][trouble]}"[:200]] += 1
        if kind == "message.relayed":
            for recipient in detail.get("recipients", ()):
                self.recipients[recipient["state"]] += 1
