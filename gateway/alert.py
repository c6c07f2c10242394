"""One alert rule for Prometheus, and the expressions that several of them are made of.

Values and pure functions over the declared metrics; `gateway.alerts` has the rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.metrics_declared import REFUSALS, Declared


class Severity(StrEnum):
    """How soon somebody must look."""

    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule: `expression` in PromQL that must hold for `lasting` (Prometheus' duration)."""

    name: str
    severity: Severity
    expression: str
    lasting: str
    summary: str
    meaning: str
    """What customers notice, and why."""
    advice: str
    """What to do, in order."""


def more(metric: Declared, matchers: str = "", within: str = "10m", by: str = "instance") -> str:
    """Any at all within that time. A labelled counter begins with its first event, which
    `increase` does not see: hence also what was not there before."""
    counter = f"{metric.full_name}{{{matchers}}}" if matchers else metric.full_name
    if not metric.labels:
        return f"increase({counter}[{within}]) > 0"
    new = f"({counter} unless {counter} offset {within})"
    return f"sum by ({by}) (increase({counter}[{within}]) > 0 or {new} > 0)"


def refused(*tags: str) -> str:
    """Refusals with these tags, more than one in ten seconds."""
    matcher = f'tag=~"{"|".join(tags)}"'
    return f"sum by (instance) (rate({REFUSALS.full_name}{{{matcher}}}[5m])) > 0.1"


def quantile(metric: Declared, share: float, by: str) -> str:
    rates = f"sum by ({by}, le) (rate({metric.full_name}_bucket[5m]))"
    return f"histogram_quantile({share}, {rates})"
