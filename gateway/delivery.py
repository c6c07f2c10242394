"""One received message on its way out: judged, stamped, signed, relayed, recorded, answered.

The order is that of docs/flow.md from the final dot on. Takes the transaction with its accepted
recipients, gives the one reply the customer hears. Every fault of ours ends as a 4xx. Once begun it
runs to its end, however long the next hop listens and whether or not the customer is still there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic, perf_counter

from gateway import replies
from gateway.errors import (
    HeaderSyntaxError,
    JournalUnwritable,
    SigningFailed,
    StoreUnavailable,
)
from gateway.events import Emit, Event
from gateway.ledger.dsn import Original, delivery_notice
from gateway.ledger.ledger import Ledger
from gateway.ledger.plan import NOT_SENT, Plan, Step
from gateway.ledger.telling import told_of
from gateway.ledger.verdict import Refusal, conclude, partial
from gateway.marks import mailing_token, own_fields, return_path
from gateway.message.dkim import Signatures, Signer
from gateway.message.header import HeaderView
from gateway.message.message_id import message_id_digest
from gateway.message.received import Message
from gateway.message.stamp import Stamped, StampPlan, message_id_of, stamp
from gateway.metrics import Metrics
from gateway.relay.answers import reply_for, without_addresses
from gateway.relay.hops import NextHops
from gateway.relay.outcome import Outcome, State
from gateway.relay.transaction import Copy, RelayTransaction
from gateway.reply import Reply
from gateway.smtp.services import Client, Delivered, Snapshot
from gateway.words import Body, Stage, StreamKind
from policies.bytes import ByteWarnings
from policies.ports import Clock
from policies.senders import AuthorError, author_domains
from policies.transaction import Recipient, Transaction
from suppression.address import a_label
from suppression.tokens import Tokens

LAST_START = 240.0
"""Seconds after the final dot from which on no further copy is begun."""


class _Refused(Exception):
    """The message goes no further; `reply` says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


@dataclass(slots=True)
class _Job:
    """All about one message while it is delivered."""

    snapshot: Snapshot
    client: Client
    transaction: Transaction
    trail: dict[str, object]
    message: Message
    relay: RelayTransaction
    started: float
    octets: int = 0
    copies: int = 0
    taken: int = 0
    taken_octets: int = 0
    message_id: str = ""
    """Digest of its Message-ID, for finding the message by it."""
    doubles: list[int] = field(default_factory=list)
    """Numbers of recipients who may get the message twice: an earlier copy's fate is unknown."""
    outcomes: list[Outcome] = field(default_factory=list)
    """As the next hop had it: once the sender is told of refusals, the ledger counts them done."""


class Delivery:
    """Delivers messages for every session of the process."""

    def __init__(
        self,
        ledger: Ledger,
        hops: NextHops,
        tokens: Tokens,
        emit: Emit,
        metrics: Metrics,
        clock: Clock,
        warnings: ByteWarnings,
        delivered: Callable[[Transaction, int], None],
    ) -> None:
        """`delivered` is told how many copies of a transaction's message the next hop took."""
        self._ledger = ledger
        self._hops = hops
        self.tokens = tokens
        """Makes the tokens of the next copies; exchanged as a whole on reload."""
        self._emit = emit
        self._metrics = metrics
        self._clock = clock
        self._warnings = warnings
        self._delivered = delivered
        self._unseen: dict[str, Plan] = {}
        self.in_progress = 0

    async def deliver(
        self,
        snapshot: Snapshot,
        client: Client,
        transaction: Transaction,
        trail: Mapping[str, object],
        message: Message,
        relay: RelayTransaction,
    ) -> Delivered:
        """Deliver `message`; never raises. Settles what the transaction holds."""
        job = _Job(snapshot, client, transaction, dict(trail), message, relay, monotonic())
        self.in_progress += 1
        plan: Plan | None = None
        reply = replies.TEMP
        try:
            view = await self._judge(job)
            plan = await self._plan(job)
            await self._relay(job, plan, self._stamp(job, view), self._signers(job, view))
            reply = await self._conclude(job, plan)
        except _Refused as refused:
            reply = refused.reply
        except StoreUnavailable as problem:
            job.trail["fault"] = str(problem)
        except JournalUnwritable as problem:
            reply = replies.STORAGE
            job.trail["fault"] = str(problem)
        except Exception as fault:  # whatever it is, it is ours: the mail must not bounce for it
            job.trail["fault"] = repr(fault)
        finally:
            self.in_progress -= 1
            await relay.close()
            await self._settle(job)
        return self._answer(job, plan, reply)

    def seen(self, ref: str) -> None:
        """The customer has seen the 250 of `ref`: the same bytes again are a new mail."""
        plan = self._unseen.pop(ref, None)
        if plan is not None:
            plan.seen()

    def unseen(self, ref: str) -> None:
        """The customer may not have seen the 250 of `ref`: a retry must not double it."""
        plan = self._unseen.pop(ref, None)
        if plan is not None:
            plan.unseen()

    # ---- judged -------------------------------------------------------------------------------

    async def _judge(self, job: _Job) -> HeaderView:
        try:
            view = HeaderView.parse(job.message.header)
        except HeaderSyntaxError as problem:
            raise _Refused(replies.BAD_MESSAGE.fill(problem=problem)) from problem
        own = message_id_of(view, job.transaction.ref, job.snapshot.hostname)
        job.message_id = message_id_digest(own)
        started = perf_counter()
        ruling = await job.snapshot.pipeline.message(job.transaction, job.message, view)
        self._metrics.policy_seconds[Stage.MESSAGE].observe(perf_counter() - started)
        job.trail["message"] = ruling.trail
        if ruling.reply is not None:
            raise _Refused(ruling.reply)
        return view

    async def _plan(self, job: _Job) -> Plan:
        t = job.transaction
        return await self._ledger.plan(
            t.ref,
            t.stream.id,
            t.mail_from.text if t.mail_from else "",
            job.message.digest,
            [recipient.address.text for recipient in t.recipients],
            LAST_START,
        )

    # ---- stamped and signed -------------------------------------------------------------------

    def _stamp(self, job: _Job, view: HeaderView) -> Stamped:
        t = job.transaction
        is_list = t.stream.kind is StreamKind.LIST
        return stamp(
            view,
            StampPlan(
                hostname=job.snapshot.hostname,
                helo=job.client.hello,
                client=job.client.address,
                protocol=job.client.protocol,
                ref=t.ref,
                now=self._clock(),
                tenant=t.tenant.name,
                stream=t.stream.name,
                mailing=t.mailing,
                mailing_token=mailing_token(self.tokens, t.stream.number, t.mailing),
                is_list=is_list,
                stamps_unsubscribe=t.stream.kind.is_marketing
                and t.stream.stamps_unsubscribe
                and bool(job.snapshot.unsubscribe_url),
                unsubscribe_hosts=t.tenant.unsubscribe_hosts,
                feedback_domain=job.snapshot.reports_domain,
                is_single=t.stream.verp or len(t.recipients) == 1,
            ),
        )

    def _signers(self, job: _Job, view: HeaderView) -> Sequence[Signer]:
        """The keys of the header From domain, or of MAIL FROM's where From is observed only, but
        never of a domain that is not the tenant's own; then the keys of where reports go."""
        t = job.transaction
        domains = [a_label(t.mail_from.domain)] if t.mail_from else []
        with suppress(AuthorError):
            domains.insert(0, author_domains(view)[0])
        for domain in domains:
            if t.tenant.owns(domain):
                return (*job.snapshot.signers_for(domain), *job.snapshot.feedback_signers)
        return job.snapshot.feedback_signers

    def return_path(
        self, snapshot: Snapshot, transaction: Transaction, recipient: Recipient
    ) -> str | None:
        """MAIL FROM at the next hop for `recipient`; None for the customer's."""
        return return_path(self.tokens, snapshot, transaction, recipient)

    # ---- relayed ------------------------------------------------------------------------------

    async def _relay(
        self, job: _Job, plan: Plan, stamped: Stamped, signers: Sequence[Signer]
    ) -> None:
        sending = plan.to_send()
        t = job.transaction
        recipients = t.recipients
        job.doubles = [recipients[i].index for i in sending if plan.steps[i] is Step.SEND_AGAIN]
        if not sending:
            return
        if job.doubles:
            # Said before the copies go: the last word on them may be lost with the process.
            detail = {"possible_doubles": job.doubles, "recipients": self._recipients(job, plan)}
            self._tell(job, "message.sent_again", detail)
        signatures = Signatures(signers, stamped, job.message.body_hash, self._clock())
        groups = [[i] for i in sending] if stamped.own else [sending]
        header = self._header(job, signatures, stamped, recipients[sending[0]])
        job.octets = len(header) + sum(map(len, job.message.body))
        job.copies = len(groups)
        groups = groups[: await self._allowed(job)]

        def before_dot() -> None:
            flight.before_dot()
            t.hold.check()  # last, since writing the intent may take its time

        for number, group in enumerate(groups):
            if monotonic() - job.started > LAST_START:
                break
            if number:
                header = self._header(job, signatures, stamped, recipients[group[0]])
            copy = Copy(
                tuple(recipients[i].address.text for i in group),
                header,
                job.message.body,
                self.return_path(job.snapshot, t, recipients[group[0]]),
            )
            with plan.flight(group) as flight:
                await flight.ready()
                outcomes = await job.relay.send(copy, before_dot)
                flight.record(outcomes)
            if taken := sum(outcome.state is State.TAKEN for outcome in outcomes):
                job.taken += taken
                job.taken_octets += job.octets

    async def _allowed(self, job: _Job) -> int:
        """How many copies may go out now; the rest is deferred. Raises `_Refused` when none may."""
        while True:
            ruling = await job.snapshot.pipeline.confirm(job.transaction, job.octets, job.copies)
            job.trail["confirm"] = ruling.trail
            if ruling.reply is None:
                return job.copies
            if not 0 < ruling.fits < job.copies:
                raise _Refused(ruling.reply)
            job.copies = ruling.fits

    def _header(
        self, job: _Job, signatures: Signatures, stamped: Stamped, recipient: Recipient
    ) -> bytes:
        number = job.transaction.stream.number
        own = own_fields(self.tokens, job.snapshot, number, recipient, stamped.own)
        try:
            return signatures.copy_header(own)
        except SigningFailed as problem:
            job.trail["fault"] = str(problem)
            raise _Refused(replies.TEMP) from problem

    # ---- concluded ----------------------------------------------------------------------------

    async def _conclude(self, job: _Job, plan: Plan) -> Reply:
        if plan.is_unwritable:
            raise _Refused(replies.STORAGE)
        t = job.transaction
        outcomes = job.outcomes = plan.outcomes()
        answer = conclude(outcomes, reply_for, t.mail_from is not None)
        if answer.bounce and t.mail_from is not None:
            # First give the connection back: there may be only one.
            await job.relay.close()
            if not await self._bounce(job, answer.bounce):
                return partial(outcomes)
            plan.bounced()
        return answer.reply

    async def _bounce(self, job: _Job, refusals: Sequence[Refusal]) -> bool:
        """Send the sender a DSN for the refused recipients; True when the next hop took it."""
        t = job.transaction
        if t.mail_from is None:
            return False
        sender = t.mail_from.text
        now = self._clock()
        original = Original(t.ref, sender, job.message.header, t.now, t.smtputf8)
        header, body = delivery_notice(
            original,
            [(t.recipients[refusal.index].address.text, refusal.reply) for refusal in refusals],
            job.snapshot.hostname,
            now,
        )
        eight_bit = Body.EIGHT_BIT if t.smtputf8 else Body.SEVEN_BIT
        relay = self._hops.transaction("", size=None, body=eight_bit, smtputf8=t.smtputf8)
        try:
            (asked,) = await relay.ask([sender])
            if not asked.is_positive:
                return False
            (outcome,) = await relay.send(Copy((sender,), header, body), t.hold.check)
        finally:
            await relay.close()
        return outcome.state is State.TAKEN

    async def _settle(self, job: _Job) -> None:
        t = job.transaction
        try:
            if job.taken:
                self._delivered(t, job.taken)
            used = await t.hold.settle(job.taken_octets)
            if job.taken:
                await self._warnings.look(t, used)
        except Exception as problem:  # the message's own outcome stands
            job.trail["unsettled"] = f"{type(problem).__name__}: {problem}"

    def _answer(self, job: _Job, plan: Plan | None, reply: Reply) -> Delivered:
        ref = job.transaction.ref
        self._record(job, plan, reply)
        if plan is None:
            return Delivered(reply)
        if reply.code == 250:
            self._unseen[ref] = plan
            return Delivered(reply, ref)
        plan.unseen()
        return Delivered(reply)

    def _record(self, job: _Job, plan: Plan | None, reply: Reply) -> None:
        t = job.transaction
        kind = "message.relayed"
        if reply.code != 250:
            kind = "message.refused" if reply.is_permanent else "message.deferred"
        detail: dict[str, object] = {
            "from": t.mail_from.domain if t.mail_from else "<>",
            "client": job.client.address,
            "size": job.message.size,
            "octets": job.octets,
            "copies": job.copies,
            "asked": t.asked,
            "reply": without_addresses(str(reply)),
            "ms": round((monotonic() - job.started) * 1000, 1),
            "taken_octets": job.taken_octets,
            "recipients": self._recipients(job, plan),
            "trail": job.trail,
        }
        if job.message_id:
            detail["message_id"] = job.message_id
        if job.doubles:
            detail["possible_doubles"] = job.doubles
        self._tell(job, kind, detail, reply.tag)

    def _tell(self, job: _Job, kind: str, detail: dict[str, object], tag: str = "") -> None:
        t = job.transaction
        event = Event(kind, self._clock(), t.session, t.ref, t.tenant.name, t.stream.name)
        event.mailing, event.config, event.tag = t.mailing, job.snapshot.hash, tag
        event.domain, event.detail = (t.mail_from.domain if t.mail_from else ""), detail
        self._emit(event)

    def _recipients(self, job: _Job, plan: Plan | None) -> list[dict[str, object]]:
        recipients = job.transaction.recipients
        if plan is None:
            outcomes, steps = [NOT_SENT] * len(recipients), [Step.SEND] * len(recipients)
        else:
            outcomes, steps = job.outcomes or plan.outcomes(), plan.steps
        return told_of(recipients, outcomes, steps, job.snapshot.records_addresses)
