"""One call as a route sees it: who calls, what is there to work with, reading and changing.

`Call` reads; `Change` also writes, once for each Idempotency-Key: the same key with the same
request gets the stored answer (`Idempotency-Replayed: true`), with another request 422, and 409
while the first is under way. The change and the key's row are one transaction. Raises Problem.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from gateway.errors import StoreUnavailable
from gateway.records.database import Connection
from gateway.records.idempotency import Answer, KeyReused, keep, key_marks, marks, recall
from gateway.web.api.errors import IN_FLIGHT, KEY_REUSED, Problem, invalid
from gateway.web.api.parts import ApiParts, Caller
from gateway.web.api.security import bearer

T = TypeVar("T")
WRITE_SECONDS = 20.0
"""How long a change may take to become durable before the caller is told to come back."""

KeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Any text of the caller's own, such as a UUID, new for each new request; the "
        "same call sent again within 24 hours then changes nothing twice.",
    ),
]


class Call:
    """A call that only reads."""

    def __init__(self, request: Request, caller: Caller) -> None:
        self.request = request
        self.caller = caller
        self.parts: ApiParts = request.state.parts

    @property
    def now(self) -> float:
        """Unix seconds."""
        return self.parts.clock()

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` reads, in a thread; StoreUnavailable."""

        def run() -> T:
            with self.parts.database.reading() as connection:
                return work(connection)

        return await asyncio.to_thread(run)

    def check_scope(self, scope: str, pointer: str = "#/scope") -> None:
        """Refuse a scope that is not configured or not the caller's, in the same words."""
        if not (self.parts.is_scope(scope) and self.caller.owns(scope)):
            raise invalid(pointer, f"{scope}: no such tenant or stream")


class Change(Call):
    """A call that changes something."""

    def __init__(self, request: Request, caller: Caller, key: str | None, body: bytes) -> None:
        super().__init__(request, caller)
        self._key = key
        self._body = body

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What `work` gives, its changes durable; StoreUnavailable. For what needs several."""
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                return await self.parts.database.write(work)
        except TimeoutError as error:
            raise StoreUnavailable(f"records: not written within {WRITE_SECONDS:g} s") from error

    async def commit(
        self,
        work: Callable[[Connection], BaseModel],
        status: int = 200,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> Response:
        """The answer with what `work` gives, once its changes are durable.

        `before` makes changes in transactions of its own, so that others need not wait long; they
        must do no harm when they are done twice.
        """

        def made(connection: Connection) -> Answer:
            return Answer(status, work(connection).model_dump_json())

        if self._key is None:
            if before is not None:
                await before()
            return _response(await self.write(made))
        name = self.caller.token.id, self._key
        in_flight: set[tuple[int, str]] = self.request.app.state.in_flight
        if name in in_flight:
            raise Problem(IN_FLIGHT)
        in_flight.add(name)
        try:
            answer, is_replayed = await self._once(*name, made, before)
        except KeyReused as error:
            raise Problem(KEY_REUSED, str(error)) from None
        finally:
            in_flight.discard(name)
        return _response(answer, is_replayed)

    async def _once(
        self,
        token: int,
        key: str,
        made: Callable[[Connection], Answer],
        before: Callable[[], Awaitable[None]] | None,
    ) -> tuple[Answer, bool]:
        """The answer, and whether it was given before."""
        url = self.request.url
        target = f"{self.request.method} {url.path}?{url.query}\0".encode()
        request, now = marks(self.parts.keyring, target + self._body), self.now
        names = key_marks(self.parts.keyring, key)

        def once(connection: Connection) -> tuple[Answer, bool]:
            if known := recall(connection, token, names, request, now):
                return known, True
            answer = made(connection)
            keep(connection, token, names, request, answer, now)
            return answer, False

        if before is not None:
            known = await self.read(
                lambda connection: recall(connection, token, names, request, now)
            )
            if known is not None:
                return known, True
            await before()
        return await self.write(once)


def _response(answer: Answer, is_replayed: bool = False) -> Response:
    headers = {"Idempotency-Replayed": "true"} if is_replayed else None
    return Response(answer.body, answer.status, headers, "application/json")


async def reading(request: Request, caller: Annotated[Caller, Depends(bearer)]) -> Call:
    """Dependency of routes that read, or hand on what somebody else stores."""
    return Call(request, caller)


async def changing(
    request: Request, caller: Annotated[Caller, Depends(bearer)], key: KeyHeader = None
) -> Change:
    """Dependency of routes that change something."""
    return Change(request, caller, key, await request.body())


async def recording(request: Request, caller: Annotated[Caller, Depends(bearer)]) -> Change:
    """Dependency of routes that read and leave a record of it, once for each call."""
    return Change(request, caller, None, b"")
