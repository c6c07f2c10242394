"""The processes of one node: their names, their control sockets, and whether one lives.

`processes_of` gives those that a configuration wants: SMTP workers, numbered from 1, the web
process, and with `redis` one for jobs (else the web process runs them). A process is known by its
name everywhere: to the supervisor, in metrics and in `consentry status`. Each holds a lock on its
journal for as long as it lives, whether it answers or not; `is_running` looks at that lock.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gateway.config.model import GatewayConfig
from gateway.control import SMTP_SOCKET

JOURNAL_FOLDER = "journal"


class Role(StrEnum):
    """What a process is there for."""

    SMTP = "smtp"
    WEB = "web"
    JOBS = "jobs"


@dataclass(frozen=True, slots=True)
class Process:
    """One process of a node; `number` counts the SMTP workers from 1."""

    role: Role
    number: int = 1

    @property
    def name(self) -> str:
        """`smtp`, `smtp-2`, `web`, `jobs`."""
        return f"{self.role}{self._suffix('-')}"

    @property
    def socket(self) -> str:
        """The file name of its control socket in the state folder."""
        return SMTP_SOCKET if self == SMTP else f"{self.name}.sock"

    @property
    def journal(self) -> str:
        """What its journal files' names begin with; a dash begins the time in those."""
        return f"{self.role}{self._suffix('.')}"

    @property
    def intents(self) -> str:
        """The folder of its intent files, in the state folder."""
        return f"intents{self._suffix('-')}"

    def _suffix(self, mark: str) -> str:
        return f"{mark}{self.number}" if self.number > 1 else ""


_ROLES = list(map(str, Role))
SMTP = Process(Role.SMTP)
WEB = Process(Role.WEB)
JOBS = Process(Role.JOBS)


def workers_of(config: GatewayConfig) -> list[Process]:
    """The SMTP workers that `config` wants."""
    return [Process(Role.SMTP, number) for number in range(1, config.workers + 1)]


def processes_of(config: GatewayConfig) -> list[Process]:
    """All processes that `config` wants, in the order in which they start."""
    return [*workers_of(config), WEB, *([JOBS] if config.redis is not None else [])]


def processes_in(state_dir: Path) -> list[Process]:
    """All that have ever written a journal in `state_dir`, whatever is configured now."""
    found = []
    for path in (state_dir / JOURNAL_FOLDER).glob("*.jsonl"):
        role, _, number = path.stem.partition(".")
        if role in _ROLES and (not number or number.isdecimal()):
            found.append(Process(Role(role), int(number or 1)))
    return sorted(found, key=lambda process: (_ROLES.index(process.role), process.number))


def intents_left(config: GatewayConfig) -> list[Path]:
    """Folders of intent files of workers that are not configured any more and do not live."""
    found = []
    for folder in sorted(config.state_dir.glob(f"{SMTP.intents}-*")):
        number = folder.name.rpartition("-")[2]
        if not number.isdecimal() or int(number) <= config.workers:
            continue
        if not is_running(config.state_dir, Process(Role.SMTP, int(number))):
            found.append(folder)
    return found


def is_running(state_dir: Path, process: Process) -> bool:
    """Whether that process of the gateway lives."""
    try:
        with locked_journal(state_dir, process, fcntl.LOCK_SH):
            return False
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True


@contextmanager
def locked_journal(state_dir: Path, process: Process, lock: int, more: int = 0) -> Iterator[None]:
    """A block during which that process cannot start; BlockingIOError when it runs.

    `lock` is LOCK_SH or LOCK_EX, `more` are further flags to open the file with.
    """
    path = state_dir / JOURNAL_FOLDER / f"{process.journal}.jsonl"
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC | more, 0o600)
    try:
        fcntl.flock(file, lock | fcntl.LOCK_NB)
        yield
    finally:
        os.close(file)
