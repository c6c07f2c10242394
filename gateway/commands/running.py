"""Keeping the gateway from starting on a state folder, for what must not happen while it runs.

`stopped` holds the lock of every process for its block, or raises ConfigurationError when one
lives.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.processes import JOBS, JOURNAL_FOLDER, SMTP, WEB, locked_journal, processes_in


@contextmanager
def stopped(state_dir: Path) -> Iterator[None]:
    """A block during which no process of the gateway runs on `state_dir`, nor can start."""
    (state_dir / JOURNAL_FOLDER).mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as stack:
        for process in dict.fromkeys((SMTP, WEB, JOBS, *processes_in(state_dir))):
            lock = locked_journal(state_dir, process, fcntl.LOCK_EX, os.O_CREAT)
            try:
                stack.enter_context(lock)
            except BlockingIOError:
                raise ConfigurationError(
                    f"{state_dir}: the gateway runs on this state folder; stop it first "
                    "(`consentry drain`)"
                ) from None
        yield
