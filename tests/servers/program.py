"""A real server program of the tests' own: in a private folder, on loopback, stopped by its id.

`Program` starts a command, waits until it is ready, and can be frozen (`pause`, `resume`: with all
its children), killed (`kill`) and started again on the same port (`start`). `stop` ends it and
removes its folder. The system ends it, too, when the process that started it has died, so nothing
outlives a killed test run; for that, start it from a thread that lives as long (the main one).
Raises RuntimeError with the program's own log when it does not become ready.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

START_SECONDS, STOP_SECONDS = 120.0, 60.0
T = TypeVar("T")


class Program(ABC):
    """One server; a context manager that starts and stops it."""

    ending = signal.SIGTERM
    """What asks it to end quickly and cleanly."""

    def __init__(self, kind: str, *, account: str | None = None) -> None:
        """`account` is a system account to run under; it owns the folder."""
        # Not under pytest's folder: another account must be able to walk the path, and the path of
        # a Unix socket may have no more than 107 octets.
        self.folder = Path(tempfile.mkdtemp(prefix=f"consentry-{kind}-"))
        self.log_file = self.folder / "log"
        self._account = pwd.getpwnam(account) if account else None
        if self._account:
            os.chown(self.folder, self._account.pw_uid, self._account.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """What to run; called at every start."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it serves; may raise OSError while it does not."""

    def prepare(self) -> None:
        """Make what the first start needs."""
        return

    @property
    def log(self) -> str:
        """What it has written down."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def pid(self) -> int:
        """The id of its first process."""
        assert self._process is not None, "it does not run"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, *, wait: bool = True) -> None:
        """Start it, again after `kill` or `end`, and return once it serves."""
        assert not self.is_running, "it runs already"
        self._process = self.spawn(self.command())
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Return once it serves."""

        def ready() -> bool:
            if not self.is_running:
                raise RuntimeError(f"it ended:\n{self.log[-4000:]}")
            with suppress(OSError):
                return self.is_ready()
            return False

        try:
            wait_for(ready, START_SECONDS)
        except TimeoutError as error:
            raise RuntimeError(f"it did not become ready:\n{self.log[-4000:]}") from error

    def spawn(self, command: Sequence[str | Path]) -> subprocess.Popen[bytes]:
        """Start a command of this server's, under its account, that dies with this process."""
        under = ["setpriv", "--pdeathsig", "KILL"]
        if account := self._account:
            under += [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
        with self.log_file.open("ab") as log:
            return subprocess.Popen(
                [*under, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        for one in family(self.pid):
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGSTOP)

    def resume(self) -> None:
        """Thaw it."""
        for one in family(self.pid):
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, as `kill -9` does; `start` begins anew on the same port."""
        self._end(signal.SIGKILL)

    def end(self) -> None:
        """End it as its operator would, and keep the folder; `start` begins anew."""
        self._end(self.ending)

    def restart(self) -> None:
        """Kill it and start it on the same port; without persistence it is empty then."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """End it and remove its folder."""
        try:
            self.end()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        members = family(process.pid)
        for one in members:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGCONT)
        process.send_signal(how)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        # Children of a killed server see that and leave; until then they hold its port.
        wait_for(lambda: not any(map(is_alive, members)), STOP_SECONDS)


def wait_for(what: Callable[[], T], seconds: float = 60.0) -> T:
    """The first answer of `what` that is true; asks every 10 ms; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not (answer := what()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(0.01)
    return answer


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    return list(_descent(pid))


def _descent(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in task.read_text().split():
                yield from _descent(int(child))


def is_alive(pid: int) -> bool:
    """Whether a process still runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
