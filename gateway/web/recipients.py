"""What recipients see and decide, made durable and told to the journal: behind their pages.

`Recipients` is made anew with each configuration, whose names for lists and senders it shows.
Raises StoreUnavailable when the records or the journal cannot serve: then nothing is confirmed to
the person, though what they decided may be in force.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from gateway.config.tenant import TenantConfig
from gateway.errors import StoreUnavailable
from gateway.events import Emit, Event
from gateway.journal import Journal
from gateway.records.case_rules import Rules
from gateway.records.choices import Chosen, choose, look
from gateway.records.database import Connection, Database
from gateway.records.proofs import Answer, Proof, Visit, by_tracking, confirm, revoke
from gateway.records.reports import Report, take_report
from gateway.records.streams import tenant_numbers
from gateway.records.subjects import plain_texts, subject_of
from gateway.web.parts import Question, State, Subscription
from policies.sanctions.words import Grade
from suppression.choices import Choice
from suppression.consent import Status
from suppression.keys import Keyring
from suppression.tokens import Token

T = TypeVar("T")
WRITE_SECONDS = 10.0
"""How long a decision may take to become durable before the caller is told to come back."""
STATES = {
    Status.REQUESTED: State.ASKED,
    Status.MAILED: State.ASKED,
    Status.CONFIRMED: State.CONFIRMED,
    Status.REVOKED: State.WITHDRAWN,
    Status.EXPIRED: State.EXPIRED,
    Status.SUPERSEDED: State.SUPERSEDED,
    Status.FAILED: State.CLOSED,
}


class Recipients:
    """`gateway.web.parts.Recipients` over the records."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        journal: Journal,
        emit: Emit,
        tenants: Mapping[str, TenantConfig],
        rules: Rules,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._journal = journal
        self._emit = emit
        self._tenants = tenants
        self._rules = rules

    async def look(self, token: Token) -> Subscription:
        """What is in force for the token's recipient."""
        number, key, now = token.stream_number, token.key, time.time()
        try:
            chosen = await self._database.read(lambda c: look(c, self._keyring, number, key, now))
        except LookupError as error:
            raise _not_ours(error) from error
        return self._shown(chosen)

    async def choose(self, token: Token, choice: Choice, source: str) -> Subscription:
        """Put a choice in force; `source` says by which way it came."""
        now = time.time()

        def decide(connection: Connection) -> tuple[Chosen, tuple[Event, ...]]:
            chosen = choose(
                connection, self._keyring, token.stream_number, token.key, choice, source, now
            )
            if not chosen.is_complaint_new:
                return chosen, ()
            report = self._report(connection, chosen, token, choice, source, now)
            return chosen, take_report(connection, report, self._rules, now).events

        try:
            chosen, events = await self._write(decide)
        except LookupError as error:
            raise _not_ours(error) from error
        self._tell(chosen, token, choice, source, now)
        for event in events:
            self._emit(event)
        self._be_told()
        return self._shown(chosen)

    async def question(self, token: Token) -> Question | None:
        """What the proof with the token's tracking number asks; None when there is none."""

        def asked(connection: Connection) -> Question:
            proof = by_tracking(connection, self._keyring, token.key)
            return self._asked(connection, proof, time.time())

        try:
            return await self._database.read(asked)
        except LookupError:
            return None

    async def answer(self, token: Token, is_yes: bool, visit: Visit) -> Question | None:
        """Confirm, or withdraw request or consent; None when there is no such proof."""
        now = time.time()

        def decide(connection: Connection) -> tuple[Answer, Question]:
            if is_yes:
                answer = confirm(connection, self._keyring, token.key, visit, now)
            else:
                answer = revoke(
                    connection, self._keyring, token.key, "recipient", "on the page", now, visit
                )
            return answer, self._asked(connection, answer.proof, now)

        try:
            answer, found = await self._write(decide)
        except LookupError:
            return None
        if answer.is_new:
            proof = answer.proof
            kind = "consent.confirmed" if is_yes else "consent.revoked"
            detail: dict[str, object] = {"key": proof.key.hex(), "proof": proof.number}
            self._emit(Event(kind, now, tenant=proof.tenant, stream=proof.stream, detail=detail))
        self._be_told()
        return found

    def _report(
        self,
        connection: Connection,
        chosen: Chosen,
        token: Token,
        choice: Choice,
        source: str,
        now: float,
    ) -> Report:
        """Our token, and the reporter is the person: it suppresses, a person decides the rest."""
        scopes = tenant_numbers(connection, chosen.tenant)
        subject = subject_of(connection, token.key, scopes)
        known = plain_texts(connection, self._keyring, [subject] if subject else [])
        return Report(
            Grade.B,
            source,
            now,
            tenant=chosen.tenant,
            stream=chosen.stream,
            key=token.key,
            address=known.get(subject or 0, ""),
            said={"why": choice.why} if choice.why else {},
        )

    async def _write(self, work: Callable[[Connection], T]) -> T:
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                return await self._database.write(work)
        except TimeoutError as error:
            raise StoreUnavailable(f"records: not written within {WRITE_SECONDS:g} s") from error

    def _be_told(self) -> None:
        """Have the journal write what it was told: the answer depends on whether it can."""
        self._journal.flush()
        if not self._journal.is_writable:
            raise StoreUnavailable("the journal cannot be written")

    def _tell(self, chosen: Chosen, token: Token, choice: Choice, source: str, now: float) -> None:
        about: dict[str, object] = {"key": token.key.hex(), "source": source}
        if choice.why:
            about["why"] = choice.why
        if chosen.is_unsubscribe_new:
            detail = {**about, "from": "sender" if choice.is_wide else "list"}
            self._emit(
                Event(
                    "unsubscribed", now, tenant=chosen.tenant, stream=chosen.stream, detail=detail
                )
            )
        if chosen.is_complaint_new:
            detail = {**about, "grade": "B"}
            self._emit(
                Event(
                    "complaint.received",
                    now,
                    tenant=chosen.tenant,
                    stream=chosen.stream,
                    detail=detail,
                )
            )

    def _shown(self, chosen: Chosen) -> Subscription:
        list_name, sender_name = self._names(chosen.tenant, chosen.stream)
        return Subscription(list_name, sender_name, chosen.in_force)

    def _asked(self, connection: Connection, proof: Proof, now: float) -> Question:
        list_name, sender_name = self._names(proof.tenant, proof.stream)
        state = STATES[proof.status]
        if state is State.ASKED and not proof.address:  # erased since
            state = State.CLOSED
        elif state is State.ASKED and proof.expires_at is not None and now >= proof.expires_at:
            state = State.EXPIRED
        elif state is State.CONFIRMED:
            chosen = look(connection, self._keyring, proof.scope, proof.key, now)
            state = State.LEFT if chosen.in_force.is_any else state
        tenant = self._tenants.get(proof.tenant)
        stream = tenant.streams.get(proof.stream) if tenant else None
        opt_in = stream.opt_in if stream else None
        return Question(
            list_name=list_name,
            sender_name=sender_name,
            text=proof.text,
            text_language=proof.language,
            privacy=str(opt_in.privacy) if opt_in else "",
            state=state,
        )

    def _names(self, tenant_name: str, stream: str) -> tuple[str, str]:
        """What recipients know list and sender as."""
        tenant = self._tenants.get(tenant_name)
        if tenant is None:
            return stream, tenant_name
        return tenant.shown_stream(stream), tenant.shown_name


def _not_ours(error: LookupError) -> StoreUnavailable:
    """An authentic token for a stream these records do not know: they came from a backup."""
    return StoreUnavailable(str(error))
