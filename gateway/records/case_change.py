"""The one way a stored case changes: load, apply the engine, store, carry out all that follows.

`change` and `begin` run in the caller's transaction: the case's row, timeline, audit, blocks,
notices waiting to be sent, fees and webhooks are written by it or not at all. They give the
`Moved` case with the events to emit once the transaction is on the disk. Raise LookupError for a
case that does not exist and `policies.sanctions.engine.Refused` for what is not allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from gateway.events import Event
from gateway.records.case_rules import Rules
from policies.sanctions.case import Case, Effect, Fact, Happening


@dataclass(frozen=True, slots=True)
class Moved:
    """A case as it stands now (`case.id` is its number), what followed, and what to emit."""

    case: Case
    effects: tuple[Effect, ...]
    events: tuple[Event, ...]


def load_case(connection: Connection, number: int) -> Case:
    """The case with this number; LookupError."""
    raise NotImplementedError


def change(
    connection: Connection,
    number: int,
    happening: Happening,
    actor: str,
    now: float,
    rules: Rules,
    *,
    detail: Mapping[str, object] | None = None,
    subject: int | None = None,
) -> Moved:
    """Let something happen to a case. `detail` (no addresses) and `subject` (a sealed text, such as
    a reply) go into its timeline."""
    raise NotImplementedError


def open_by_hand(
    connection: Connection, fact: Fact, actor: str, now: float, rules: Rules
) -> Moved:
    """A person opens a case, for whatever reason `fact.kind` is; it folds into no other."""
    raise NotImplementedError


def note(
    connection: Connection,
    number: int,
    kind: str,
    actor: str,
    now: float,
    *,
    detail: Mapping[str, object] | None = None,
    subject: int | None = None,
) -> None:
    """Add an entry to the timeline that changes nothing (a note, a reply, a notice repeated), and
    its audit record `case.<kind>`."""
    raise NotImplementedError
