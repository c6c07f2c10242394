"""Every metric, declared once with its help text; docs/metrics.md is made from the declarations.

`Metrics` is the SMTP process's set, `WebMetrics` the web sibling's. Counters follow from events
through `count` (under 5 microseconds); times are observed where they pass; what can be read off at
any moment (open sessions, next hops) is watched and read when a scrape asks. Labels have few
values, never a tenant, domain or address; past 200 combinations a metric says `other`.
`merge` puts the texts of both processes into one. `python -m gateway.metrics` prints the document.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from gateway.events import Event
from gateway.replies import BY_TAG
from gateway.words import Stage

MAX_CHILDREN = 200
HEARTBEAT = 0.01
"""Seconds between two looks at how late the loop is: what holds it for longer is seen."""

# The `_created` series would double the counters' lines; the library has no types for this call.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


class Kind(StrEnum):
    """The kinds of metric that Prometheus knows and we use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Declared:
    """One metric: its name without the `consentry_` in front, kind, help and label names."""

    kind: Kind
    name: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def full_name(self) -> str:
        """The name as scraped."""
        return f"consentry_{self.name}"


SESSIONS = Declared(Kind.GAUGE, "sessions", "SMTP connections of customers open now.")
SESSIONS_TOTAL = Declared(
    Kind.COUNTER, "sessions_opened_total", "SMTP connections of customers taken since the start."
)
SIGN_INS = Declared(
    Kind.COUNTER, "sign_ins_total", "AUTH by outcome: succeeded or failed.", ("outcome",)
)
REFUSALS = Declared(
    Kind.COUNTER,
    "refusals_total",
    "Refusals by stage (session, command, auth, mail, rcpt, message), outcome (refused for good "
    "or deferred) and tag; docs/replies.md explains the tags.",
    ("stage", "outcome", "tag"),
)
MESSAGES = Declared(
    Kind.COUNTER,
    "messages_total",
    "Messages received whole, by outcome: relayed, refused or deferred.",
    ("outcome",),
)
RECIPIENTS = Declared(
    Kind.COUNTER,
    "recipients_total",
    "Recipients handed to the next hop, by what became of them: taken, refused, deferred, unknown.",
    ("outcome",),
)
BYTES = Declared(
    Kind.COUNTER, "relayed_bytes_total", "Octets the next hop took, of all copies together."
)
RELAY_SECONDS = Declared(
    Kind.HISTOGRAM,
    "relay_seconds",
    "From the customer's final dot to the reply.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 600),
)
POLICY_SECONDS = Declared(
    Kind.HISTOGRAM,
    "policy_seconds",
    "Time all policies of one stage took together, by stage: mail, rcpt, message.",
    ("stage",),
    (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.1, 1, 5, 20),
)
POLICY_FAILURES = Declared(
    Kind.COUNTER,
    "policy_failures_total",
    "Times a policy raised, ran late or answered nonsense; the mail was deferred each time.",
    ("policy",),
)
LOOK_UP_SECONDS = Declared(
    Kind.HISTOGRAM,
    "suppression_look_up_seconds",
    "Time of one suppression look-up, for a whole group of recipients.",
    buckets=(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.5, 5),
)
NEXT_HOP_UP = Declared(
    Kind.GAUGE, "next_hop_up", "1 while a next hop is used, 0 while it counts as down.", ("hop",)
)
NEXT_HOP_CONNECTIONS = Declared(
    Kind.GAUGE, "next_hop_connections", "Connections open to a next hop.", ("hop",)
)
MEMORY_BYTES = Declared(
    Kind.GAUGE, "message_memory_bytes", "Octets of messages in flight, of the shared budget."
)
CONFIGURATIONS = Declared(
    Kind.COUNTER, "reloads_total", "Reloads by outcome: reloaded or refused.", ("outcome",)
)
FACTS = Declared(Kind.COUNTER, "facts_total", "Facts recorded against tenants, by kind.", ("kind",))
BLOCKED = Declared(Kind.COUNTER, "domains_blocked_total", "Sender domains blocked by a rule.")
UNSUBSCRIBED = Declared(
    Kind.COUNTER, "unsubscribes_total", "Unsubscribe requests put in force on the web."
)
SMTP_UP = Declared(
    Kind.GAUGE, "smtp_process_up", "1 when the SMTP process answered for this scrape, else 0."
)
LOOP_LAG = Declared(
    Kind.HISTOGRAM,
    "loop_lag_seconds",
    "How late the event loop was, measured every 10 ms.",
    ("process",),
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
JOURNAL_WRITABLE = Declared(
    Kind.GAUGE, "journal_writable", "1 while the journal can be written.", ("process",)
)
JOURNAL_DROPPED = Declared(
    Kind.COUNTER,
    "journal_dropped_events_total",
    "Events lost while the journal could not be written for long.",
    ("process",),
)
CPU_SECONDS = Declared(
    Kind.COUNTER, "process_cpu_seconds_total", "Processor time used.", ("process",)
)
RESIDENT_BYTES = Declared(
    Kind.GAUGE, "process_resident_memory_bytes", "Memory in use.", ("process",)
)
OPEN_FILES = Declared(
    Kind.GAUGE, "process_open_files", "File descriptors open, sockets included.", ("process",)
)
STARTED = Declared(
    Kind.GAUGE,
    "process_start_time_seconds",
    "When the process started, Unix seconds.",
    ("process",),
)

DECLARED = tuple(value for value in list(globals().values()) if isinstance(value, Declared))
"""Every metric there is, in the order of the document."""

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
    """What both processes have: their own health, told apart by the label `process`."""

    def __init__(self, process: str) -> None:
        self.registry = CollectorRegistry()
        self._process = process
        self.loop_lag = _histogram(LOOP_LAG, self.registry).labels(process)
        """Observes seconds; see `heartbeat`."""
        started = time.time()
        self.watch(CPU_SECONDS, lambda: {(process,): time.process_time()})
        self.watch(RESIDENT_BYTES, lambda: {(process,): _resident_bytes()})
        self.watch(OPEN_FILES, lambda: {(process,): len(os.listdir("/proc/self/fd"))})
        self.watch(STARTED, lambda: {(process,): started})

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


class WebMetrics(ProcessMetrics):
    """The web sibling's metrics."""

    def __init__(self) -> None:
        super().__init__("web")
        self.smtp_up = Gauge(SMTP_UP.full_name, SMTP_UP.help, registry=self.registry)
        self._unsubscribed = _counter(UNSUBSCRIBED, self.registry)

    def count(self, event: Event) -> None:
        """Count what follows from one event."""
        if event.kind == "unsubscribed":
            self._unsubscribed.inc()


class Metrics(ProcessMetrics):
    """The SMTP process's metrics. `sessions_opened.inc()` is for the listeners."""

    def __init__(self) -> None:
        super().__init__("smtp")
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
        self._counting: dict[str, Callable[[Event], None]] = {
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

    def count(self, event: Event) -> None:
        """Count what follows from one event."""
        counting = self._counting.get(event.kind)
        if counting is not None:
            counting(event)

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


def merge(texts: Iterable[str]) -> str:
    """Several processes' texts as one, each metric once with the samples of all."""
    families: dict[str, Metric] = {}
    for text in texts:
        for family in text_string_to_metric_families(text):
            known = families.setdefault(family.name, family)
            if known is not family:
                known.samples.extend(family.samples)

    class Merged(Collector):
        def collect(self) -> Iterator[Metric]:
            yield from families.values()

    registry = CollectorRegistry()
    registry.register(Merged())
    return prometheus_client.generate_latest(registry).decode()


def document() -> str:
    """docs/metrics.md."""
    lines = [
        "# Metrics",
        "",
        "<!-- Generated by `python -m gateway.metrics`; change gateway/metrics.py instead. -->",
        "",
        "`GET /metrics` on the web listener answers in Prometheus' text format, for callers on",
        "loopback and private networks that did not come through a proxy. No metric names a",
        "tenant, domain or address: `consentry tail` and the journal tell those.",
        "",
        "| metric | kind | labels | meaning |",
        "|---|---|---|---|",
    ]
    for metric in DECLARED:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "-"
        lines.append(f"| `{metric.full_name}` | {metric.kind} | {labels} | {metric.help} |")
    return "\n".join(lines) + "\n"


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


if __name__ == "__main__":
    print(document(), end="")
