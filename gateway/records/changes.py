"""A mark that changes with every commit to the records, readable without asking the database.

Eight octets in a file beside the database, mapped into memory by every process: whoever commits
puts a new value there before anyone is told, and a reader that finds the value it knows has seen
everything. Asking SQLite instead (`PRAGMA data_version`) takes two locks each time. A process that
dies between its commit and its mark, or a tool that knows no mark, is noticed by whoever also asks
the database now and then. Raises OSError when the file cannot be made.
"""

from __future__ import annotations

import os
from mmap import mmap
from pathlib import Path

OCTETS = 8


class ChangeMark:
    """The mark of the database at `path`."""

    __slots__ = ("_map",)

    def __init__(self, path: Path) -> None:
        file = os.open(path.with_name(f"{path.name}-mark"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(file).st_size < OCTETS:
                os.truncate(file, OCTETS)
            self._map = mmap(file, OCTETS)
        finally:
            os.close(file)

    def read(self) -> bytes:
        """The value now; another one after any commit."""
        return self._map[:OCTETS]

    def change(self) -> None:
        """Something was committed."""
        # Random, not counted: two writers at once must not end with the value there was before.
        self._map[:OCTETS] = os.urandom(OCTETS)

    def close(self) -> None:
        """Let the file go."""
        self._map.close()
