"""What the SMTP process holds now, for its metrics to ask when somebody reads them."""

from __future__ import annotations

from gateway.journal import Journal
from gateway.metrics import Metrics
from gateway.metrics_declared import (
    MEMORY_BYTES,
    NEXT_HOP_CONNECTIONS,
    NEXT_HOP_UP,
    SESSIONS,
    STORE_UP,
)
from gateway.relay.hops import NextHops
from gateway.smtp.memory import MemoryBudget
from gateway.smtp.watch import Watch
from gateway.stores import Stores


def watch_gauges(
    metrics: Metrics,
    watch: Watch,
    budget: MemoryBudget,
    hops: NextHops,
    journal: Journal,
    stores: Stores,
) -> None:
    """Have `metrics` ask for sessions, memory, next hops, journal and stores at each reading."""
    metrics.watch(STORE_UP, lambda: {(name,): float(up) for name, up in stores.are_there().items()})
    metrics.watch(SESSIONS, lambda: {(): float(len(watch))})
    metrics.watch(MEMORY_BYTES, lambda: {(): float(budget.used)})
    metrics.watch(
        NEXT_HOP_UP,
        lambda: {(str(hop["name"]),): float(hop["state"] == "up") for hop in hops.describe()},
    )
    metrics.watch(
        NEXT_HOP_CONNECTIONS,
        lambda: {(str(hop["name"]),): float(str(hop["connections"])) for hop in hops.describe()},
    )
    metrics.watch_journal(lambda: journal.is_writable, lambda: journal.dropped)
