"""Notices that a next hop refuses the gateway in words that seem to be about recipients.

One same 5xx to most recipients of several tenants within a minute is about what they share: us
(a block list, a full disk, a lost table). `RefusalWatch` counts RCPTs in slots of ten seconds, so
its memory and its work for one recipient do not grow with the traffic.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.relay.answers import without_addresses
from gateway.relay.outcome import HopReply

SLOT_SECONDS = 10.0
SLOTS = 6
MIN_ASKED = 20
MIN_TENANTS = 3
MAX_WORDINGS = 64
"""Wordings told apart in one slot; a next hop that says more than that says nothing in common."""


@dataclass(slots=True)
class _Slot:
    start: float
    asked: int = 0
    refused: dict[str, dict[str, int]] = field(default_factory=dict)
    """Wording to tenant to how often."""


class RefusalWatch:
    """The last minute's answers to RCPT of one next hop. `clock` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._slots: deque[_Slot] = deque(maxlen=SLOTS)

    def accepted(self) -> None:
        """One more recipient was accepted."""
        self._slot().asked += 1

    def refused(self, tenant: str, reply: HopReply) -> bool:
        """One more recipient of `tenant` was refused; True when the refusal is about us."""
        slot = self._slot()
        slot.asked += 1
        if reply.code < 500:
            return False
        wording = f"{reply.code} {reply.enhanced} {without_addresses(reply.text)}"
        if wording not in slot.refused and len(slot.refused) >= MAX_WORDINGS:
            return False
        tenants = slot.refused.setdefault(wording, {})
        tenants[tenant] = tenants.get(tenant, 0) + 1
        return self._is_about_us(wording)

    def _is_about_us(self, wording: str) -> bool:
        oldest = self._clock() - SLOT_SECONDS * SLOTS
        asked = count = 0
        tenants: set[str] = set()
        for slot in self._slots:
            if slot.start > oldest:
                asked += slot.asked
                per_tenant = slot.refused.get(wording, {})
                count += sum(per_tenant.values())
                tenants.update(per_tenant)
        return asked >= MIN_ASKED and 2 * count > asked and len(tenants) >= MIN_TENANTS

    def _slot(self) -> _Slot:
        now = self._clock()
        if not self._slots or now - self._slots[-1].start >= SLOT_SECONDS:
            self._slots.append(_Slot(now))
        return self._slots[-1]
