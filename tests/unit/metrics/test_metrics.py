from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import pytest
import uvloop

from gateway.events import Event
from gateway.metrics import MAX_CHILDREN, Metrics, WebMetrics, heartbeat
from gateway.metrics_declared import DECLARED, NEXT_HOP_UP, SESSIONS, Kind, document
from gateway.metrics_merge import Totals


def value(text: str, line: str) -> float:
    """The value of the sample that is written as `line`, 0 when it is absent."""
    found = re.search(rf"^{re.escape(line)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def relayed(*states: str) -> Event:
    recipients = [{"n": n, "state": state} for n, state in enumerate(states, 1)]
    detail: dict[str, object] = {"taken_octets": 2000, "recipients": recipients, "ms": 3.0}
    return Event("message.relayed", 1.0, detail=detail)


def test_a_relayed_message_counts_once_with_its_recipients_and_octets() -> None:
    """Octets are those of every copy that was taken, as the contract counts them."""
    metrics = Metrics()
    metrics.count(relayed("taken", "taken", "refused"))
    text = metrics.text()
    assert value(text, 'consentry_messages_total{outcome="relayed"}') == 1
    assert value(text, 'consentry_recipients_total{outcome="taken"}') == 2
    assert value(text, 'consentry_recipients_total{outcome="refused"}') == 1
    assert value(text, "consentry_relayed_bytes_total") == 2000
    assert value(text, 'consentry_relay_seconds_bucket{le="0.0025"}') == 0
    assert value(text, 'consentry_relay_seconds_bucket{le="0.005"}') == 1


@pytest.mark.parametrize(
    ("kind", "tag", "sample"),
    [
        ("session.refused", "CONN-LIMIT", 'stage="session",outcome="deferred",tag="CONN-LIMIT"'),
        ("auth.failed", "AUTH", 'stage="auth",outcome="refused",tag="AUTH"'),
        ("mail.refused", "BATCH-BUSY", 'stage="mail",outcome="deferred",tag="BATCH-BUSY"'),
        ("rcpt.refused", "PROTECTED", 'stage="rcpt",outcome="refused",tag="PROTECTED"'),
        ("message.refused", "FROM-ALIGN", 'stage="message",outcome="refused",tag="FROM-ALIGN"'),
        ("message.deferred", "PARTIAL", 'stage="message",outcome="deferred",tag="PARTIAL"'),
    ],
)
def test_a_refusal_counts_by_stage_outcome_and_tag(kind: str, tag: str, sample: str) -> None:
    """The outcome follows from the tag's reply."""
    labels = ",".join(sorted(sample.split(",")))
    metrics = Metrics()
    metrics.count(Event(kind, 1.0, tag=tag))
    assert value(metrics.text(), f"consentry_refusals_total{{{labels}}}") == 1


def test_unknown_events_count_nothing_and_labels_stay_few() -> None:
    """A flood of new names ends in `other`."""
    metrics = Metrics()
    metrics.count(Event("something.new", 1.0))
    for number in range(MAX_CHILDREN + 50):
        metrics.count(Event("fact.recorded", 1.0, detail={"fact": f"kind-{number}"}))
    assert value(metrics.text(), 'consentry_facts_total{kind="other"}') == 50
    assert metrics.text().count("consentry_facts_total{") == MAX_CHILDREN + 1


def test_watched_values_are_read_at_the_scrape() -> None:
    """A gauge shows the state of that moment, per next hop."""
    metrics = Metrics()
    hops = {("postfix",): 1.0}
    metrics.watch(NEXT_HOP_UP, lambda: hops)
    hops["postfix",] = 0.0
    assert 'consentry_next_hop_up{hop="postfix"} 0.0' in metrics.text()


def test_both_processes_merge_into_one_text(tmp_path: Path) -> None:
    """Each metric is described once and has the samples of both."""
    smtp, web = Metrics(), WebMetrics()
    smtp.watch_journal(lambda: True, lambda: 0)
    web.watch_journal(lambda: False, lambda: 7)
    smtp.count(relayed("taken"))
    web.count(Event("unsubscribed", 1.0))
    apart = {"smtp": smtp.text(), "web": web.text()}
    text = Totals(tmp_path / "totals").merge(apart)
    assert value(text, 'consentry_journal_writable{process="smtp"}') == 1
    assert value(text, 'consentry_journal_writable{process="web"}') == 0
    assert value(text, 'consentry_journal_dropped_events_total{process="web"}') == 7
    assert value(text, "consentry_unsubscribes_total") == 1
    assert value(text, 'consentry_messages_total{outcome="relayed"}') == 1
    assert text.count("# TYPE consentry_journal_writable gauge") == 1
    lines = {line for one in apart.values() for line in one.splitlines()}
    assert set(text.splitlines()) == lines


def test_what_came_back_is_counted_by_what_it_was() -> None:
    """Mails by form and fate, reports by type and grade, bounces by class and state, and alarms;
    in whichever process they are taken."""
    metrics = WebMetrics()
    detail: dict[str, object] = {"form": "arf", "became": "report"}
    metrics.count(Event("returned.taken", 1.0, detail=detail))
    metrics.count(Event("report.received", 1.0, detail={"type": "abuse", "grade": "B"}))
    for kind in ("bounce.received", "bounce.believed", "bounce.passed_on"):
        metrics.count(Event(kind, 1.0, detail={"class": "invalid-mailbox"}))
    metrics.count(Event("next_hop.refused_us", 1.0))
    text = metrics.text()
    assert value(text, 'consentry_returned_mails_total{became="report",form="arf"}') == 1
    assert value(text, 'consentry_reports_total{grade="B",type="abuse"}') == 1
    bounced = 'consentry_bounces_total{class="invalid-mailbox",state="%s"}'
    assert value(text, bounced % "received") == value(text, bounced % "believed") == 1
    assert "passed_on" not in text
    assert value(text, "consentry_next_hop_refusals_total") == 1


def worker(name: str, messages: int, sessions: int, is_up: bool, started: float) -> str:
    """What a worker of that name says after so many messages."""
    metrics = Metrics(name)
    for _ in range(messages):
        metrics.count(relayed("taken"))
    metrics.watch(SESSIONS, lambda: {(): float(sessions)})
    metrics.watch(NEXT_HOP_UP, lambda: {("postfix",): float(is_up)})
    return re.sub(r"(start_time_seconds\{.*\}) .*", rf"\1 {started}", metrics.text())


def test_what_two_workers_count_adds_up(tmp_path: Path) -> None:
    """Counters, histograms and open sessions as sums; a next hop is up when one uses it."""
    text = Totals(tmp_path / "totals").merge(
        {"smtp": worker("smtp", 2, 10, False, 1.0), "smtp-2": worker("smtp-2", 3, 5, True, 2.0)}
    )
    assert value(text, 'consentry_messages_total{outcome="relayed"}') == 5
    assert value(text, "consentry_relay_seconds_count") == 5
    assert value(text, 'consentry_relay_seconds_bucket{le="0.005"}') == 5
    assert value(text, "consentry_sessions") == 15
    assert value(text, 'consentry_next_hop_up{hop="postfix"}') == 1
    assert value(text, 'consentry_process_start_time_seconds{process="smtp-2"}') == 2
    assert text.count("# TYPE consentry_messages_total counter") == 1


def test_a_sum_does_not_fall_when_a_process_starts_anew(tmp_path: Path) -> None:
    """Neither while a worker is away nor after it is back, nor when who scrapes starts anew."""
    relayed_total = 'consentry_messages_total{outcome="relayed"}'
    other = worker("smtp-2", 3, 0, True, 2.0)

    def scraped(**texts: str) -> str:
        # Whoever scraped before was killed: what anybody was told is kept.
        return Totals(tmp_path / "totals").merge({"smtp-2": other} | texts)

    first = scraped(smtp=worker("smtp", 2, 0, True, 1.0))
    away = scraped()
    back = scraped(smtp=worker("smtp", 1, 0, True, 9.0))
    other = worker("smtp-2", 1, 0, True, 11.0)
    later = scraped(smtp=worker("smtp", 1, 0, True, 9.0))
    counted = [value(text, relayed_total) for text in (first, away, back, later)]
    assert counted == [5, 5, 6, 7]


@pytest.mark.parametrize("kept", [b"", b"nonsense", b"[]", b'{"before": 1, "last": 2}'])
def test_sums_that_cannot_be_read_begin_anew(tmp_path: Path, kept: bytes) -> None:
    """A torn file is no reason to be without metrics."""
    path = tmp_path / "totals"
    path.write_bytes(kept)
    text = Totals(path).merge({"smtp": worker("smtp", 2, 0, True, 1.0)})
    assert value(text, 'consentry_messages_total{outcome="relayed"}') == 2


def test_the_document_is_current() -> None:
    """docs/metrics.md is what `python -m gateway.metrics_declared` prints."""
    written = Path(__file__).parents[3] / "docs" / "metrics.md"
    assert written.read_text() == document()


def test_every_declared_metric_is_well_named() -> None:
    """Counters, and only they, end in `_total`; histograms have buckets; no name is used twice."""
    assert len({metric.name for metric in DECLARED}) == len(DECLARED)
    for metric in DECLARED:
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
        assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
    assert SESSIONS in DECLARED


@pytest.mark.parametrize("phase", [0.0, 0.004, 0.008])
def test_a_held_loop_shows_as_lag(phase: float) -> None:
    """Whatever holds the loop that is shipped shows in full, whenever it begins."""

    async def hold() -> float:
        seen: list[float] = []
        beating = asyncio.create_task(heartbeat(seen.append))
        await asyncio.sleep(0.03)
        asyncio.get_running_loop().call_later(phase, time.sleep, 0.08)
        await asyncio.sleep(0.2)
        beating.cancel()
        return max(seen)

    assert 0.065 < uvloop.run(hold()) < 5
