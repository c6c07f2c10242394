"""Runs the gateway's processes: starts them, starts what crashes again, and passes signals on.

`Supervisor` takes the command line of each child. A child that dies is started again after 0.5 s,
doubling up to 4 s while it keeps dying young. A child that ends with status 0 was drained: then
the others are stopped and the service is over. One whose first life ends with `EX_CONFIG` cannot be
helped by another try, so the service ends with that status. SIGHUP goes to every child, SIGTERM and
SIGINT stop them; who has not ended `patience` seconds later is killed. `restart` has one child
after the other end and waits until its successor serves. Messages go to standard error.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from gateway.errors import ConsentryError

EX_CONFIG = 78
"""The exit status of sysexits.h for a configuration error."""
FIRST_DELAY = 0.5
LONGEST_DELAY = 4.0
"""Seconds: a process that cannot start while a store is away is back within 5 s of its return."""
SETTLED_AFTER = 10.0
"""Seconds after which a child no longer died young: a start that fails takes less. Longer, and who
is killed now and then would be waited for as if it could not start."""
START_PATIENCE = 60.0
"""Seconds a child may take until it serves, before a restart goes no further."""
_PR_SET_PDEATHSIG = 1

Commands = Mapping[str, Sequence[str]]
"""The command line of each child by its name, in the order in which they start."""


class RestartFailed(ConsentryError):
    """A child did not come back; those after it were left as they are."""


class _Child:
    """One child: the process that lives now and what is wanted of it."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self.command = command
        self.process: asyncio.subprocess.Process | None = None
        self.starts = 0
        self.since = 0.0
        self.leaves = asyncio.Event()
        """It shall end now: for its successor's sake, or for good."""
        self.serves = asyncio.Event()
        self.is_dropped = False
        self.has_served = False
        """Whether its last process did, so that its successor should."""

    def send(self, number: signal.Signals) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):  # it ended this very moment
                self.process.send_signal(number)


class Supervisor:
    """Keeps the processes of `commands` running until told to stop."""

    def __init__(
        self,
        commands: Commands,
        patience: float,
        on_dropped: Callable[[str], None] = lambda _name: None,
    ) -> None:
        """`on_dropped` is told the name of a child that will not serve again, or not soon."""
        self._commands = commands
        self._patience = patience
        self._on_dropped = on_dropped
        self._children: dict[str, _Child] = {}
        self._keeping: dict[str, asyncio.Task[None]] = {}
        self._early: set[int] = set()
        self._restarting = asyncio.Lock()
        self._stop = asyncio.Event()
        self._status = 0

    async def run(self) -> int:
        """Run until everything has ended; the exit status of the service."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._pass_on, signal.SIGHUP)
        for name, command in self._commands.items():
            self._start(name, command)
        await self._stop.wait()
        for name in self._children:
            self._on_dropped(name)  # nobody may wait, unanswered, for who is about to end
        await asyncio.gather(*self._keeping.values())
        return self._status

    def serves(self, pid: int) -> None:
        """The child with this process id says that it is there for others."""
        for child in self._children.values():
            if child.process and child.process.pid == pid:
                if not child.leaves.is_set():
                    child.serves.set()
                return
        self._early.add(pid)  # it was faster than our hearing that it was started

    def describe(self) -> list[dict[str, object]]:
        """Each child with its process id, since when it lives (Unix seconds), and its restarts."""
        return [
            {
                "name": child.name,
                "pid": child.process.pid if child.process else None,
                "started": child.since,
                "serves": child.serves.is_set(),
                "restarts": max(0, child.starts - 1),
            }
            for child in self._children.values()
        ]

    async def restart(self, commands: Commands) -> list[str]:
        """End and start again each child, one at a time; what was done, a line for each.

        Those that `commands` has no more end for good first, those that it adds are started last.
        Raises RestartFailed when one does not serve in time, or when a restart is under way.
        """
        if self._restarting.locked():
            raise RestartFailed("a restart is under way already")
        done = []
        async with self._restarting:
            for name in [name for name in self._children if name not in commands]:
                child, keeping = self._children[name], self._keeping[name]
                child.is_dropped = True
                child.leaves.set()
                await keeping
                del self._children[name], self._keeping[name]
                self._on_dropped(name)
                done.append(f"{name} ended for good")
            for name, command in commands.items():
                known = self._children.get(name)
                began = time.monotonic()
                if known is None:
                    known = self._start(name, command)
                else:
                    known.command = command
                    known.serves.clear()
                    known.leaves.set()
                await self._until_it_serves(known)
                done.append(f"{name} serves again after {time.monotonic() - began:.1f} s")
        return done

    async def _until_it_serves(self, child: _Child) -> None:
        serves = asyncio.create_task(child.serves.wait())
        stops = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait(
                (serves, stops),
                timeout=self._patience + START_PATIENCE,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not child.serves.is_set():
                what = "the service ends" if self._stop.is_set() else "see its journal and log"
                raise RestartFailed(f"{child.name} does not serve, the rest was left: {what}")
        finally:
            serves.cancel()
            stops.cancel()

    def _start(self, name: str, command: Sequence[str]) -> _Child:
        child = self._children[name] = _Child(name, command)
        self._keeping[name] = asyncio.create_task(self._keep(child))
        return child

    async def _keep(self, child: _Child) -> None:
        """One child's whole life, restarts included."""
        loop = asyncio.get_running_loop()
        delay = 0.0
        while not (self._stop.is_set() or child.is_dropped):
            child.leaves.clear()
            started = loop.time()
            status = await self._live(child)
            if self._stop.is_set():
                return
            if child.leaves.is_set():
                delay = 0.0
                continue
            if status == 0 or (status == EX_CONFIG and child.starts == 1):
                self._status = status
                self._stop.set()
                return
            if not child.has_served:
                self._on_dropped(child.name)
            delay = next_delay(delay, loop.time() - started)
            _say(f"{child.name} ended with {_named(status)}; starting it again in {delay:g} s")
            await self._first_of(child, within=delay)

    async def _live(self, child: _Child) -> int:
        """Start a child and wait until it has ended, stopping it when it is time; its status."""
        # Its own session: Ctrl-C in a terminal must reach the children through us only.
        process = await asyncio.create_subprocess_exec(*child.command, start_new_session=True)
        child.process, child.since = process, time.time()
        child.starts += 1
        if process.pid in self._early:
            child.serves.set()
        self._early.discard(process.pid)
        ended = asyncio.create_task(process.wait())
        try:
            await self._first_of(child, ended)
            if not ended.done():
                child.send(signal.SIGTERM)
                await asyncio.wait((ended,), timeout=self._patience)
            if not ended.done():
                _say(f"{child.name} did not end within {self._patience:g} s; killing it")
                child.send(signal.SIGKILL)
            return await ended
        finally:
            child.process = None
            child.has_served = child.serves.is_set()
            child.serves.clear()

    async def _first_of(
        self, child: _Child, *ends: asyncio.Task[int], within: float | None = None
    ) -> None:
        """Wait until the service stops, the child shall leave, one of `ends`, or the time is up."""
        orders = [asyncio.create_task(event.wait()) for event in (self._stop, child.leaves)]
        try:
            await asyncio.wait(
                [*orders, *ends], timeout=within, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for order in orders:
                order.cancel()

    def _pass_on(self, number: signal.Signals) -> None:
        for child in self._children.values():
            child.send(number)


def next_delay(last: float, lived: float) -> float:
    """Seconds to wait before a child is started again that `lived` so many seconds, after a wait
    of `last` (0 for none)."""
    if not last or lived > SETTLED_AFTER:
        return FIRST_DELAY
    return min(2 * last, LONGEST_DELAY)


def end_with_parent() -> None:
    """Have this process asked to end (SIGTERM) when the supervisor dies: no orphan keeps a port.

    Linux only; does nothing elsewhere.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _named(status: int) -> str:
    return f"status {status}" if status >= 0 else signal.Signals(-status).name


def _say(text: str) -> None:
    print(f"consentry: {text}", file=sys.stderr, flush=True)
