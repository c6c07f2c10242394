"""One customer's transaction at the next hop: recipients asked, copies sent, outcomes given.

`ask` and `send` never raise for what a next hop does, and nothing is ever said to be taken that
was not. Until a copy's final dot goes out everything may be done again on another connection, and
is, when one was lost or closed with 421, or at another next hop (see `failover`); from then on a
copy is sent no more. Recipients accepted on a connection that is gone are asked again together with
their copy, in `send`. Between `ask` and `send` the connection rests: the pool may take it back for
others. Cancelling a caller drops the connection, except after the dot: see `send`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gateway.relay.answers import BROKE_OFF, NO_ANSWER, WITHHELD, Answers, outcome_of, spread
from gateway.relay.connection import Command, End
from gateway.relay.engine import Place, mail_command, rcpt_command
from gateway.relay.failover import Next, after_break, is_refusing_us, was_unanswered
from gateway.relay.hop import Hop, Lend, Lent, Phase
from gateway.relay.outcome import HopReply, Outcome, State
from gateway.words import Body

_DATA: Command = (b"DATA\r\n", Place.DATA)
_RSET: Command = (b"RSET\r\n", Place.RSET)


@dataclass(frozen=True, slots=True)
class Copy:
    """What one or more recipients get: `header` with the empty line, `body` line-aligned, and the
    return path `sender` it goes out under; None for the transaction's."""

    recipients: tuple[str, ...]
    header: bytes
    body: tuple[bytes, ...]
    sender: str | None = None


class RelayTransaction:
    """Made by `NextHops.transaction`; one `ask` or `send` at a time, `close` at the end."""

    def __init__(
        self,
        lend: Lend,
        sender: str,
        size: int | None,
        body: Body,
        smtputf8: bool,
        tenant: str,
    ) -> None:
        self._lend = lend
        self._sender = sender
        self._size = size
        self._body = body
        self._smtputf8 = smtputf8
        self._tenant = tenant
        self._lent: Lent | None = None
        self._mailed: str | None = None  # the sender of the MAIL that stands
        self._accepted: list[str] = []
        self._taker: Hop | None = None  # who last accepted a recipient
        self._left: tuple[Hop, ...] = ()  # in the call under way
        self._is_leaving = False
        self._is_sending = False
        self._is_closing = False
        self._is_past_dot = False
        self._is_abandoned = False

    async def ask(self, recipients: Sequence[str], sender: str | None = None) -> list[HopReply]:
        """One reply for each recipient, in order; MAIL goes with the first.

        Unless one stands it is of `sender`, the transaction's when None. If refused, that is the
        reply to all of them. The group is cut so that no connection collects more refusals than it
        may, and goes on where it was when one closes with 421 or is lost. Who got no reply for the
        next hop's trouble is asked again at another.
        """
        self._start()
        sender = self._sender if sender is None else sender
        try:
            replies = await self._ask(recipients, sender)
            while self._is_leaving and await self._has_moved():
                due = [i for i, reply in enumerate(replies) if reply.trouble]
                again = await self._ask([recipients[i] for i in due], sender)
                for i, reply in zip(due, again, strict=True):
                    if not reply.trouble:
                        replies[i] = reply
        except BaseException:
            self._drop()
            raise
        finally:
            self._rest()
        return replies

    async def send(
        self,
        copy: Copy,
        before_dot: Callable[[], None],
        on_late: Callable[[list[Outcome]], None] | None = None,
    ) -> list[Outcome]:
        """Send one copy; one outcome for each of its recipients, in order.

        `before_dot` is called right before the octets that hold the final dot are written; when it
        raises, the connection is dropped instead and all are deferred. It is called once at most.
        Cancelled before that, `send` drops the connection and nothing was sent. Cancelled after
        it, `send` ends for its caller, the connection listens on (`timeouts.dot`), and `on_late`
        gets the outcomes. So no shield is needed, and a task that runs `send` may also just be
        left running after the customer was answered: `close` waits for it.
        """
        told: list[Outcome] = []
        stalls = 0
        self._is_sending = True
        self._start()
        try:
            while True:
                lent = await self._ready(fresh=stalls > 0)
                if isinstance(lent, HopReply):
                    return told or [outcome_of(lent)] * len(copy.recipients)
                outcomes = await self._attempt(lent, copy, before_dot, on_late)
                if outcomes is None:
                    stalls += 1
                    if not self._should_stop(lent, stalls, Phase.SENDING):
                        continue
                    outcomes = [outcome_of(BROKE_OFF)] * len(copy.recipients)
                if not self._is_leaving:
                    return outcomes
                told = told or outcomes
                if not await self._has_moved():
                    return told
                stalls = 0
        except BaseException:
            self._drop()
            raise
        finally:
            self._is_sending = False
            if self._is_closing:
                self._let_go()
            self._rest()

    async def close(self) -> None:
        """Give the connection back (a RSET follows where needed); waits for nothing."""
        self._is_closing = True
        if not self._is_sending:
            self._let_go()

    def abandon(self) -> None:
        """Have nothing more go out, whatever is under way: the connection is dropped, unless a
        final dot went out over it and its answer is still to come. Waits for nothing."""
        self._is_abandoned = True
        if not self._is_past_dot:
            self._drop()

    async def _ask(self, recipients: Sequence[str], sender: str) -> list[HopReply]:
        replies: list[HopReply] = []
        stalls = 0
        while len(replies) < len(recipients):
            lent = await self._ready(fresh=stalls > 0)
            if isinstance(lent, HopReply):
                return replies + [lent] * (len(recipients) - len(replies))
            part = recipients[len(replies) : len(replies) + self._room(lent)]
            answers = await self._envelope(lent, sender, part)
            if answers.mail_refusal is not None:
                return replies + [answers.mail_refusal] * (len(recipients) - len(replies))
            self._accepted += [
                recipient
                for recipient, reply in zip(part, answers.rcpt, strict=False)
                if reply.is_positive
            ]
            if self._accepted:
                self._taker = lent.hop
            replies += answers.rcpt
            if len(answers.rcpt) == len(part):
                stalls = 0
                continue
            stalls = 1 if answers.rcpt else stalls + 1
            if self._should_stop(lent, stalls, Phase.ASKING):
                return replies + [BROKE_OFF] * (len(recipients) - len(replies))
        if self._lent is not None:
            self._heed(self._lent.hop, replies)
        return replies

    # ---- connection -----------------------------------------------------------------------------

    def _start(self) -> None:
        self._left = ()
        self._is_leaving = False
        if self._lent is not None:
            self._lent.hop.pool.wake(self._lent.connection)

    async def _ready(self, fresh: bool) -> Lent | HopReply:
        """The connection in hand while it serves, else another; none once it is abandoned."""
        if self._is_abandoned:
            return WITHHELD
        if self._lent is not None:
            connection = self._lent.connection
            is_spent = connection.is_spent if self._mailed is None else connection.room <= 0
            if connection.ending is None and not is_spent and not fresh:
                return self._lent
            self._let_go()
        lent = await self._lend(self._smtputf8, fresh, self._left)
        if isinstance(lent, Lent):
            self._lent = lent
        return WITHHELD if self._is_abandoned else lent

    def _leave(self, hop: Hop) -> None:
        self._left += (hop,)
        self._is_leaving = True

    def _should_stop(self, lent: Lent, stalls: int, phase: Phase) -> bool:
        """True when it is not to be tried again at this next hop."""
        step = Next.RETRY if self._is_abandoned else after_break(lent, stalls, phase)
        if step is Next.LEAVE:
            self._leave(lent.hop)
        return step is not Next.RETRY

    def _heed(self, hop: Hop, rcpt: Iterable[HopReply]) -> None:
        """Leave a next hop that refuses us; one that took a recipient of ours does not."""
        if self._taker is not hop and is_refusing_us(hop, rcpt, Phase.ASKING):
            self._leave(hop)

    async def _has_moved(self) -> bool:
        """True with a connection to another next hop in hand."""
        self._is_leaving = False
        other = await self._lend(self._smtputf8, False, self._left)
        if isinstance(other, HopReply):
            return False
        self._let_go()
        self._lent = other
        return True

    def _rest(self) -> None:
        """From here on it is the customer's turn."""
        if self._lent is not None:
            self._lent.hop.pool.rest(self._lent.connection, self._let_go)

    def _room(self, lent: Lent) -> int:
        """Recipients that may be asked at once: even if all are refused, and MAIL too."""
        return max(1, lent.connection.room - (self._mailed is None))

    def _let_go(self) -> None:
        lent, self._lent = self._lent, None
        self._mailed, self._accepted = None, []
        if lent is not None:
            lent.hop.pool.release(lent.connection)

    def _drop(self) -> None:
        if self._lent is not None:
            self._lent.connection.end(End.DROPPED, "the transaction was abandoned")
            self._let_go()

    # ---- commands -------------------------------------------------------------------------------

    async def _envelope(
        self, lent: Lent, sender: str, recipients: Sequence[str], with_data: bool = False
    ) -> Answers:
        """MAIL unless one stands, RCPT for each, DATA if asked: what was answered, judged."""
        connection, hop = lent.connection, lent.hop
        is_mail_due = self._mailed is None
        commands: list[Command] = []
        is_reset_due = is_mail_due and connection.is_dirty
        if is_reset_due:
            connection.resets += 1
            commands.append(_RSET)
        if is_mail_due:
            mail = mail_command(sender, connection.offers, self._size, self._body, self._smtputf8)
            commands.append((mail, Place.MAIL))
        commands += [(rcpt_command(recipient), Place.RCPT) for recipient in recipients]
        if with_data:
            commands.append(_DATA)
        connection.is_dirty = True
        got = await connection.converse(commands, connection.settings.timeouts.command)
        connection.refusals += len([reply for reply in got if reply.code >= 400])
        if is_reset_due and got and not got.pop(0).is_positive:
            connection.end(End.GARBLED, "RSET was refused")
            return Answers()
        if is_mail_due:
            if not got:
                return Answers()
            if not got[0].is_positive:
                refusal = hop.judge(got[0], self._tenant)
                if is_refusing_us(hop, (refusal,), Phase.ASKING):
                    self._leave(hop)
                return Answers(refusal)
            del got[0]
            self._mailed = sender
        count = len(recipients)
        rcpt = [hop.judge(reply, self._tenant, is_rcpt=True) for reply in got[:count]]
        if hop.failures:
            is_asking = any(not reply.trouble for reply in rcpt)
            hop.worked(Phase.ASKING if is_asking else Phase.OPENING)
        return Answers(None, rcpt, got[count] if len(got) > count else None)

    async def _attempt(
        self,
        lent: Lent,
        copy: Copy,
        before_dot: Callable[[], None],
        on_late: Callable[[list[Outcome]], None] | None,
    ) -> list[Outcome] | None:
        """Outcomes, or None when it broke off before the dot (or the refusals ran out)."""
        connection, times = lent.connection, lent.connection.settings.timeouts
        refused: dict[int, HopReply] = {}
        data: HopReply | None = None
        sender = self._sender if copy.sender is None else copy.sender
        # Nobody's copy goes out under another's return path, whoever was asked for before.
        if self._mailed != sender or tuple(self._accepted) != copy.recipients:
            self._mailed, self._accepted = None, []
            answers = await self._ask_again(lent, sender, copy.recipients)
            if answers.mail_refusal is not None:
                return [outcome_of(answers.mail_refusal)] * len(copy.recipients)
            if len(answers.rcpt) < len(copy.recipients):
                return None
            refused = {i: reply for i, reply in enumerate(answers.rcpt) if not reply.is_positive}
            data = answers.data
        self._mailed, self._accepted = None, []
        if len(refused) == len(copy.recipients):
            if data is not None and data.code == 354:
                connection.end(End.DROPPED, "354 without a recipient")
            self._heed(lent.hop, refused.values())
            return [outcome_of(refused[i]) for i in range(len(copy.recipients))]
        if data is None:
            got = await connection.exchange((_DATA,), times.data)
            if not got:
                return None
            connection.refusals += got[0].code >= 400
            data = got[0]
        if data.code != 354:
            data = lent.hop.judge(data, self._tenant)
            if is_refusing_us(lent.hop, (data,), Phase.SENDING):
                self._leave(lent.hop)
            return spread(len(copy.recipients), refused, outcome_of(data))
        last = await connection.write_message(copy.header, copy.body, times.data)
        if connection.ending is not None:
            return None
        try:
            before_dot()
        except Exception:
            connection.end(End.DROPPED, "the message may not be sent")
            return spread(len(copy.recipients), refused, outcome_of(WITHHELD))
        answer = connection.expect_dot(times.dot)
        connection.write(last)
        self._is_past_dot = True
        try:
            got = await answer
        except asyncio.CancelledError:
            self._lent = None
            self._listen_on(lent, copy, refused, on_late)
            raise
        finally:
            self._is_past_dot = False
        return spread(len(copy.recipients), refused, self._conclude(lent, got))

    async def _ask_again(self, lent: Lent, sender: str, recipients: tuple[str, ...]) -> Answers:
        """A new envelope on this connection, with DATA behind it where that can be pipelined."""
        connection = lent.connection
        whole = Answers()
        while len(whole.rcpt) < len(recipients) and connection.room > 0:
            part = recipients[len(whole.rcpt) : len(whole.rcpt) + self._room(lent)]
            with_data = len(whole.rcpt) + len(part) == len(recipients)
            with_data &= connection.offers.pipelining
            answers = await self._envelope(lent, sender, part, with_data)
            whole.rcpt += answers.rcpt
            whole.data = answers.data
            if answers.mail_refusal is not None:
                return answers
            if connection.ending is not None:
                break
        return whole

    def _conclude(self, lent: Lent, got: list[HopReply]) -> Outcome:
        """What the final dot's reply, or the lack of one, means for the copy."""
        hop, connection = lent
        if not got:
            was_unanswered(lent)
            return Outcome(State.UNKNOWN, NO_ANSWER)
        connection.messages += 1
        if got[0].is_positive:
            connection.resets = 0
            connection.is_dirty = False
            if hop.failures:
                hop.worked(Phase.SENDING)
            return Outcome(State.TAKEN, got[0])
        connection.refusals += 1
        reply = hop.judge(got[0], self._tenant)
        is_refusing_us(hop, (reply,), Phase.SENDING)
        return outcome_of(reply)

    def _listen_on(
        self,
        lent: Lent,
        copy: Copy,
        refused: dict[int, HopReply],
        on_late: Callable[[list[Outcome]], None] | None,
    ) -> None:
        def conclude(got: list[HopReply]) -> None:
            outcomes = spread(len(copy.recipients), refused, self._conclude(lent, got))
            lent.hop.pool.release(lent.connection)
            if on_late is not None:
                on_late(outcomes)

        lent.connection.answer_later(conclude)
