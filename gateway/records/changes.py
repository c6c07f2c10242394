"""A mark that changes with every commit to the records, readable without asking the database.

Eight octets in a file beside the database, mapped into memory by every process: whoever commits
writes a new value there before anyone is told, and a reader that finds the value it knows has seen
everything. Asking SQLite instead (`PRAGMA data_version`) takes two locks each time. A process that
dies between its commit and its mark, or a tool that knows no mark, is noticed by whoever also asks
the database now and then. Raises OSError when the file cannot be made.
"""

from __future__ import annotations

import os
from contextlib import suppress
from mmap import ACCESS_READ, mmap
from pathlib import Path

OCTETS = 8


class ChangeMark:
    """The mark of the database at `path`."""

    __slots__ = ("_file", "_map")

    def __init__(self, path: Path) -> None:
        self._file = os.open(path.with_name(f"{path.name}-mark"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _give_to_owner(path, self._file)
            if os.fstat(self._file).st_size < OCTETS:
                self.change()
            self._map = mmap(self._file, OCTETS, access=ACCESS_READ)
        except BaseException:
            os.close(self._file)
            raise

    def read(self) -> bytes:
        """The value now; another one after any commit."""
        return self._map[:OCTETS]

    def change(self) -> None:
        """Something was committed. Raises OSError when that cannot be written."""
        # Random, not counted: two writers at once must not end with the value there was before.
        # Not through the map: on a full disk that is no error but the end of the process (SIGBUS).
        os.pwrite(self._file, os.urandom(OCTETS), 0)

    def close(self) -> None:
        """Let the file go."""
        self._map.close()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1  # the number will be another file's


def _give_to_owner(database: Path, file: int) -> None:
    # As SQLite does with its own files: what a command of root's made, the service must open.
    if os.geteuid() == 0:
        owner = database.stat()
        with suppress(PermissionError):
            os.fchown(file, owner.st_uid, owner.st_gid)
