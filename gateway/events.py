"""The one record type for everything that happens; the log, metrics and audit trail derive from it.

One event is one JSON line. Fields that are empty are left out of the line. Addresses never appear:
`key` is the hex of the address's exact key and `domain` its domain, unless the operator turned
`journal.addresses` on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(slots=True)
class Event:
    """One thing that happened. `at` is Unix seconds, `config` the configuration's short hash.

    `kind` is a dotted name in the past tense (`auth.failed`, `rcpt.refused`, `message.relayed`);
    `detail` holds what only this kind has, JSON-able.
    """

    kind: str
    at: float
    session: str = ""
    ref: str = ""
    tenant: str = ""
    stream: str = ""
    mailing: str = ""
    config: str = ""
    tag: str = ""
    domain: str = ""
    detail: dict[str, object] = field(default_factory=dict)


class Emit(Protocol):
    """Where events go: the journal, and through it everything derived."""

    def __call__(self, event: Event) -> None:
        """Take one event. Never blocks and never raises."""
