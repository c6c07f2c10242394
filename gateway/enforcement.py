"""Turns what the policies found into facts, and facts into warnings and blocks.

Told each ruling at MAIL and RCPT, it counts recipients and facts of the last 24 h for each tenant,
has facts and blocks stored durably and emits `fact.recorded`, `domain.warned` and
`domain.blocked`. A store that is away costs the record, not the count: `fact.lost` says so, and
the next fact tries the block again. Decides nothing by itself: the thresholds are
`policies.blocking`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from gateway.errors import StoreUnavailable
from gateway.events import Emit, Event
from gateway.pipeline import Ruling, Trail
from policies.blocking import Fact, FactKind, Step, Threshold, domains_of, judge
from policies.ports import Blocks, Clock, RateWindows
from policies.terms import DAY
from policies.transaction import Recipient, Transaction
from suppression.standing import Reason


class FactBook(Protocol):
    """Where facts and blocks are kept for good; both raise StoreUnavailable."""

    async def record(self, fact: Fact) -> str:
        """Store the fact; the number of the case that it folds into."""

    async def block(self, tenant: str, domain: str, case: str, reason: str) -> None:
        """Block the tenant's domain under that case, in force when this returns."""


class Enforcement:
    """One per process."""

    def __init__(
        self,
        rates: RateWindows,
        blocks: Blocks,
        book: FactBook,
        thresholds: Mapping[FactKind, Threshold],
        emit: Emit,
        clock: Clock,
    ) -> None:
        self._rates = rates
        self._blocks = blocks
        self._book = book
        self._thresholds = thresholds
        self._emit = emit
        self._clock = clock

    async def after_mail(self, t: Transaction, ruling: Ruling) -> None:
        """Hear what became of a MAIL."""
        if _noted(ruling.trail, "batch", "defiance", True):
            await self._take(t, FactKind.BATCH_DEFIANCE, b"")

    async def after_rcpt(
        self, t: Transaction, rulings: Sequence[tuple[Recipient | None, Ruling]]
    ) -> None:
        """Hear what became of a group of RCPTs; await it before the replies go out, so that a
        block is in force for the next."""
        await self._rates.add(f"recipients:{t.tenant.name}", len(rulings), DAY)
        for recipient, ruling in rulings:
            if recipient is None or ruling.reply is None:
                continue
            if _noted(ruling.trail, "suppression", "suppression", str(Reason.PROTECTED)):
                await self._take(t, FactKind.PROTECTED_HIT, recipient.standing.key)

    async def _take(self, t: Transaction, kind: FactKind, key: bytes) -> None:
        tenant, domains = t.tenant.name, domains_of(t)
        try:
            # Who lifts a block forgives what led to it: each lift begins a new count.
            count = f"{kind}:{tenant}:{await self._blocks.lifts(tenant)}"
        except StoreUnavailable:
            count = f"{kind}:{tenant}:0"
        facts = await self._rates.add(f"fact:{count}", 1, DAY)
        recipients = await self._rates.count(f"recipients:{tenant}", DAY)
        sender = domains[0] if t.mail_from is not None else ""
        fact = Fact(kind, tenant, t.stream.name, t.mailing, sender, key, t.ref, self._clock())
        numbers: dict[str, object] = {"fact": str(kind), "facts": facts, "recipients": recipients}
        try:
            number = await self._book.record(fact)
            numbers["case"] = number
            self._tell(t, "fact.recorded", sender, numbers)
            threshold = self._thresholds.get(kind)
            match judge(facts, recipients, threshold) if threshold else Step.NOTHING:
                case Step.BLOCK:
                    reason = f"{facts} facts ({kind}) among {recipients} recipients in 24 h"
                    for domain in domains:
                        if await self._blocks.find(tenant, domain) is None:
                            await self._book.block(tenant, domain, number, reason)
                            self._tell(t, "domain.blocked", domain, numbers)
                case Step.WARN:
                    if await self._rates.take(f"warned:{count}", 1, 1, DAY) is None:
                        self._tell(t, "domain.warned", sender, numbers)
                case Step.NOTHING:
                    pass
        except StoreUnavailable as error:
            self._tell(t, "fact.lost", sender, {**numbers, "error": str(error)})

    def _tell(self, t: Transaction, kind: str, domain: str, detail: dict[str, object]) -> None:
        self._emit(
            Event(
                kind,
                self._clock(),
                session=t.session,
                ref=t.ref,
                tenant=t.tenant.name,
                stream=t.stream.name,
                mailing=t.mailing,
                domain=domain,
                detail=dict(detail),
            )
        )


def _noted(trail: Trail, policy: str, name: str, value: object) -> bool:
    """Whether that policy, enforced, noted `name` = `value` among its inputs."""
    for entry in trail:
        if entry["policy"] == policy and not entry["observed"]:
            inputs = entry["inputs"]
            return isinstance(inputs, dict) and inputs.get(name) == value
    return False
