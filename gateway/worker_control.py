"""What an SMTP worker answers over its control socket.

`handlers` gives the verbs of `gateway.control` over a worker's parts; what each answers is said
there. They read and tell; only `reload` and `drain` change something, and the worker does that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from gateway.config.load import Loaded
from gateway.control import Handler
from gateway.delivery import Delivery
from gateway.journal import Journal
from gateway.metrics import Metrics
from gateway.relay.hops import NextHops
from gateway.smtp.listeners import Listeners
from gateway.smtp.memory import MemoryBudget
from gateway.smtp.services import Snapshot
from gateway.smtp.watch import Watch
from gateway.stores import Stores
from policies.claims import Holds
from suppression.keys import Keyring


class Worker(Protocol):
    """The parts of a worker that are asked."""

    started_at: float
    loaded: Loaded
    snapshot: Snapshot
    keyring: Keyring
    watch: Watch
    budget: MemoryBudget
    delivery: Delivery
    listeners: Listeners
    holds: Holds
    hops: NextHops
    stores: Stores
    journal: Journal
    metrics: Metrics

    async def reload(self) -> tuple[str, ...]:
        """Put the files' present content in force; its warnings."""

    def drain(self) -> None:
        """Take no more mail, and end when what is open has ended."""


def handlers(gateway: Worker) -> dict[str, Handler]:
    """The verbs and who answers them."""

    async def status(_request: Mapping[str, object]) -> object:
        watch, budget = gateway.watch, gateway.budget
        tenants = list(gateway.snapshot.tenants)
        usage = dict(zip(tenants, await gateway.holds.usage(tenants), strict=True))
        return {
            "started": gateway.started_at,
            "config": gateway.loaded.hash,
            "keyring": gateway.keyring.describe(),
            "warnings": list(gateway.loaded.warnings),
            "sessions": len(watch),
            "in_progress": gateway.delivery.in_progress,
            "tasks": len(asyncio.all_tasks()),
            "memory": {"used": budget.used, "total": budget.total},
            "draining": watch.is_draining,
            "listeners": {
                listener.listening.name: f"{listener.endpoint.host}:{listener.port}"
                for listener in gateway.listeners
            },
            "batches": {
                tenant: {"open": now.open, "waiting": now.waiting}
                for tenant, now in usage.items()
                if now.open
            },
            "bytes_24h": {tenant: now.octets for tenant, now in usage.items()},
            "next_hops": gateway.hops.describe(),
            "stores": gateway.stores.describe(),
        }

    async def health(_request: Mapping[str, object]) -> object:
        return {
            "listening": bool(gateway.listeners) and not gateway.watch.is_draining,
            **gateway.stores.are_there(),
            "next_hop": gateway.hops.is_up,
            "journal": gateway.journal.is_writable,
        }

    async def metrics(_request: Mapping[str, object]) -> object:
        return gateway.metrics.text()

    async def reload(_request: Mapping[str, object]) -> object:
        warnings = await gateway.reload()
        return {"config": gateway.loaded.hash, "warnings": list(warnings)}

    async def drain(_request: Mapping[str, object]) -> object:
        gateway.drain()
        await asyncio.to_thread(gateway.listeners.give_up)
        return {"sessions": len(gateway.watch)}

    return {
        "status": status,
        "health": health,
        "metrics": metrics,
        "reload": reload,
        "rotate": gateway.journal.answer_rotate,
        "drain": drain,
    }
