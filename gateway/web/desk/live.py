"""Counters that follow by themselves: server-sent events, one query a second for all listeners.

`Live` counts while somebody listens. A stream tells the counters when they change, ends when its
session does, and after 25 s in any case: the HTTP server lets no connection live longer than 30,
and browsers come again by themselves. At most `MAX_LISTENERS` streams; more get 503 and the page
stands as it was loaded. A store that cannot serve is asked again a second later.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from gateway.errors import StoreUnavailable
from gateway.records import staff_sessions
from gateway.records.desk_counts import counters
from gateway.web.desk.gate import Anyone
from gateway.web.desk.parts import Current, Parts

MAX_LISTENERS = 100
STREAM_SECONDS = 25.0
PAUSE = 1.0
AGAIN = "retry: 2000\n\n"
"""How long (ms) a browser waits before it comes again."""


@dataclass(eq=False, slots=True)
class Listener:
    """One open stream; None in `told` ends it."""

    digest: bytes
    told: asyncio.Queue[str | None] = field(default_factory=lambda: asyncio.Queue(4))

    def tell(self, text: str | None) -> None:
        """Queue a text; one that does not read loses the oldest."""
        if self.told.full():
            self.told.get_nowait()
        self.told.put_nowait(text)


class Live:
    """One per process."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self._said = ""
        self._is_closed = False

    def close(self) -> None:
        """End every stream, so that the process can."""
        self._is_closed = True
        for listener in self._listeners:
            listener.tell(None)
        if self._task is not None:
            self._task.cancel()

    @property
    def is_full(self) -> bool:
        """Whether no further stream can be had."""
        return self._is_closed or len(self._listeners) >= MAX_LISTENERS

    async def stream(self, current: Current, digest: bytes) -> AsyncIterator[str]:
        """The events of one listener, whose session has that digest."""
        listener = Listener(digest)
        self._listeners.add(listener)
        if self._task is None or self._task.done():
            self._said = ""
            self._task = asyncio.create_task(self._run(current))
        elif self._said:
            listener.tell(self._said)
        try:
            yield AGAIN
            with suppress(TimeoutError):
                async with asyncio.timeout(STREAM_SECONDS):
                    while (text := await listener.told.get()) is not None:
                        yield f"event: counters\ndata: {text}\n\n"
        finally:
            self._listeners.discard(listener)

    async def _run(self, current: Current) -> None:
        while self._listeners:
            with suppress(StoreUnavailable):
                said, live = await asyncio.to_thread(self._look, current)
                for listener in tuple(self._listeners):
                    if listener.digest not in live:
                        listener.tell(None)
                    elif said != self._said:
                        listener.tell(said)
                self._said = said
            await asyncio.sleep(PAUSE)

    def _look(self, current: Current) -> tuple[str, set[bytes]]:
        parts = current()
        now = parts.clock()
        digests = [listener.digest for listener in tuple(self._listeners)]
        with parts.database.reading() as connection:
            live = staff_sessions.living(connection, digests, now)
            return json.dumps(counters(connection, now)), live


def router(live: Live, current: Current) -> APIRouter:
    """The stream's route."""
    routes = APIRouter()

    @routes.get("/live")
    async def listen(request: Request, _parts: Parts, who: Anyone) -> Response:
        if live.is_full:
            return Response(status_code=HTTPStatus.SERVICE_UNAVAILABLE)
        return StreamingResponse(
            live.stream(current, who.session.digest), media_type="text/event-stream"
        )

    return routes
