"""Counters and histograms come out as Prometheus' own library would print them."""

from __future__ import annotations

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from gateway.tally import Counters, Histograms

BOUNDS = (0.005, 0.1, 1, 5)


def without_created(text: str) -> list[str]:
    """The lines of a scrape but for the instants at which the library made its metrics."""
    return [line for line in text.splitlines() if "_created" not in line]


@given(st.lists(st.sampled_from([0.0, 0.005, 0.0050001, 0.1, 0.7, 1.0, 5.0, 5.1, 1e6])))
def test_a_histogram_prints_what_the_librarys_own_would(values: list[float]) -> None:
    """Bounds belong to the bucket they end; buckets add up; the sum is the sum."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    mine = Histograms("h", "Help.", ("stage",), ours, BOUNDS).labels("mail")
    other = prometheus_client.Histogram("h", "Help.", ("stage",), registry=theirs, buckets=BOUNDS)
    for value in values:
        mine.observe(value)
        other.labels("mail").observe(value)
    other.labels("mail")
    shown = [prometheus_client.generate_latest(r).decode() for r in (ours, theirs)]
    assert without_created(shown[0]) == without_created(shown[1])


def test_a_counter_prints_what_the_librarys_own_would() -> None:
    """With labels and without, whole and broken amounts."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    mine = Counters("seen_total", "Help.", ("kind",), ours)
    other = prometheus_client.Counter("seen_total", "Help.", ("kind",), registry=theirs)
    for kind, amount in (("a", 1), ("b", 2.5), ("a", 10)):
        mine.labels(kind).inc(amount)
        other.labels(kind).inc(amount)
    shown = [prometheus_client.generate_latest(r).decode() for r in (ours, theirs)]
    assert without_created(shown[0]) == without_created(shown[1])


def test_the_wrong_number_of_label_values_is_refused() -> None:
    """A child is never made under labels that the metric has not."""
    with pytest.raises(ValueError, match="has the labels"):
        Counters("seen_total", "Help.", ("kind",), CollectorRegistry()).labels("a", "b")
