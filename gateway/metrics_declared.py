"""Every metric, declared once with its help text; docs/metrics.md is made from the declarations.

Labels have few values, never a tenant, domain or address. `Declared.over` says what the samples of
several processes are together. `python -m gateway.metrics_declared` prints the document; the board
and the alerts are made of the same declarations by `gateway.boards` and `gateway.alerts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of metric that Prometheus knows and we use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Over(StrEnum):
    """What several processes' samples with the same labels are together."""

    SUM = "sum"
    MAX = "max"


@dataclass(frozen=True, slots=True)
class Declared:
    """One metric: its name without the `consentry_` in front, kind, help and label names."""

    kind: Kind
    name: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    over: Over = Over.SUM

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
LOOK_UPS = Declared(
    Kind.COUNTER,
    "look_ups_total",
    "Recipients looked up, by what answered: index (in Redis) or records.",
    ("answered_by",),
)
INDEX_SHARDS = Declared(
    Kind.GAUGE,
    "index_shards",
    "Of the 16 shards of the index, how many were proven, uncounted, surplus or unused when they "
    "were checked last; told by the leader.",
    ("state",),
)
INDEX_ENTRIES = Declared(
    Kind.GAUGE, "index_entries", "Entries that the index was checked against; told by the leader."
)
INDEX_PROVEN_AT = Declared(
    Kind.GAUGE,
    "index_proven_timestamp_seconds",
    "Since when every shard of the index has been proven to say what the records say, Unix "
    "seconds; 0 while one has not; told by the leader.",
)
INDEX_MENDED = Declared(
    Kind.COUNTER,
    "index_mended_total",
    "Entries of the index that were missing or wrong and were mended.",
)
JOBS_LEADER = Declared(
    Kind.GAUGE, "jobs_leader", "1 on the node whose jobs run for all nodes, 0 on the others."
)
STORE_UP = Declared(
    Kind.GAUGE,
    "store_up",
    "1 while a worker reaches a store, 0 while none does: database (the records) or state (Redis).",
    ("store",),
    over=Over.MAX,
)
NEXT_HOP_UP = Declared(
    Kind.GAUGE,
    "next_hop_up",
    "1 while a next hop is used, 0 while it counts as down for every worker.",
    ("hop",),
    over=Over.MAX,
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
OUTCOMES = Declared(
    Kind.COUNTER,
    "outcomes_total",
    "Next hops' answers about recipients, followed out of the journal: taken, refused (for good, "
    "about the mail), refuses-us (about the gateway itself).",
    ("outcome",),
)
OUTCOMES_FOLLOWED = Declared(
    Kind.GAUGE,
    "outcomes_followed_timestamp_seconds",
    "Until when this node's journal was followed, Unix seconds.",
    over=Over.MAX,
)
NEXT_HOP_REFUSALS = Declared(
    Kind.COUNTER,
    "next_hop_refusals_total",
    "Alarms that a next hop refuses the gateway itself, not a mail (`next_hop.refused_us`).",
)
RETURNED = Declared(
    Kind.COUNTER,
    "returned_mails_total",
    "Mails that came back and were taken, by form (arf, xarf, dsn, ...) and what became of them: "
    "report, bounce, unsubscribed, reply, nothing, or known (the same mail once more).",
    ("form", "became"),
)
DEFERRED_UNPROVEN = Declared(
    Kind.COUNTER,
    "unproven_mails_deferred_total",
    "Mails to our mailboxes that no listed source has signed and that there was no room for, by "
    "the setting of `feedback.unproven` that was reached: per_day, per_source or per_token.",
    ("limit",),
)
REPORTS = Declared(
    Kind.COUNTER,
    "reports_total",
    "Reports put on record, by type (abuse, opt-out, bounce, ...) and grade of evidence.",
    ("type", "grade"),
)
BOUNCES = Declared(
    Kind.COUNTER,
    "bounces_total",
    "Bounces by class and by what became of them: received, then believed, held (in a storm) or "
    "released (a copy was delivered after all).",
    ("class", "state"),
)
STORMS_HELD = Declared(
    Kind.GAUGE,
    "storms_held",
    "Storms of bounces that wait for a person; told by the leader.",
)
BOUNCES_HELD = Declared(
    Kind.GAUGE, "bounces_held", "Bounces that storms hold back; told by the leader."
)
REPORTS_WAITING = Declared(
    Kind.GAUGE,
    "reports_waiting",
    "Reports that wait for a person, by what is to be done: undecided, unmatched (no tenant is "
    "known); told by the leader.",
    ("state",),
)
PROCESS_UP = Declared(
    Kind.GAUGE,
    "process_up",
    "1 when another process of the node answered the web process for this scrape, else 0.",
    ("process",),
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


def document() -> str:
    """docs/metrics.md."""
    lines = [
        "# Metrics",
        "",
        "<!-- Generated by `python -m gateway.metrics_declared`; change that file instead. -->",
        "",
        "`GET /metrics` on the web listener answers in Prometheus' text format, for callers on",
        "loopback and private networks that did not come through a proxy. No metric names a",
        "tenant, domain or address: `consentry tail` and the journal tell those.",
        "",
        "One scrape gives the whole node: samples of several processes with the same labels are",
        "added up, or the greatest of them is taken (*max*). What a process has counted stays in",
        "the sums when it is started anew.",
        "",
        "| metric | kind | labels | over processes | meaning |",
        "|---|---|---|---|---|",
    ]
    for metric in DECLARED:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "-"
        over = "-" if "process" in metric.labels else metric.over
        lines.append(
            f"| `{metric.full_name}` | {metric.kind} | {labels} | {over} | {metric.help} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(document(), end="")
