"""The sender of notices in the web process: takes what is queued to tenants until each is taken.

Every round sends what is due, over connections of its own to the next hops: no block, limit or
policy of the mail path stops a notice. That a notice leaves is committed before it does, and what
came of it after; a process that died between the two sends the same mail again, marked as a repeat.
When the next hop has taken one, its case hears of it in the same transaction, because clocks run
from then. A failure of one notice keeps no other waiting. Raises StoreUnavailable from `run`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from gateway.courier import Fate, Said, hand_over
from gateway.errors import StoreUnavailable
from gateway.events import Emit, Event
from gateway.jobs import Job
from gateway.notices.gather import House, draft
from gateway.notices.letter import compose
from gateway.records import notices
from gateway.records.blocks import case_id
from gateway.records.case_change import change
from gateway.records.database import Connection, Database
from gateway.records.notices import Mail, Notice, NoticeState
from gateway.relay.settings import NextHopSettings
from gateway.under_way import UnderWay
from policies.ports import Clock
from policies.sanctions.case import Noticed
from policies.sanctions.engine import Refused

PAUSE = 1.0
"""Seconds between two rounds, and that one waits for the mails it began."""
AT_ONCE = 1
"""Notices under way at the same time: whatever ends the process leaves one in doubt at most."""

HandOver = Callable[[Sequence[NextHopSettings], str, str, bytes], Awaitable[Said]]
"""Gives sender, recipient and octets to the next hops."""


class NoticeRounds:
    """Sends what is due and notes what came of it. `run` is one round, `close` the end."""

    def __init__(
        self,
        database: Database,
        house: House,
        emit: Emit,
        clock: Clock,
        send: HandOver = hand_over,
        pause: float = PAUSE,
    ) -> None:
        self._database = database
        self._house = house
        self._emit = emit
        self._clock = clock
        self._send = send
        self._pause = pause
        self._has_begun = False
        self._under_way = UnderWay(AT_ONCE, self._due, lambda one: one.number, self._attend, pause)

    def adopt(self, house: House) -> None:
        """Work by a new configuration from now on."""
        self._house = house

    def job(self) -> Job:
        """The rounds as a job of the web process."""
        return Job("notices", self._pause, self.run)

    async def run(self) -> int:
        """Send what is due; how many came to an end. Raises StoreUnavailable."""
        if not self._has_begun:
            # Whatever was under way when the last process ended may be out: it comes first.
            await self._database.write(lambda c: notices.take_up(c, self._clock()))
            self._has_begun = True
        return await self._under_way.round()

    async def close(self) -> None:
        """Let the mails under way end, for a while."""
        await self._under_way.close()

    def _due(self, limit: int) -> Sequence[Notice]:
        with self._database.reading() as connection:
            return notices.due(connection, self._clock(), limit)

    # ---- one notice ---------------------------------------------------------------------------

    async def _attend(self, notice: Notice) -> None:
        """Send one notice, whatever its own trouble is."""
        try:
            mail = self._mail(notice)
        except StoreUnavailable:
            raise
        except Exception as error:  # whatever it is, the next notice must not wait for it
            await self._troubled(notice, str(error) or repr(error))
            return
        if mail is None:
            number, now = notice.number, self._clock()
            if await self._database.write(lambda c: notices.unaddressed(c, number, now)):
                self._tell("notice.unaddressed", notice)
            return
        keyring, now = self._house.rules.keyring, self._clock()
        begun = await self._database.write(
            lambda c: notices.begin(c, keyring, notice.number, mail, now)
        )
        if begun is None:
            return
        if begun.repeats > notice.repeats:
            self._tell("notice.repeated", begun)
        said = await self._send(self._house.hops, mail.sender, mail.recipient, mail.octets)
        await self._note(begun, said)

    def _mail(self, notice: Notice) -> Mail | None:
        """The mail as it left before, or one as things are now; None when nobody is there."""
        house = self._house
        with self._database.reading() as connection:
            if notice.may_be_out:
                mail = notices.mail_of(connection, house.rules.keyring, notice)
                if mail is not None:
                    return mail
            contact = house.contact(notice)
            if contact is None:
                return None
            told = draft(connection, house, notice, contact, self._clock())
        return compose(told, house.signers)

    # ---- what came of it ----------------------------------------------------------------------

    async def _note(self, notice: Notice, said: Said) -> None:
        now, words = self._clock(), said.words
        match said.fate:
            case Fate.TAKEN:
                events = await self._database.write(lambda c: self._taken(c, notice, words, now))
                self._tell("notice.sent", notice, said)
                for event in events:
                    self._emit(event)
            case Fate.REFUSED:
                contacts = len(self._house.rules.of(notice.tenant).contacts)
                refused, events = await self._database.write(
                    lambda c: self._refused(c, notice, words, now, contacts)
                )
                self._tell("notice.refused", refused, said)
                for event in events:
                    self._emit(event)
            case Fate.UNKNOWN | Fate.LATER:
                is_out = said.fate is Fate.UNKNOWN
                await self._database.write(
                    lambda c: notices.put_off(c, notice.number, words, now, is_out=is_out)
                )
                self._tell("notice.unknown" if is_out else "notice.deferred", notice, said)

    def _taken(
        self, connection: Connection, notice: Notice, words: str, now: float
    ) -> tuple[Event, ...]:
        notices.taken(connection, notice.number, words, now)
        return self._dispatched(connection, notice, now)

    def _refused(
        self, connection: Connection, notice: Notice, words: str, now: float, contacts: int
    ) -> tuple[Notice, tuple[Event, ...]]:
        refused = notices.refuse(connection, notice.number, words, now, contacts)
        if refused.state is not NoticeState.REFUSED:
            return refused, ()
        # Whoever lets contacts go stale gains no time by it: not receiving it limits nothing.
        return refused, self._dispatched(connection, notice, now)

    def _dispatched(self, connection: Connection, notice: Notice, now: float) -> tuple[Event, ...]:
        """The case's clocks run from here."""
        try:
            moved = change(
                connection,
                notice.case,
                Noticed(notice.kind),
                notices.ACTOR,
                now,
                self._house.rules,
            )
        except Refused:  # the case is over or from before there were ladders: it has no clocks
            return ()
        return moved.events

    async def _troubled(self, notice: Notice, why: str) -> None:
        """It cannot be written now; a person is told, and it is tried again."""
        now = self._clock()
        await self._database.write(lambda c: notices.postpone(c, notice.number, why, now))
        self._tell("notice.failed", notice, None, why=why)

    def _tell(self, kind: str, notice: Notice, said: Said | None = None, **more: object) -> None:
        detail: dict[str, object] = {
            "case": case_id(notice.case),
            "notice": notice.kind.value,
            "attempts": notice.attempts,
            "repeats": notice.repeats,
            **more,
        }
        if said is not None and said.hop:
            detail["next_hop"] = said.hop
        self._emit(Event(kind, self._clock(), tenant=notice.tenant, detail=detail))
