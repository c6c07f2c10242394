"""What each process counts and shows of the metrics that `gateway.metrics_declared` declares.

`Metrics` is an SMTP worker's set, `WebMetrics` the web process's; any other has `ProcessMetrics`.
Counters follow from events through `count` (under 5 microseconds); times are observed where they
pass; what can be read off at any moment (open sessions, next hops) is watched and read when a
scrape asks. Past 200 combinations of labels a metric says `other`.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import Callable, Iterable, Mapping

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.events import Event
from gateway.metrics_declared import (
    BLOCKED,
    BOUNCES,
    BYTES,
    CONFIGURATIONS,
    CPU_SECONDS,
    FACTS,
    JOURNAL_DROPPED,
    JOURNAL_WRITABLE,
    LOOK_UP_SECONDS,
    LOOK_UPS,
    LOOP_LAG,
    MESSAGES,
    NEXT_HOP_REFUSALS,
    OPEN_FILES,
    POLICY_FAILURES,
    POLICY_SECONDS,
    PROCESS_UP,
    RECIPIENTS,
    REFUSALS,
    RELAY_SECONDS,
    REPORTS,
    RESIDENT_BYTES,
    RETURNED,
    SESSIONS_TOTAL,
    SIGN_INS,
    STARTED,
    UNSUBSCRIBED,
    Declared,
    Kind,
)
from gateway.replies import BY_TAG
from gateway.words import Stage

MAX_CHILDREN = 200
HEARTBEAT = 0.01
"""Seconds between two looks at how late the loop is: what holds it for longer is seen."""

# The `_created` series would double the counters' lines; the library has no types for this call.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


BOUNCED = ("bounce.received", "bounce.believed", "bounce.held", "bounce.released")
"""Events of what has become of one bounce."""

Reading = Callable[[], Mapping[tuple[str, ...], float]]
"""Gives the values of a watched metric now, by the values of its labels."""


class _Counters:
    """The children of one labelled counter, found by one dict look-up each."""

    def __init__(self, declared: Declared, registry: CollectorRegistry) -> None:
        self._metric = Counter(
            declared.full_name, declared.help, declared.labels, registry=registry
        )
        self._children: dict[tuple[str, ...], Counter] = {}
        self._other = ("other",) * len(declared.labels)

    def __call__(self, *values: str) -> Counter:
        child = self._children.get(values)
        if child is None:
            if len(self._children) >= MAX_CHILDREN:
                values = self._other
            child = self._children[values] = self._metric.labels(*values)
        return child


class _Watched(Collector):
    """A metric whose values are read when a scrape asks."""

    def __init__(self, declared: Declared, read: Reading) -> None:
        self._declared = declared
        self._read = read

    def describe(self) -> Iterable[Metric]:
        return [self._family()]

    def collect(self) -> Iterable[Metric]:
        family = self._family()
        for labels, value in self._read().items():
            family.add_metric(labels, value)
        yield family

    def _family(self) -> CounterMetricFamily | GaugeMetricFamily:
        is_counter = self._declared.kind is Kind.COUNTER
        family = CounterMetricFamily if is_counter else GaugeMetricFamily
        return family(self._declared.full_name, self._declared.help, labels=self._declared.labels)


class ProcessMetrics:
    """What all processes have: their own health, told apart by the label `process`."""

    def __init__(self, process: str) -> None:
        self.registry = CollectorRegistry()
        self._process = process
        refusals = _counter(NEXT_HOP_REFUSALS, self.registry)
        self._returned = _Counters(RETURNED, self.registry)
        self._reports = _Counters(REPORTS, self.registry)
        self._bounces = _Counters(BOUNCES, self.registry)
        self._counting: dict[str, Callable[[Event], None]] = {
            "next_hop.refused_us": lambda event: refusals.inc(),
            "returned.taken": self._returned_mail,
            "report.received": self._report,
            **dict.fromkeys(BOUNCED, self._bounce),
        }
        self.loop_lag = _histogram(LOOP_LAG, self.registry).labels(process)
        """Observes seconds; see `heartbeat`."""
        started = time.time()
        self.watch(CPU_SECONDS, lambda: {(process,): time.process_time()})
        self.watch(RESIDENT_BYTES, lambda: {(process,): _resident_bytes()})
        self.watch(OPEN_FILES, lambda: {(process,): len(os.listdir("/proc/self/fd"))})
        self.watch(STARTED, lambda: {(process,): started})

    def count(self, event: Event) -> None:
        """Count what follows from one event."""
        counting = self._counting.get(event.kind)
        if counting is not None:
            counting(event)

    def watch(self, declared: Declared, read: Reading) -> None:
        """Read `declared` off by calling `read` at each scrape."""
        self.registry.register(_Watched(declared, read))

    def watch_journal(self, is_writable: Callable[[], bool], dropped: Callable[[], int]) -> None:
        """Show the state of this process's journal."""
        self.watch(JOURNAL_WRITABLE, lambda: {(self._process,): float(is_writable())})
        self.watch(JOURNAL_DROPPED, lambda: {(self._process,): float(dropped())})

    def text(self) -> str:
        """All of it in Prometheus' text format."""
        return prometheus_client.generate_latest(self.registry).decode()

    def _returned_mail(self, event: Event) -> None:
        self._returned(_text(event, "form"), _text(event, "became")).inc()

    def _report(self, event: Event) -> None:
        self._reports(_text(event, "type"), _text(event, "grade")).inc()

    def _bounce(self, event: Event) -> None:
        self._bounces(_text(event, "class"), event.kind.partition(".")[2]).inc()


class WebMetrics(ProcessMetrics):
    """The web process's metrics. `up` says which of the others have just answered."""

    def __init__(self) -> None:
        super().__init__("web")
        self.up: Mapping[str, bool] = {}
        self.watch(PROCESS_UP, lambda: {(name,): float(up) for name, up in self.up.items()})
        unsubscribed = _counter(UNSUBSCRIBED, self.registry)
        self._counting["unsubscribed"] = lambda event: unsubscribed.inc()


class Metrics(ProcessMetrics):
    """An SMTP worker's metrics. `sessions_opened.inc()` is for the listeners."""

    def __init__(self, process: str = "smtp") -> None:
        super().__init__(process)
        registry = self.registry
        self.sessions_opened = _counter(SESSIONS_TOTAL, registry)
        self.look_up_seconds = _histogram(LOOK_UP_SECONDS, registry)
        by_stage = _histogram(POLICY_SECONDS, registry)
        self.policy_seconds = {stage: by_stage.labels(stage) for stage in Stage}
        self._relay_seconds = _histogram(RELAY_SECONDS, registry)
        self._bytes = _counter(BYTES, registry)
        self._blocked = _counter(BLOCKED, registry)
        self._sign_ins = _Counters(SIGN_INS, registry)
        self._refusals = _Counters(REFUSALS, registry)
        self._messages = _Counters(MESSAGES, registry)
        self._recipients = _Counters(RECIPIENTS, registry)
        self._policy_failures = _Counters(POLICY_FAILURES, registry)
        self._configurations = _Counters(CONFIGURATIONS, registry)
        self._facts = _Counters(FACTS, registry)
        self._look_ups = _Counters(LOOK_UPS, registry)
        self._counting |= {
            "session.refused": self._refused,
            "auth.failed": self._auth_failed,
            "auth.succeeded": lambda event: self._sign_ins("succeeded").inc(),
            "command.refused": self._refused,
            "mail.refused": self._refused,
            "rcpt.refused": self._refused,
            "message.refused": self._message,
            "message.deferred": self._message,
            "message.relayed": self._message,
            "policy.failed": lambda event: self._policy_failures(_text(event, "policy")).inc(),
            "config.reloaded": lambda event: self._configurations("reloaded").inc(),
            "config.refused": lambda event: self._configurations("refused").inc(),
            "fact.recorded": lambda event: self._facts(_text(event, "fact")).inc(),
            "case.blocked": lambda event: self._blocked.inc(),
        }

    def count_look_ups(self, by_index: int, by_records: int) -> None:
        """Count for how many addresses index and records have answered."""
        self._look_ups("index").inc(by_index)
        self._look_ups("records").inc(by_records)

    def _auth_failed(self, event: Event) -> None:
        self._sign_ins("failed").inc()
        self._refused(event)

    def _refused(self, event: Event) -> None:
        reply = BY_TAG.get(event.tag)
        outcome = "deferred" if reply is None or reply.is_temporary else "refused"
        self._refusals(event.kind.partition(".")[0], outcome, event.tag or "none").inc()

    def _message(self, event: Event) -> None:
        detail = event.detail
        outcome = event.kind.partition(".")[2]
        self._messages(outcome).inc()
        if outcome != "relayed":
            self._refused(event)
        recipients = detail.get("recipients")
        if isinstance(recipients, list):
            for recipient in recipients:
                self._recipients(recipient["state"]).inc()
        octets, ms = detail.get("taken_octets"), detail.get("ms")
        if isinstance(octets, int):
            self._bytes.inc(octets)
        if isinstance(ms, int | float):
            self._relay_seconds.observe(ms / 1000)


async def heartbeat(observe: Callable[[float], None]) -> None:
    """For ever: every 10 ms, tell `observe` how many seconds late the loop was."""
    while True:
        due = time.monotonic() + HEARTBEAT
        await asyncio.sleep(HEARTBEAT)
        observe(max(0.0, time.monotonic() - due))


def _counter(declared: Declared, registry: CollectorRegistry) -> Counter:
    return Counter(declared.full_name, declared.help, registry=registry)


def _histogram(declared: Declared, registry: CollectorRegistry) -> Histogram:
    return Histogram(
        declared.full_name,
        declared.help,
        declared.labels,
        buckets=declared.buckets,
        registry=registry,
    )


def _resident_bytes() -> float:
    with open("/proc/self/statm") as statm:
        return float(statm.read().split()[1]) * resource.getpagesize()


def _text(event: Event, name: str) -> str:
    return str(event.detail.get(name, "none"))
