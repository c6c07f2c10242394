"""Goes the rounds of proofs that something is due for: mails, reminders, expiry.

One `Rounds` lives in the web process and runs as a job every second, so that a request of any
process is mailed at once. Each mail has a task of its own: one slow next hop keeps no other mail
waiting. What a tenant may not send now (closed, its domain blocked, no key) is tried again later.
Raises StoreUnavailable; everything else about a mail ends as a step of its proof.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from gateway.config.load import Loaded
from gateway.config.opt_in import OptInSettings
from gateway.config.signers import Signers, signers_for, signers_of
from gateway.config.tenant import TenantConfig
from gateway.courier import Fate, Said, hand_over
from gateway.errors import SigningFailed
from gateway.events import Emit, Event
from gateway.jobs import Job
from gateway.message.dkim import Signer
from gateway.opt_in.letter import Composed, Draft, compose
from gateway.records.blocks import list_blocks
from gateway.records.database import Connection, Database
from gateway.records.proof_mailing import (
    TAKEN_UP_AGAIN,
    Attempt,
    Letter,
    Mail,
    attempt,
    begin,
    conclude,
)
from gateway.records.proof_view import Proof, by_id, due
from gateway.records.proofs import expire, steps
from gateway.relay.configured import configured_hops
from gateway.relay.settings import NextHopSettings
from gateway.under_way import UnderWay
from policies.ports import Clock
from policies.terms import TenantState
from suppression.consent import Status, Step
from suppression.keys import Keyring
from suppression.tokens import Purpose, Tokens

PAUSE = 1.0
"""Seconds between two rounds, and that one waits for the mails it began."""
AT_ONCE = 8
"""Mails under way at the same time."""
CONFIRM_PATH = "/c"

HandOver = Callable[[str, str, bytes], Awaitable[Said]]
"""Gives sender, recipient and octets to the next hops."""


@dataclass(frozen=True, slots=True)
class House:
    """What one configuration says of confirmation mails."""

    hostname: str
    link: str
    tenants: dict[str, TenantConfig]
    signers: Signers
    hops: tuple[NextHopSettings, ...]
    keyring: Keyring

    @classmethod
    def of(cls, loaded: Loaded, keyring: Keyring) -> House:
        """Raises ConfigurationError for keys or passwords that cannot be read."""
        config = loaded.config
        return cls(
            config.hostname,
            f"{config.web.link}{CONFIRM_PATH}",
            dict(loaded.tenants),
            signers_of(loaded.tenants),
            configured_hops(config),
            keyring,
        )

    def opt_in(self, tenant: str, stream: str) -> OptInSettings | None:
        """How this list asks, when it does."""
        settings = self.tenants[tenant].streams.get(stream) if tenant in self.tenants else None
        return settings.opt_in if settings else None


class Rounds:
    """Mails what is due and notes what came of it. `run` is one round, `close` the end."""

    def __init__(
        self,
        database: Database,
        house: House,
        emit: Emit,
        clock: Clock,
        send: HandOver | None = None,
        pause: float = PAUSE,
    ) -> None:
        self._database = database
        self._house = house
        self._emit = emit
        self._clock = clock
        self._send = send
        self._pause = pause
        self._under_way = UnderWay(AT_ONCE, self._due, lambda proof: proof.id, self._attend, pause)

    def adopt(self, house: House) -> None:
        """Work by a new configuration from now on."""
        self._house = house

    def job(self) -> Job:
        """The rounds as a job of the web process."""
        return Job("confirmation mails", self._pause, self.run)

    async def run(self) -> int:
        """Begin what is due; how much of it is done. Raises StoreUnavailable."""
        return await self._under_way.round()

    async def close(self) -> None:
        """Let the mails under way end, for a while."""
        await self._under_way.close()

    def _due(self, limit: int) -> Sequence[Proof]:
        with self._database.reading() as connection:
            return due(connection, self._house.keyring, self._clock(), limit)

    # ---- one proof ----------------------------------------------------------------------------

    async def _attend(self, proof: Proof) -> None:
        """Do what is due for one proof."""
        house, now = self._house, self._clock()
        is_over = proof.expires_at is not None and now >= proof.expires_at
        if is_over or not proof.address:
            await self._database.write(lambda c: _expire(c, house.keyring, proof.id, now))
            self._tell("opt_in.expired", proof, "", "")
            return
        with self._database.reading() as connection:
            so_far = steps(connection, house.keyring, proof.id)
            blocked = {block.domain for block in list_blocks(connection, proof.tenant)}
        planned = attempt(proof, so_far)
        opt_in = house.opt_in(proof.tenant, proof.stream)
        if planned and planned.letter is Letter.REMINDER and not (opt_in and opt_in.reminder_after):
            planned = None
        if planned is None:
            await self._note(proof, Step.DEFERRED, Letter.REMINDER, due_at=proof.expires_at)
            return
        if planned.is_spent:
            await self._took(proof, planned, Said(Fate.UNKNOWN, "", ""))
            return
        why, signers = self._may_send(proof, opt_in, blocked)
        if opt_in is None or why:
            await self._put_off(proof, planned, why, was_sending=False)
            return
        asked_at = next((s.facts["form_at"] for s in so_far if "form_at" in s.facts), None)
        try:
            mail = compose(self._draft(proof, planned, opt_in, asked_at), signers)
        except SigningFailed as error:
            await self._put_off(proof, planned, str(error), was_sending=False)
            return
        await self._mail(proof, planned, opt_in.sender, mail)

    async def _mail(self, proof: Proof, planned: Attempt, sender: str, mail: Composed) -> None:
        """Note that the mail leaves, let it leave, note what was said to it."""
        keyring, now = self._house.keyring, self._clock()
        noted = Mail(planned.letter, planned.message_id or mail.message_id, mail.sha256)
        leaves = await self._database.write(
            lambda c: begin(c, keyring, proof.id, noted, planned.sent > 0, now)
        )
        if not leaves:
            self._tell("opt_in.stopped", proof, planned.letter, "")
            return
        if self._send is not None:
            said = await self._send(sender, proof.address, mail.octets)
        else:
            said = await hand_over(self._house.hops, sender, proof.address, mail.octets)
        match said.fate:
            case Fate.TAKEN:
                await self._took(proof, planned, said)
            case Fate.REFUSED if planned.sent:
                # An earlier copy may have been taken; this answer is about the second one.
                await self._took(proof, planned, said)
            case Fate.REFUSED:
                await self._note(proof, Step.FAILED, planned.letter, said=said)
            case Fate.UNKNOWN:
                again = self._clock() + TAKEN_UP_AGAIN
                await self._note(proof, Step.UNKNOWN, planned.letter, due_at=again, said=said)
            case Fate.LATER:
                await self._put_off(proof, planned, "", was_sending=True, said=said)

    def _may_send(
        self, proof: Proof, opt_in: OptInSettings | None, blocked: set[str]
    ) -> tuple[str, tuple[Signer, ...]]:
        """Why the tenant may not send now ("" when it may), and the keys that sign for it."""
        if opt_in is None:
            return "the list asks for no consent any more", ()
        tenant = self._house.tenants[proof.tenant]
        if tenant.state not in (TenantState.OPEN, TenantState.STARTER):
            return f"the tenant is {tenant.state}", ()
        if not tenant.streams[proof.stream].open:
            return "the list is closed", ()
        domain = opt_in.sender.rpartition("@")[2]
        if domain in blocked:
            return f"the domain {domain} is blocked", ()
        signers = tuple(signers_for(self._house.signers, domain))
        return ("" if signers else f"no key signs for {domain}"), signers

    def _draft(
        self, proof: Proof, planned: Attempt, opt_in: OptInSettings, asked_at: int | None
    ) -> Draft:
        tenant = self._house.tenants[proof.tenant]
        at = int(self._clock()) if planned.at is None else planned.at
        tokens = Tokens(self._house.keyring)
        token = tokens.make(Purpose.CONFIRM, proof.scope, proof.tracking)
        return Draft(
            letter=planned.letter,
            language=proof.language,
            sender=opt_in.sender,
            sender_name=tenant.shown_name,
            list_name=tenant.shown_stream(proof.stream),
            address=proof.address,
            text=proof.text,
            link=f"{self._house.link}/{token}",
            privacy=str(opt_in.privacy),
            number=proof.number,
            hostname=self._house.hostname,
            at=at,
            until=(at if proof.mailed_at is None else proof.mailed_at) + proof.lasts,
            asked_at=asked_at,
            mailed_at=proof.mailed_at,
        )

    # ---- what came of it ----------------------------------------------------------------------

    async def _took(self, proof: Proof, planned: Attempt, said: Said) -> None:
        """The next hop has it, or is taken to have it."""
        is_question = planned.letter is Letter.QUESTION
        now = self._clock()
        due_at: float | None = None
        if is_question:
            opt_in = self._house.opt_in(proof.tenant, proof.stream)
            after = opt_in.reminder_after if opt_in else None
            due_at = now + (proof.lasts if after is None else min(after, proof.lasts))
        await self._note(
            proof,
            Step.MAILED if is_question else Step.REMINDED,
            planned.letter,
            due_at=due_at,
            said=said,
            facts={} if said.fate is Fate.TAKEN else {"is_assumed": True},
        )

    async def _put_off(
        self,
        proof: Proof,
        planned: Attempt,
        why: str,
        *,
        was_sending: bool,
        said: Said | None = None,
    ) -> None:
        facts: dict[str, object] = {"was_sending": was_sending}
        if why:
            facts["why"] = why
        again = self._clock() + planned.pause
        if proof.expires_at is not None:
            again = min(again, proof.expires_at)
        await self._note(proof, Step.DEFERRED, planned.letter, due_at=again, said=said, facts=facts)

    async def _note(
        self,
        proof: Proof,
        step: Step,
        letter: Letter,
        *,
        due_at: float | None = None,
        said: Said | None = None,
        facts: dict[str, object] | None = None,
    ) -> None:
        keyring, now = self._house.keyring, self._clock()
        named = {"hop": said.hop} if said and said.hop else {}
        words = said.words if said else ""
        await self._database.write(
            lambda c: conclude(
                c,
                keyring,
                proof.id,
                step,
                letter,
                now,
                due_at=due_at,
                facts={**named, **(facts or {})},
                reply=words,
            )
        )
        self._tell(f"opt_in.{step}", proof, letter, said.hop if said else "")

    def _tell(self, kind: str, proof: Proof, letter: str, hop: str) -> None:
        detail: dict[str, object] = {"proof": proof.number}
        detail |= {name: text for name, text in (("letter", letter), ("next_hop", hop)) if text}
        self._emit(
            Event(kind, self._clock(), tenant=proof.tenant, stream=proof.stream, detail=detail)
        )


def _expire(connection: Connection, keyring: Keyring, number: int, now: float) -> None:
    if by_id(connection, keyring, number).status in (Status.REQUESTED, Status.MAILED):
        expire(connection, keyring, number, now)
