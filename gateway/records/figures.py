"""Figures: delivered copies, complaints and bounces by day, tenant, stream, mailing and domain.

About no person. `add` sums, `rates_of` gives them with their shares for the desk, the command line
and metrics; `note_sent` counts what was offered to each provider, which is what a storm is measured
by. All run in the caller's transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

SLOT = 300
"""Seconds for which copies to one provider are counted together."""


class Figure(StrEnum):
    """What is counted."""

    OFFERED = "offered"
    """Copies that the next hop has taken or refused for good."""
    DELIVERED = "delivered"
    """Copies that it has taken."""
    COMPLAINT = "complaint"
    HARD_BOUNCE = "hard-bounce"
    """Recipients who were refused as no mailbox, when that is believed."""
    SOFT_BOUNCE = "soft-bounce"
    """Other bounces about the recipient."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Sums of one tenant, or of one of its streams, mailings or sender domains (empty: all)."""

    tenant: str
    stream: str = ""
    mailing: str = ""
    domain: str = ""
    offered: int = 0
    delivered: int = 0
    complaints: int = 0
    hard_bounces: int = 0
    soft_bounces: int = 0

    @property
    def complaint_percent(self) -> float:
        """Complaints among what was delivered."""
        return _percent(self.complaints, self.delivered)

    @property
    def hard_bounce_percent(self) -> float:
        """Hard bounces among what was offered."""
        return _percent(self.hard_bounces, self.offered)

    @property
    def soft_bounce_percent(self) -> float:
        """Soft bounces among what was offered."""
        return _percent(self.soft_bounces, self.offered)


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0


def day_of(at: float) -> int:
    """The day (UTC) of an instant, in days since 1970."""
    return int(at) // 86_400


def add(
    connection: Connection,
    at: float,
    tenant: str,
    stream: str,
    mailing: str,
    domain: str,
    what: Figure,
    amount: int = 1,
) -> None:
    """Count on the day of `at` (Unix seconds)."""
    raise NotImplementedError


def rates_of(
    connection: Connection, tenant: str = "", since: float = 0.0, by: tuple[str, ...] = ()
) -> list[Rate]:
    """The sums of a tenant, or of each ("" ), from the day of `since` on, by any of `stream`,
    `mailing`, `domain`; the most delivered first."""
    raise NotImplementedError


def note_sent(connection: Connection, provider: str, at: float, amount: int) -> None:
    """Count copies that were offered to a recipient's domain around `at`, taken or refused."""
    raise NotImplementedError


def sent_to(connection: Connection, provider: str, since: float, until: float) -> int:
    """How many copies were offered to a provider in the slots that touch this time."""
    raise NotImplementedError
