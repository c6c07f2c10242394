"""Runs the gateway's processes: starts them, starts what crashes again, and passes signals on.

`Supervisor` takes the command line of each child. A child that dies is started again after 0.5 s,
doubling up to 30 s while it keeps dying young. A child that ends with status 0 was drained: then
the others are stopped and the service is over. One that ends with `EX_CONFIG` cannot be helped by
another try, so the service ends with that status. SIGHUP goes to every child, SIGTERM and SIGINT
stop them; who has not ended `patience` seconds later is killed. Messages go to standard error.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import signal
import sys
from collections.abc import Mapping, Sequence

EX_CONFIG = 78
"""The exit status of sysexits.h for a configuration error."""
FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
SETTLED_AFTER = 10.0
"""Seconds after which a child no longer died young: a start that fails takes less. Longer, and who
is killed now and then would be waited for as if it could not start."""
_PR_SET_PDEATHSIG = 1


class Supervisor:
    """Keeps the processes of `commands` (name to arguments) running until told to stop."""

    def __init__(self, commands: Mapping[str, Sequence[str]], patience: float) -> None:
        self._commands = commands
        self._patience = patience
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._stop = asyncio.Event()
        self._status = 0

    async def run(self) -> int:
        """Run until everything has ended; the exit status of the service."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._pass_on, signal.SIGHUP)
        await asyncio.gather(*(self._keep(name) for name in self._commands))
        return self._status

    async def _keep(self, name: str) -> None:
        """One child's whole life, restarts included."""
        loop = asyncio.get_running_loop()
        delay = 0.0
        while not self._stop.is_set():
            started = loop.time()
            status = await self._live(name)
            if self._stop.is_set():
                return
            if status in (0, EX_CONFIG):
                self._status = status
                self._stop.set()
                return
            delay = next_delay(delay, loop.time() - started)
            _say(f"{name} ended with {_named(status)}; starting it again in {delay:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), delay)

    async def _live(self, name: str) -> int:
        """Start a child and wait until it has ended, stopping it when it is time; its status."""
        # Its own session: Ctrl-C in a terminal must reach the children through us only.
        process = await asyncio.create_subprocess_exec(
            *self._commands[name], start_new_session=True
        )
        self._running[name] = process
        ended = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait((ended, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                _send(process, signal.SIGTERM)
                await asyncio.wait((ended,), timeout=self._patience)
            if not ended.done():
                _say(f"{name} did not end within {self._patience:g} s; killing it")
                _send(process, signal.SIGKILL)
            return await ended
        finally:
            stopping.cancel()
            del self._running[name]

    def _pass_on(self, number: signal.Signals) -> None:
        for process in self._running.values():
            _send(process, number)


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


def _send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended this very moment
        process.send_signal(number)


def _named(status: int) -> str:
    return f"status {status}" if status >= 0 else signal.Signals(-status).name


def _say(text: str) -> None:
    print(f"consentry: {text}", file=sys.stderr, flush=True)
