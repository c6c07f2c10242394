"""Turns what the policies found into facts, and has the records act on them.

Told each ruling at MAIL and RCPT, it counts recipients and facts of the last 24 h for each tenant
and has each fact taken durably with all that follows from it: cases, notices, blocks. It emits what
came of that. A store that is away, or a case that cannot be read, costs the record of a fact, never
the session: `fact.lost` says so, and the next fact brings what this one would have. Decides nothing
by itself: the ladders of `policies.sanctions` do.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Protocol

from gateway import replies
from gateway.errors import StoreUnavailable
from gateway.events import Emit, Event
from gateway.pipeline import Ruling
from gateway.records.cases import FactTaken
from gateway.reply import Reply
from gateway.stage import Trail
from policies.ports import Blocks, Clock, RateWindows
from policies.sanctions.case import Counts, Fact
from policies.sanctions.words import Excuse, FactKind
from policies.senders import blockable
from policies.terms import DAY, MONTH
from policies.transaction import Recipient, Transaction
from suppression.standing import Reason

REFUSALS: dict[object, FactKind] = {
    Reason.PROTECTED.value: FactKind.PROTECTED_HIT,
    Reason.COMPLAINT.value: FactKind.COMPLAINT_IGNORED,
}
"""Which recipients that are refused count against the tenant."""

AT_ONCE = 20
"""Delivered copies of a tenant that are counted together: each message pays for a sum only. Until
then they are missing where a report is judged by the records; a fact of ours counts them first."""


class FactBook(Protocol):
    """Where facts are kept and acted on; raises StoreUnavailable."""

    async def take(self, fact: Fact, counts: Counts, entries: Collection[int]) -> FactTaken:
        """Store the fact with all that follows, in force when this returns. `entries` are the
        suppression entries that stopped the recipient."""


class Enforcement:
    """One per process."""

    def __init__(
        self, rates: RateWindows, blocks: Blocks, book: FactBook, emit: Emit, clock: Clock
    ) -> None:
        self._rates = rates
        self._blocks = blocks
        self._book = book
        self._emit = emit
        self._clock = clock
        self._delivered: dict[str, int] = {}

    async def after_mail(self, t: Transaction, ruling: Ruling) -> None:
        """Hear what became of a MAIL."""
        if _noted(ruling.trail, "batch", "defiance") is True:
            await self._take(t, FactKind.BATCH_DEFIANCE, None)

    async def after_rcpt(
        self, t: Transaction, rulings: Sequence[tuple[Recipient | None, Ruling]]
    ) -> None:
        """Hear what became of a group of RCPTs; await it before the replies go out, so that a
        block is in force for the next."""
        facts = [
            (kind, recipient)
            for recipient, ruling in rulings
            if ruling.reply is not None and recipient is not None
            for kind in (_fact(ruling.reply, ruling.trail),)
            if kind is not None
        ]
        counted = f"recipients:{t.tenant.name}"
        if not facts:
            t.hold.note(counted, len(rulings), DAY)
            return
        try:
            await self._rates.add(counted, len(rulings), DAY)  # the facts are judged by it
        except StoreUnavailable:
            t.hold.note(counted, len(rulings), DAY)
        for kind, recipient in facts:
            await self._take(t, kind, recipient)

    def delivered(self, t: Transaction, copies: int) -> None:
        """Hear how many copies of a message the next hop took; counted when it is settled."""
        tenant = t.tenant.name
        waiting = self._delivered.get(tenant, 0) + copies
        if waiting < AT_ONCE:
            self._delivered[tenant] = waiting
            return
        self._delivered.pop(tenant, None)
        for seconds in (DAY, MONTH):
            t.hold.note(f"delivered:{tenant}", waiting, seconds)

    async def _count_delivered(self, tenant: str) -> None:
        if not (copies := self._delivered.pop(tenant, 0)):
            return
        try:
            for seconds in (DAY, MONTH):
                await self._rates.add(f"delivered:{tenant}", copies, seconds)
        except StoreUnavailable:
            self._delivered[tenant] = self._delivered.get(tenant, 0) + copies
            raise

    async def _take(self, t: Transaction, kind: FactKind, recipient: Recipient | None) -> None:
        tenant, domains = t.tenant.name, blockable(t)
        try:
            # Who lifts a block forgives what led to it: each lift begins a new count.
            count = f"{kind}:{tenant}:{await self._blocks.lifts(tenant)}"
        except StoreUnavailable:
            count = f"{kind}:{tenant}:0"
        standing = recipient.standing if recipient else None
        fact = Fact(
            kind=kind,
            tenant=tenant,
            stream=t.stream.name,
            mailing=t.mailing,
            domain=domains[0] if t.mail_from is not None else "",
            key=standing.key if standing else b"",
            ref=t.ref,
            at=self._clock(),
            excuse=Excuse.CLEARED if standing and standing.is_cleared else None,
            domains=tuple(domains),
        )
        matches = standing.matches if standing else ()
        entries = [m.entry for m in matches if REFUSALS.get(m.reason.value) is kind]
        counts = Counts(facts=0)
        try:
            await self._count_delivered(tenant)
            excused = await self._rates.count(f"excused:{count}", DAY)
            counts = Counts(
                facts=await self._rates.add(f"fact:{count}", 1, DAY) - excused,
                recipients=await self._rates.count(f"recipients:{tenant}", DAY),
                delivered=await self._rates.count(f"delivered:{tenant}", DAY),
            )
            taken = await self._book.take(fact, counts, entries)
        except Exception as error:  # neither case nor window may end what is under way
            self._lost(t, fact, counts, error)
            return
        if taken.fact.excuse is not None:
            with suppress(StoreUnavailable):  # then it counts until the day is over
                await self._rates.add(f"excused:{count}", 1, DAY)
        for event in taken.events:
            event.session, event.stream = t.session, t.stream.name
            event.ref, event.mailing = t.ref, t.mailing
            self._emit(event)

    def _lost(self, t: Transaction, fact: Fact, counts: Counts, error: Exception) -> None:
        detail: dict[str, object] = {
            "fact": fact.kind.value,
            "facts": counts.facts,
            "recipients": counts.recipients,
            "error": str(error) if isinstance(error, StoreUnavailable) else repr(error),
        }
        event = Event(
            "fact.lost", fact.at, t.session, t.ref, fact.tenant, fact.stream, fact.mailing
        )
        event.domain, event.detail = fact.domain, detail
        self._emit(event)


def _fact(reply: Reply, trail: Trail) -> FactKind | None:
    """What the refusal of a recipient says against the tenant."""
    kind = REFUSALS.get(_noted(trail, "suppression", "suppression"))
    # Whoever may not know of a complaint cannot have ignored it.
    if kind is FactKind.COMPLAINT_IGNORED and reply.tag != replies.COMPLAINT.tag:
        return None
    return kind


def _noted(trail: Trail, policy: str, name: str) -> object:
    """What that policy, enforced, noted as `name` among its inputs; None for nothing."""
    for entry in trail:
        if entry["policy"] == policy and not entry["observed"]:
            inputs = entry["inputs"]
            return inputs.get(name) if isinstance(inputs, dict) else None
    return None
