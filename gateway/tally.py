"""Counters and histograms that cost the data path next to nothing, in Prometheus' form on demand.

`prometheus_client`'s own are safe for threads and check each value: some 5 microseconds for each
`observe`, five times a message. These are plain numbers that one thread changes; its library still
names, describes and prints them. A labelled metric hands out a child for each combination of label
values, which the caller keeps; `labels` raises ValueError for the wrong number of values.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

Child = TypeVar("Child")


class Count:
    """A number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1) -> None:
        """Add `amount`."""
        self.value += amount


class Spread:
    """How many observed values lie up to each of `bounds`, and their sum."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value; a bound belongs to the bucket it ends."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def buckets(self) -> tuple[list[tuple[str, float]], float]:
        """Each bucket's upper bound with the values up to it, the last `+Inf`; and the sum."""
        shown = []
        total = 0
        names = [*(repr(float(bound)) for bound in self._bounds), "+Inf"]
        for name, count in zip(names, self._counts, strict=True):
            total += count
            shown.append((name, float(total)))
        return shown, self._sum


class _Family(Collector, Generic[Child]):
    """One metric with a child for each combination of its labels' values."""

    def __init__(
        self, name: str, text: str, labels: Sequence[str], registry: CollectorRegistry
    ) -> None:
        self._name, self._text, self._labels = name, text, tuple(labels)
        self._children: dict[tuple[str, ...], Child] = {}
        registry.register(self)

    def __len__(self) -> int:
        return len(self._children)

    def labels(self, *values: str) -> Child:
        """The child for these values of the labels; made when it is new."""
        if len(values) != len(self._labels):
            raise ValueError(f"{self._name} has the labels {self._labels}, not {values}")
        child = self._children.get(values)
        if child is None:
            child = self._children[values] = self._new()
        return child

    def _new(self) -> Child:
        raise NotImplementedError


class Counters(_Family[Count]):
    """A counter."""

    def describe(self) -> Iterable[Metric]:
        """For the registry, which wants the names once."""
        return [CounterMetricFamily(self._name, self._text, labels=self._labels)]

    def collect(self) -> Iterable[Metric]:
        """For the registry, at each scrape."""
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for values, child in self._children.items():
            family.add_metric(values, child.value)
        yield family

    def _new(self) -> Count:
        return Count()


class Histograms(_Family[Spread]):
    """A histogram."""

    def __init__(
        self,
        name: str,
        text: str,
        labels: Sequence[str],
        registry: CollectorRegistry,
        bounds: Sequence[float],
    ) -> None:
        self._bounds = tuple(bounds)
        super().__init__(name, text, labels, registry)

    def describe(self) -> Iterable[Metric]:
        """For the registry, which wants the names once."""
        return [HistogramMetricFamily(self._name, self._text, labels=self._labels)]

    def collect(self) -> Iterable[Metric]:
        """For the registry, at each scrape."""
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        for values, child in self._children.items():
            buckets, total = child.buckets()
            family.add_metric(values, buckets, total)
        yield family

    def _new(self) -> Spread:
        return Spread(self._bounds)
