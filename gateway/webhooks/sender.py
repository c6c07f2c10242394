"""The sender: takes what is queued to its receivers until each has it or three days are over.

Every tenant with something due has a task of its own, one call at a time, so that a receiver that
is slow or away holds up nobody else's. What is not answered with 2xx is tried again after growing
pauses. The same call may arrive twice (a process can end between the answer and its record), always
with the same `webhook-id`. A receiver that answers 410 (gone) is told nothing more until the
configuration is loaded again. Raises StoreUnavailable from `run`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from datetime import UTC, datetime

import orjson

from gateway.errors import StoreUnavailable
from gateway.events import Emit, Event
from gateway.jobs import Job
from gateway.records import webhooks
from gateway.records.database import Connection, Database
from gateway.records.subjects import plain_texts
from gateway.records.webhooks import Delivery
from gateway.webhooks.call import CallFailed, Endpoint, call, client
from gateway.webhooks.targets import Targets
from policies.ports import Clock
from suppression.keys import Keyring

PAUSE = 1.0
"""Seconds between two looks at what is due."""
PATIENCE = 3 * 86_400
"""How long something is tried before it is given up."""
PAUSES = (5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 43_200)
"""Seconds after the first, second, ... failure; the last one repeats."""
JITTER = 0.2
"""How much of a pause is chance, so that receivers are not called all at once."""
REST = 60.0
"""Longest rest of a receiver that just failed, whatever else is due for it."""
AT_ONCE = 20
"""What a task takes on before it looks again."""
GONE = 410


class Sender:
    """Sends for all tenants. `adopt` first, then `run` again and again, `close` at the end."""

    def __init__(
        self, database: Database, emit: Emit, clock: Clock, targets: Targets | None = None
    ) -> None:
        self._database = database
        self._emit = emit
        self._clock = clock
        self._targets = targets or Targets()
        self._keyring: Keyring | None = None
        self._endpoints: dict[str, Endpoint] = {}
        self._is_marked = True
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failures: dict[str, int] = {}
        self._resting: dict[str, float] = {}

    def job(self) -> Job:
        """This sender as a job of the web process."""
        return Job("webhooks sent", PAUSE, self.run)

    def adopt(self, receivers: Mapping[str, Endpoint], keyring: Keyring) -> None:
        """Send by this configuration from now on; whoever was gone or resting is called again."""
        self._endpoints, self._keyring = dict(receivers), keyring
        self._is_marked = False
        self._failures.clear()
        self._resting.clear()

    async def run(self) -> int:
        """Start what is due; 0, because each call is an event of its own."""
        await self.mark()
        self._tasks = {name: task for name, task in self._tasks.items() if not task.done()}
        now = self._clock()
        free = [
            name
            for name in self._endpoints
            if name not in self._tasks and self._resting.get(name, 0.0) <= now
        ]
        for name, work in (await asyncio.to_thread(self._due, free, now)).items():
            endpoint = self._endpoints.get(name)
            if endpoint is not None:
                self._tasks[name] = asyncio.create_task(self._serve(endpoint, work))
        return 0

    async def close(self) -> None:
        """Break off what is under way; it is sent again."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._targets.close()

    async def mark(self) -> None:
        """Have the records queue what the configuration asks for."""
        if self._is_marked:
            return
        self._is_marked = True
        wanted = {name: endpoint.kinds for name, endpoint in self._endpoints.items()}
        try:
            await self._database.write(lambda c: webhooks.mark(c, wanted, self._clock()))
        except StoreUnavailable:
            self._is_marked = False
            raise

    def _due(self, names: list[str], now: float) -> dict[str, list[tuple[Delivery, bytes]]]:
        """What is to be sent to these tenants, with the bodies; runs in a thread."""
        found = {}
        with self._database.reading() as connection:
            for name in names:
                if deliveries := webhooks.due(connection, name, now, AT_ONCE):
                    subjects = [d.subject for d in deliveries if d.subject is not None]
                    known = (
                        plain_texts(connection, self._keyring, subjects)
                        if self._keyring is not None
                        else {}
                    )
                    found[name] = [(d, body_of(d, known.get(d.subject or 0))) for d in deliveries]
        return found

    async def _serve(self, endpoint: Endpoint, work: list[tuple[Delivery, bytes]]) -> None:
        try:
            async with client(endpoint) as connection:
                for delivery, body in work:
                    try:
                        status = await call(
                            connection,
                            self._targets,
                            endpoint,
                            delivery.id,
                            int(self._clock()),
                            body,
                        )
                        trouble = "" if 200 <= status < 300 else f"answered {status}"
                    except CallFailed as error:
                        status, trouble = 0, str(error)
                    if trouble:
                        await self._failed(endpoint, delivery, trouble, is_gone=status == GONE)
                        return
                    await self._succeeded(endpoint, delivery)
        except Exception as error:
            # Ours: the store is away, or worse. What was sent and is not noted is sent again.
            self._resting[endpoint.tenant] = self._clock() + REST
            self._tell("webhook.failed", endpoint.tenant, error=repr(error))

    async def _succeeded(self, endpoint: Endpoint, delivery: Delivery) -> None:
        await self._database.write(lambda c: webhooks.delivered(c, delivery.number, self._clock()))
        self._failures.pop(endpoint.tenant, None)
        self._tell(
            "webhook.delivered",
            endpoint.tenant,
            id=delivery.id,
            webhook=delivery.kind,
            attempts=delivery.attempts + 1,
        )

    async def _failed(
        self, endpoint: Endpoint, delivery: Delivery, trouble: str, is_gone: bool
    ) -> None:
        tenant, now = endpoint.tenant, self._clock()
        failures = self._failures[tenant] = self._failures.get(tenant, 0) + 1
        self._resting[tenant] = now + min(REST, pause(failures - 1))
        next_at = now + pause(delivery.attempts)

        def note(connection: Connection) -> int:
            webhooks.put_off(connection, delivery.number, next_at, trouble)
            return webhooks.give_up(connection, tenant, now - PATIENCE, now)

        given_up = await self._database.write(note)
        self._tell(
            "webhook.failed",
            tenant,
            id=delivery.id,
            webhook=delivery.kind,
            attempts=delivery.attempts + 1,
            error=trouble,
        )
        if given_up:
            self._tell("webhook.given-up", tenant, count=given_up)
        if is_gone and self._endpoints.get(tenant) is endpoint:
            del self._endpoints[tenant]
            self._is_marked = False
            self._tell("webhook.disabled", tenant, error=trouble)

    def _tell(self, kind: str, tenant: str, **detail: object) -> None:
        self._emit(Event(kind, self._clock(), tenant=tenant, detail=detail))


def pause(failures: int) -> float:
    """Seconds to wait after so many failures before this one, with chance in it."""
    usual = PAUSES[min(failures, len(PAUSES) - 1)]
    return usual * (1 + random.uniform(-JITTER, JITTER))  # noqa: S311 - no secret


def body_of(delivery: Delivery, text: str | None) -> bytes:
    """The call's JSON; `text` is the plain address or domain, None when it is not known."""
    is_domain = text is not None and "@" not in text
    data = dict(delivery.payload)
    if delivery.kind.is_personal:
        data["address"] = None if is_domain else text
    if is_domain:
        data["domain"] = text
    timestamp = datetime.fromtimestamp(delivery.made_at, UTC).isoformat().replace("+00:00", "Z")
    return orjson.dumps({"type": delivery.kind, "timestamp": timestamp, "data": data})
