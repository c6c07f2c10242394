"""Whether the gateway runs on a state folder, and keeping it from starting meanwhile.

Each process holds a lock on its journal for as long as it lives, whether it answers or not;
`is_running` looks at that lock, `stopped` takes all of them for its block or raises
ConfigurationError when the gateway runs.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gateway.errors import ConfigurationError

PROCESSES = ("smtp", "web")


def is_running(state_dir: Path, process: str) -> bool:
    """Whether that process of the gateway lives."""
    try:
        with _locked(state_dir, process, fcntl.LOCK_SH, 0):
            return False
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True


@contextmanager
def stopped(state_dir: Path) -> Iterator[None]:
    """A block during which no process of the gateway runs on `state_dir`, nor can start."""
    (state_dir / "journal").mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as stack:
        for process in PROCESSES:
            try:
                stack.enter_context(_locked(state_dir, process, fcntl.LOCK_EX, os.O_CREAT))
            except BlockingIOError:
                raise ConfigurationError(
                    f"{state_dir}: the gateway runs on this state folder; stop it first "
                    "(`consentry drain`)"
                ) from None
        yield


@contextmanager
def _locked(state_dir: Path, process: str, lock: int, more: int) -> Iterator[None]:
    path = state_dir / "journal" / f"{process}.jsonl"
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC | more, 0o600)
    try:
        fcntl.flock(file, lock | fcntl.LOCK_NB)
        yield
    finally:
        os.close(file)
