"""The metrics of all processes of a node as one text, for one scrape.

`Totals.merge` takes each process's text by its name. Counters and histograms add up; of gauges the
sum or the greatest is taken, as `gateway.metrics_declared` says. What a process had counted stays
in the sums when it is started anew or does not answer, so that they never fall: to Prometheus a sum
that fell would be a counter that began again at nought, and what is left of it new events. Kept in
`path` over the end of the process that scrapes; a file that cannot be read or written is none.
Samples with the label `process` are each process's own and left as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import orjson
import prometheus_client
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from gateway.metrics_declared import DECLARED, STARTED, Over

GREATEST = frozenset(metric.full_name for metric in DECLARED if metric.over is Over.MAX)
COUNTED = ("_total", "_bucket", "_count", "_sum")
"""What the samples of counters and histograms have behind their family's name."""
Labels = tuple[tuple[str, str], ...]
Counts = dict[tuple[str, Labels], float]
"""What was counted, by the sample's name and labels."""


class Totals:
    """The node's sums over the lives of its processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before: Counts = {}
        """What earlier lives of all processes have counted."""
        self._last: dict[str, tuple[float, Counts]] = {}
        """When each process started, and what it had counted when it was asked last."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            kept = orjson.loads(path.read_bytes())
            before, last = _read(kept["before"]), kept["last"]
            self._last = {name: (float(at), _read(rows)) for name, (at, rows) in last.items()}
            self._before = before

    def merge(self, texts: Mapping[str, str]) -> str:
        """One text of those of the processes that answered."""
        families: dict[str, Metric] = {}
        values: dict[str, Counts] = {}
        for process, text in texts.items():
            counts, started = Counts(), 0.0
            for family in text_string_to_metric_families(text):
                families.setdefault(family.name, family)
                found = values.setdefault(family.name, {})
                for sample in family.samples:
                    key = (sample.name, tuple(sorted(sample.labels.items())))
                    if sample.name == STARTED.full_name:
                        started = sample.value
                    if family.type == "gauge" or "process" in sample.labels:
                        _put(found, key, sample.value, is_greatest=family.name in GREATEST)
                    else:
                        counts[key] = sample.value
            self._note(process, started, counts)
        totals: Counts = dict(self._before)
        for _, counts in self._last.values():
            for key, value in counts.items():
                totals[key] = totals.get(key, 0.0) + value
        self._save()  # before anybody hears of it: who scrapes may be killed
        return _text(families, values, totals)

    def _save(self) -> None:
        """Keep the sums for the next process that scrapes."""
        kept = {
            "before": _rows(self._before),
            "last": {name: (at, _rows(counts)) for name, (at, counts) in self._last.items()},
        }
        fresh = self._path.with_suffix(".new")
        with suppress(OSError):
            fresh.touch(mode=0o600)
            fresh.write_bytes(orjson.dumps(kept))
            fresh.replace(self._path)

    def _note(self, process: str, started: float, counts: Counts) -> None:
        before = self._last.get(process)
        self._last[process] = (started, counts)
        if before is not None and before[0] != started:
            for key, value in before[1].items():
                self._before[key] = self._before.get(key, 0.0) + value


def _put(found: Counts, key: tuple[str, Labels], value: float, is_greatest: bool) -> None:
    known = found.get(key)
    if known is None:
        found[key] = value
    else:
        found[key] = max(known, value) if is_greatest else known + value


def _text(families: Mapping[str, Metric], values: Mapping[str, Counts], totals: Counts) -> str:
    """Prometheus' text format. A total belongs to the family whose name its sample's has, whoever
    counted it: a process that counts nothing with any labels yet names no sample."""
    made = {}
    for name, family in families.items():
        made[name] = Metric(name, family.documentation, family.type)
        own = {f"{name}{ending}" for ending in COUNTED}
        counted = {key: value for key, value in totals.items() if key[0] in own}
        for (sample, labels), value in (values[name] | counted).items():
            made[name].add_sample(sample, dict(labels), value)

    class Merged(Collector):
        def collect(self) -> Iterator[Metric]:
            yield from made.values()

    registry = CollectorRegistry()
    registry.register(Merged())
    return prometheus_client.generate_latest(registry).decode()


def _rows(counts: Counts) -> list[tuple[str, Labels, float]]:
    return [(name, labels, value) for (name, labels), value in counts.items()]


def _read(rows: list[tuple[str, list[tuple[str, str]], float]]) -> Counts:
    return {
        (str(name), tuple((str(label), str(said)) for label, said in labels)): float(value)
        for name, labels, value in rows
    }
