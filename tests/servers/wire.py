"""The line between the gateway and one of its servers, which a test can cut, stall or slow down.

`Wire(port)` listens on a free loopback port, `wire.port`, and carries octets to and from `port`.
`stall()` is a half-open connection: whatever is open stays open, nothing more arrives on either
side, and new connections are taken without an answer. `slow(seconds)` delays every piece, `cut()`
resets what is open, `refuse()` also takes no new connections; `mend()` ends all of that for new
connections, and what was stalled is reset.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType

from tests.e2e.ports import LOOPBACK, free_port

PIECE = 65_536
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends RST."""


class Wire:
    """A context manager that carries while it is open; its methods may be called from anywhere."""

    def __init__(self, target: int) -> None:
        """`target` is the server's port on loopback; assign another one for later connections."""
        self.target = target
        self.port = free_port()
        self._delay = 0.0
        self._loop = asyncio.new_event_loop()
        self._flows = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Wire:
        self._thread.start()
        self.mend()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def connections(self) -> int:
        """How many connections are open through it."""
        return len(self._open) // 2

    def stall(self) -> None:
        """Let nothing more through."""
        self._run(self._set(flows=False, delay=self._delay))

    def slow(self, seconds: float) -> None:
        """Hold every piece for so long, on open connections as well."""
        self._run(self._set(flows=True, delay=seconds))

    def cut(self) -> None:
        """Reset every open connection."""
        self._run(self._reset())

    def refuse(self) -> None:
        """Reset every open connection and take no new one."""
        self._run(self._close())

    def mend(self) -> None:
        """Carry as at the beginning; what was stalled is reset, as a peer that came back does."""
        self._run(self._mend())

    def _run(self, what: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(60)

    async def _set(self, *, flows: bool, delay: float) -> None:
        self._delay = delay
        if flows:
            self._flows.set()
        else:
            self._flows.clear()

    async def _reset(self) -> None:
        for task in list(self._carrying):
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)
        for writer in list(self._open):
            found = writer.get_extra_info("socket")
            with suppress(OSError):
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
        self._open.clear()

    async def _close(self) -> None:
        server, self._server = self._server, None
        if server:
            server.close()
        await self._reset()

    async def _mend(self) -> None:
        if not self._flows.is_set():
            await self._reset()
        await self._set(flows=True, delay=0.0)
        if self._server is None:
            self._server = await asyncio.start_server(self._take, LOOPBACK, self.port)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        self._open.add(writer)
        try:
            await self._flows.wait()
            there, back = await asyncio.open_connection(LOOPBACK, self.target)
            self._open.add(back)
            try:
                await asyncio.gather(self._carry(reader, back), self._carry(there, writer))
            finally:
                self._open.discard(back)
                back.close()
        except (OSError, asyncio.CancelledError):
            return
        finally:
            self._carrying.discard(task)
            self._open.discard(writer)
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(PIECE):
            if self._delay:
                await asyncio.sleep(self._delay)
            await self._flows.wait()
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
