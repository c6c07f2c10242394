"""What the next hop said and what became of each recipient: values shared by relay and ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Trouble(StrEnum):
    """Why there is no reply of the next hop's to go by."""

    AWAY = "away"
    """No connection could be made to any next hop: 451 4.4.1."""
    BUSY = "busy"
    """All connections to the next hop stayed lent to other transactions: 451 4.4.5."""
    BROKE_OFF = "broke-off"
    """Silent, dropped or garbled before the final dot went out: 451 4.4.1/4.4.2, nothing sent."""
    REFUSES_US = "refuses-us"
    """It refuses the gateway itself: 451 4.3.5 and an alarm."""


@dataclass(frozen=True, slots=True)
class HopReply:
    """One reply of the next hop's: code, enhanced code ("" if none), cleaned text of all lines."""

    code: int
    enhanced: str
    text: str
    trouble: Trouble | None = None
    """Set when the reply is ours for want of one (code is then 451)."""
    is_of_mail: bool = field(default=False, compare=False)
    """It refused MAIL, whoever the recipients are."""

    @property
    def is_positive(self) -> bool:
        """2xx."""
        return 200 <= self.code < 300


class State(StrEnum):
    """What became of one recipient of one copy."""

    IN_FLIGHT = "in-flight"
    TAKEN = "taken"
    REFUSED = "refused"
    """5xx about this mail: final."""
    DEFERRED = "deferred"
    """4xx, or nothing was sent: a retry may go."""
    UNKNOWN = "unknown"
    """The dot went out, no answer came."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state of one recipient with the next hop's words for it."""

    state: State
    reply: HopReply
