"""The journal's files as an index sees them: which there are, whether one is still the same, and
a stretch of lines.

`files_in` gives a `JournalFile` for each. A file keeps its inode when it is rotated and gets a new
one when it is rewritten; since inodes are used again, `mark_of` tells whether what was read of a
file still stands before the place reached. `stretch` reads whole lines from there on. A file that
is pruned meanwhile is empty. Raises OSError.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.journal_reader import parse

MARK_OCTETS = 256


@dataclass(slots=True)
class JournalFile:
    """One file of the journal, and how far it has been read (`id` 0: not at all).

    `ctime` is in nanoseconds; `is_finished` says that no process writes it any more; `last_at`
    (Unix seconds) is the latest time read in it.
    """

    path: Path
    inode: int
    size: int
    ctime: int
    is_finished: bool
    id: int = 0
    reached: int = 0
    last_at: float = 0.0

    @property
    def age(self) -> tuple[bool, str]:
        """Sorts files by when they ended; those that are still written come last."""
        return not self.is_finished, self.path.stem.partition("-")[2]


def files_in(folder: Path) -> list[JournalFile]:
    """Every file of the journal in `folder`; none when the folder is not there yet."""
    found = []
    for path in folder.glob("*.jsonl"):
        with suppress(FileNotFoundError):  # rotated or pruned just now: the next call sees it
            status = path.stat()
            is_finished = "-" in path.name
            found.append(
                JournalFile(path, status.st_ino, status.st_size, status.st_ctime_ns, is_finished)
            )
    return found


def mark_of(file: JournalFile) -> bytes:
    """A digest of the last octets before the place reached; of fewer when the file is shorter."""
    start = max(0, file.reached - MARK_OCTETS)
    try:
        with file.path.open("rb") as opened:
            octets = os.pread(opened.fileno(), file.reached - start, start)
    except FileNotFoundError:
        return b""
    return hashlib.blake2b(octets, digest_size=8).digest()


def stretch(file: JournalFile, octets: int) -> bytes:
    """Whole lines from the place reached on: at least one, else up to `octets`.

    The last line of a finished file is whole even if it was torn.
    """
    try:
        with file.path.open("rb") as opened:
            opened.seek(file.reached)
            read = opened.read(octets)
            if len(read) == octets:
                return read + opened.readline()
    except FileNotFoundError:
        return b""
    return read if file.is_finished else read[: read.rfind(b"\n") + 1]


def next_at(file: JournalFile) -> float | None:
    """When the first event that has not been read happened; None when that is not known."""
    line = stretch(file, 1)
    event = parse(line) if line else None
    return event.at if event else None
