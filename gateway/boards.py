"""The Grafana board over all declared metrics; `python -m gateway.boards` prints it as JSON.

Every metric has its panel, with its help as description: counters as rates by their labels, gauges
as they are, histograms as quantiles. Which row it stands in is said here; who is named in none
stands in the last row, so that no metric is missing. The operator chooses the data source and the
nodes at the top of the board.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from gateway import metrics_declared as declared
from gateway.metrics_declared import DECLARED, Declared, Kind

ROWS: tuple[tuple[str, tuple[Declared, ...]], ...] = (
    (
        "Mail",
        (
            declared.MESSAGES,
            declared.RECIPIENTS,
            declared.REFUSALS,
            declared.RELAY_SECONDS,
            declared.BYTES,
            declared.MEMORY_BYTES,
        ),
    ),
    (
        "Customers",
        (
            declared.SESSIONS,
            declared.SESSIONS_TOTAL,
            declared.SIGN_INS,
            declared.FACTS,
            declared.BLOCKED,
            declared.UNSUBSCRIBED,
        ),
    ),
    (
        "Next hops and checks",
        (
            declared.NEXT_HOP_UP,
            declared.NEXT_HOP_CONNECTIONS,
            declared.LOOK_UP_SECONDS,
            declared.POLICY_SECONDS,
            declared.POLICY_FAILURES,
        ),
    ),
)
REST = "Processes"
QUANTILES = (0.5, 0.95, 0.99)
PER_LINE, WIDTH, HEIGHT = 3, 8, 8
"""Panels beside each other, and their size in Grafana's grid of 24 columns."""
_NODES = 'instance=~"$instance"'
_SOURCE = {"type": "prometheus", "uid": "${source}"}


def board() -> dict[str, object]:
    """The board as Grafana's dashboard model."""
    return {
        "uid": "consentry",
        "title": "Consentry",
        "tags": ["consentry"],
        "schemaVersion": 38,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_sources(), _instances()]},
        "panels": list(_panels()),
    }


def _panels() -> Iterator[dict[str, object]]:
    named = {metric for _, metrics in ROWS for metric in metrics}
    rest = tuple(metric for metric in DECLARED if metric not in named)
    yield _firing()
    top = HEIGHT
    number = 2
    for title, metrics in (*ROWS, (REST, rest)):
        place = {"x": 0, "y": top, "w": 24, "h": 1}
        yield {"id": number, "type": "row", "title": title, "gridPos": place, "panels": []}
        top += 1
        for index, metric in enumerate(metrics):
            line, column = divmod(index, PER_LINE)
            place = {"x": column * WIDTH, "y": top + line * HEIGHT, "w": WIDTH, "h": HEIGHT}
            yield {"id": number + 1 + index, "gridPos": place, **_panel(metric)}
        top += HEIGHT * -(-len(metrics) // PER_LINE)
        number += 1 + len(metrics)


def _panel(metric: Declared) -> dict[str, object]:
    """What one metric's panel shows, without its place."""
    return {
        "type": "timeseries",
        "title": title(metric),
        "description": f"{metric.full_name}: {metric.help}",
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": _unit(metric), "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "expr": expression, "legendFormat": legend}
            for index, (expression, legend) in enumerate(_queries(metric))
        ],
    }


def _queries(metric: Declared) -> Iterator[tuple[str, str]]:
    """PromQL and legend of each line, or family of lines, of a metric's panel."""
    name = metric.full_name
    labels = list(metric.labels)
    legend = " ".join(f"{{{{{label}}}}}" for label in labels)
    match metric.kind:
        case Kind.COUNTER:
            rate = f"rate({name}{{{_NODES}}}[$__rate_interval])"
            yield f"sum by ({', '.join(labels)}) ({rate})" if labels else f"sum({rate})", legend
        case Kind.GAUGE:
            by = ", ".join(["instance", *labels])
            yield f"sum by ({by}) ({name}{{{_NODES}}})", f"{{{{instance}}}} {legend}".strip()
        case Kind.HISTOGRAM:
            by = ", ".join([*labels, "le"])
            rate = f"sum by ({by}) (rate({name}_bucket{{{_NODES}}}[$__rate_interval]))"
            for share in QUANTILES:
                yield f"histogram_quantile({share}, {rate})", f"p{share * 100:g} {legend}".strip()


def title(metric: Declared) -> str:
    """The name in words; of a counter with what it is shown by."""
    words = metric.name.removesuffix("_total").replace("_", " ").capitalize()
    by = f" by {metric.labels[-1]}" if metric.labels else ""
    return f"{words}{by} a second" if metric.kind is Kind.COUNTER else words


def _unit(metric: Declared) -> str:
    """Grafana's name of the unit."""
    if metric.name.endswith("_time_seconds"):
        return "dateTimeFromNow"
    words = metric.name.removesuffix("_total").rpartition("_")[2]
    unit = {"seconds": "s", "bytes": "bytes"}.get(words, "short")
    if metric.kind is Kind.COUNTER:
        return {"s": "percentunit", "bytes": "Bps"}.get(unit, "cps")
    return unit


def _firing() -> dict[str, object]:
    query = 'ALERTS{alertname=~"Consentry.+", alertstate="firing"}'
    return {
        "id": 1,
        "type": "table",
        "title": "Alerts that fire",
        "description": "docs/alerts.md says what each means and what to do.",
        "datasource": _SOURCE,
        "gridPos": {"x": 0, "y": 0, "w": 24, "h": HEIGHT},
        "targets": [{"refId": "A", "expr": query, "format": "table", "instant": True}],
    }


def _sources() -> dict[str, object]:
    return {"name": "source", "type": "datasource", "query": "prometheus", "label": "Source"}


def _instances() -> dict[str, object]:
    return {
        "name": "instance",
        "type": "query",
        "label": "Node",
        "datasource": _SOURCE,
        "query": f"label_values({declared.LOOP_LAG.full_name}_count, instance)",
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "current": {"text": "All", "value": "$__all"},
    }


if __name__ == "__main__":
    print(json.dumps(board(), indent=1))
