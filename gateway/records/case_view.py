"""Reading cases: one with all that belongs to it, lists in pages, and the counts of the desk.

Every list is ordered by an index and gives at most `limit` rows with where the next page begins, so
that it costs the same with ten cases as with ten thousand. Reads only.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from policies.sanctions.case import Case, Fact
from policies.sanctions.words import Phase

PAGE = 50


@dataclass(frozen=True, slots=True)
class StoredCase:
    """A case with what only the records know: its tracking number (16 octets) and its next
    automatic action's instant. `id` is what people call it, `C-000123`."""

    number: int
    id: str
    tracking: bytes
    case: Case
    next_at: int | None


class Queue(StrEnum):
    """What the desk asks for, each ordered by what is due first."""

    OVERDUE = "overdue"
    """Phase OVERDUE, or a review that is past its time."""
    DUE = "due"
    """The longest clock or a review runs out soonest."""
    SUBMITTED = "submitted"
    """Evidence waits to be looked at."""
    UNDECIDED = "undecided"
    """A person must confirm or dismiss."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some cases, and the `after` of the next page (None: there is none)."""

    cases: tuple[StoredCase, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a case's timeline. `subject` is the number of a sealed text, if any."""

    number: int
    at: int
    actor: str
    kind: str
    detail: dict[str, object]
    subject: int | None


@dataclass(frozen=True, slots=True)
class StoredFact:
    """A fact on record; `case` is its case's number, `subject` a sealed text."""

    number: int
    fact: Fact
    case: int | None
    subject: int | None


def find_case(connection: Connection, number: int) -> StoredCase | None:
    """The case with this number."""
    raise NotImplementedError


def by_tracking(connection: Connection, tracking: bytes) -> StoredCase | None:
    """The case that a link names."""
    raise NotImplementedError


def list_cases(
    connection: Connection,
    *,
    tenant: str = "",
    phases: Collection[Phase] = (),
    ladder: str = "",
    after: str | None = None,
    limit: int = PAGE,
) -> Page:
    """Newest first; of a tenant, in some phases, of a ladder, or all."""
    raise NotImplementedError


def queue(
    connection: Connection, which: Queue, now: float, *, after: str | None = None, limit: int = PAGE
) -> Page:
    """What waits for staff, the most urgent first."""
    raise NotImplementedError


def counts(connection: Connection, now: float) -> dict[str, int]:
    """How many cases are in each phase, and besides `overdue`, `due-soon` (within 4 h), `submitted`
    and `unmatched` (reports)."""
    raise NotImplementedError


def timeline(
    connection: Connection, number: int, *, before: int | None = None, limit: int = 200
) -> list[Entry]:
    """A case's entries, newest first."""
    raise NotImplementedError


def facts_of(
    connection: Connection, number: int, *, after: int = 0, limit: int = 100
) -> list[StoredFact]:
    """A case's facts, oldest first."""
    raise NotImplementedError


def ladder_positions(connection: Connection, tenant: str) -> dict[str, int]:
    """How many counted cases the tenant has had in each ladder."""
    raise NotImplementedError
