"""Keeps the listening sockets of all processes in the supervisor and hands them over.

Answers on `<state_dir>/listeners.sock` (mode 0600) what `gateway.sockets` asks: `take` opens a
socket, unless it is open, and gives a copy; `ready` says what a process uses from now on, and what
nobody uses then is closed. A process that ends does not let go of its sockets: they stay open for
its successor, with the connections that wait in them, until `forget`. Raises ConfigurationError
when the socket cannot be set up, or is another supervisor's.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from gateway.control import bind
from gateway.errors import ConfigurationError
from gateway.sockets import MAX_LINE, PATIENCE, SOCKET, Key, listen

MAX_PORT = 65_535


class SocketKeeper:
    """`start` before any process is started, `close` after all have ended."""

    def __init__(self, state_dir: Path, on_ready: Callable[[int], None]) -> None:
        """`on_ready` is told the process id of whoever serves from now on."""
        self._path = state_dir / SOCKET
        self._on_ready = on_ready
        self._open: dict[Key, socket.socket] = {}
        self._used: dict[str, set[Key]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen for processes."""
        try:
            listener = bind(self._path)
        except OSError as error:
            raise ConfigurationError(f"{self._path}: {error.strerror or error}") from error
        listener.setblocking(False)
        self._spawn(self._accept(listener), listener)

    async def close(self) -> None:
        """Let go of everything."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._path.unlink(missing_ok=True)
        for kept in self._open.values():
            kept.close()
        self._open.clear()

    def forget(self, process: str) -> None:
        """A process has no successor, or none that comes up: close what only it used, so that
        whoever connects is refused and goes elsewhere instead of waiting."""
        self._used.pop(process, None)
        self._close_unused()

    def _spawn(self, work: Coroutine[Any, Any, None], uses: socket.socket) -> None:
        """Do it in the background, and close what it uses however it ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _task: uses.close())

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(listener)
            self._spawn(self._serve(client), client)

    async def _serve(self, client: socket.socket) -> None:
        """Read one request and answer it; whoever is slow, gone or too long gets none."""
        loop = asyncio.get_running_loop()
        client.setblocking(False)
        line = b""
        with suppress(OSError):
            async with asyncio.timeout(PATIENCE):
                while not line.endswith(b"\n"):
                    octets = await loop.sock_recv(client, MAX_LINE)
                    line += octets
                    if not octets or len(line) > MAX_LINE:
                        return
            answer, handed = self._handle(line)
            out = orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE)
            socket.send_fds(client, [out], [kept.fileno() for kept in handed])

    def _handle(self, line: bytes) -> tuple[dict[str, object], list[socket.socket]]:
        try:
            match orjson.loads(line):
                case {
                    "process": str(process),
                    "take": [str(host), int(port), str(name)],
                } if 0 <= port <= MAX_PORT:
                    return {}, [self._take(process, (host, port, name))]
                case {"process": str(process), "ready": [*used], "pid": int(pid)}:
                    self._used[process] = {(str(h), int(p), str(n)) for h, p, n in used}
                    self._close_unused()
                    self._on_ready(pid)
                    return {}, []
        except OSError as error:
            return {"error": error.strerror or str(error)}, []
        except (ValueError, TypeError):
            pass
        return {"error": "a request is one line of JSON with `process` and `take` or `ready`"}, []

    def _take(self, process: str, key: Key) -> socket.socket:
        kept = self._open.get(key)
        if kept is None:
            kept = self._open[key] = listen(key[0], key[1])
        self._used.setdefault(process, set()).add(key)
        return kept

    def _close_unused(self) -> None:
        used = set[Key]().union(*self._used.values())
        for key in self._open.keys() - used:
            self._open.pop(key).close()
