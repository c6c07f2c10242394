"""Which node does what only one may do: the seat of the leader, and the file it is with SQLite.

A `Seat` is taken by asking for it again and again: `hold` takes it when it is free and says whether
it is ours now. It is ours until the process ends, `leave` is called, or the connection that keeps
it is lost. `open_seat` gives a lock file in the state folder, or with PostgreSQL a lock there, of
`gateway.records.leader_lock`. Calls block and are for one thread at a time.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Protocol

from gateway.config.model import GatewayConfig
from gateway.errors import StoreUnavailable


class Seat(Protocol):
    """One of those who want to be the leader."""

    def hold(self) -> bool:
        """Take the seat if it is free; whether it is ours now. Raises StoreUnavailable."""

    def leave(self) -> None:
        """Give it up, if it is ours."""


def open_seat(config: GatewayConfig) -> Seat:
    """The seat that all nodes with these records share."""
    if config.postgresql is None:
        return FileSeat(config.state_dir / "jobs.lock")
    # Imported here: who has SQLite needs nothing of it.
    from gateway.records.leader_lock import PostgresSeat

    return PostgresSeat(config.postgresql)


class FileSeat:
    """A lock on a file: among the processes of one machine."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    def hold(self) -> bool:
        """Take the seat if it is free; whether it is ours now. Raises StoreUnavailable."""
        if self._file >= 0:
            return True
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnavailable(f"{self._path}: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
        self._file = file
        return True

    def leave(self) -> None:
        """Give it up, if it is ours."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
