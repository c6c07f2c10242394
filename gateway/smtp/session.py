"""One customer's SMTP session: pulls events from the engine and answers each (RFC 5321).

Reads top to bottom in the order of a session: greeting, TLS and AUTH, MAIL, RCPT groups, DATA.
What may be sent is decided by the pipeline, what the next hop thinks is asked of the relay, what
becomes of the message is the delivery's; this file only carries words between them. It is never
cancelled by the customer's leaving: a relay past its dot is always finished.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from time import perf_counter
from typing import Any

from gateway import replies
from gateway.errors import AddressSyntaxError, StoreUnavailable
from gateway.events import Event
from gateway.framing import Flaw
from gateway.message.address import parse_path
from gateway.message.received import Receiver
from gateway.message.received_field import with_protocol
from gateway.pipeline import Ruling
from gateway.relay.answers import reply_for, without_addresses
from gateway.relay.outcome import HopReply
from gateway.relay.transaction import RelayTransaction
from gateway.replies import Reply
from gateway.smtp import commands
from gateway.smtp.authentication import Failure, Identity
from gateway.smtp.connection import Connection, Expired, Gone, Waiting
from gateway.smtp.engine import AuthLine, Block, End, Group
from gateway.smtp.memory import STEP
from gateway.smtp.parameters import EnvelopeParameters, ParameterError, read_mail_parameters
from gateway.smtp.sasl import Credentials, Exchange
from gateway.smtp.services import Client, Delivered, Listening, Services, Snapshot
from gateway.words import Address, Stage
from policies.terms import StreamTerms, TenantTerms
from policies.transaction import Recipient, Transaction
from suppression.address import a_label

AUTH_FAILURES = 5
"""Failed sign-ins before the session is closed."""
HANDSHAKE = 30.0
"""Seconds a TLS handshake may take."""
ANSWER_WITHIN = 280.0
"""Seconds after the final dot at which the customer gets an answer, whatever the relay does."""

_OK = b"250 2.0.0 Ok\r\n"
_SENDER_OK = b"250 2.1.0 Sender ok\r\n"
_RCPT_OK = b"250 2.1.5 Recipient ok\r\n"
_GO_AHEAD = b"354 End data with <CRLF>.<CRLF>\r\n"


class _Close(Exception):
    """The session ends after the replies queued so far."""


class Session:
    """One session on one connection."""

    def __init__(self, connection: Connection, services: Services, listening: Listening) -> None:
        self._connection = connection
        self._engine = connection.engine
        self._services = services
        self._listening = listening
        self._snapshot: Snapshot = services.current()
        self._id = services.new_ref()
        self._identity: Identity | None = None
        self._transaction: Transaction | None = None
        self._relay: RelayTransaction | None = None
        self._trail: dict[str, list[dict[str, object]]] = {}
        self._refused = 0
        self._errors = 0
        self._auth_failures = 0
        self._unseen = ""
        self._handlers: dict[type, Callable[[Any], Awaitable[None]]] = {
            commands.Hello: self._hello,
            commands.StartTls: self._start_tls,
            commands.Auth: self._auth,
            commands.Mail: self._mail,
            Group: self._rcpt,
            commands.Data: self._data,
            commands.Reset: self._reset,
            commands.Noop: self._noop,
            commands.Verify: self._verify,
            commands.Help: self._help,
            commands.Quit: self._quit,
            commands.Invalid: self._invalid,
        }

    async def run(self) -> None:
        """Serve the connection to its end."""
        connection = self._connection
        try:
            self._greet()
            while True:
                event = await connection.next_event()
                if self._unseen:
                    self._services.delivery.seen(self._unseen)
                    self._unseen = ""
                await self._handlers[type(event)](event)
        except Gone:
            pass
        except _Close:
            connection.close()
        except Expired as expired:
            self._say(expired.reply)
            connection.close()
        except Exception as fault:  # a fault of ours must not end as silence or a 5xx
            self._emit("session.failed", detail={"error": repr(fault)})
            self._say(replies.TEMP)
            connection.close()
        finally:
            if self._unseen:
                self._services.delivery.unseen(self._unseen)
            await self._end_transaction()

    # ---- greeting, TLS, AUTH ------------------------------------------------------------------

    def _greet(self) -> None:
        connection, watch = self._connection, self._services.watch
        if watch.is_draining:
            self._refuse_session(replies.SHUTDOWN)
        if watch.is_full_for(connection.client):
            self._refuse_session(replies.CONN_LIMIT)
        self._identity = self._trusted_identity()
        if not self._engine.offer.auth and self._identity is None:
            self._refuse_session(replies.CLIENT_ADDRESS)
        if self._identity is not None:
            self._engine.is_authenticated = True
        connection.idle_limit = self._snapshot.idle_seconds
        connection.send(f"220 {self._engine.offer.hostname} ESMTP\r\n".encode("ascii"))

    def _trusted_identity(self) -> Identity | None:
        if not self._listening.trusted:
            return None
        try:
            address = ip_address(self._connection.client)
        except ValueError:
            return None
        for trust in self._listening.trusted:
            if any(address in network for network in trust.networks):
                return trust.identity
        return None

    def _refuse_session(self, reply: Reply) -> None:
        self._emit("session.refused", tag=reply.tag)
        self._say(reply)
        raise _Close

    async def _hello(self, hello: commands.Hello) -> None:
        await self._end_transaction()
        self._engine.greeted(hello)
        self._connection.send(self._engine.ehlo_reply())

    async def _start_tls(self, _command: commands.StartTls) -> None:
        context = self._listening.context
        if context is None:
            self._refuse(replies.NOT_IMPLEMENTED.fill(verb="STARTTLS"))
            return
        self._engine.forget_input()
        self._connection.send(b"220 2.0.0 Ready to start TLS\r\n")
        await self._connection.start_tls(context, HANDSHAKE)
        self._engine.started_tls()

    async def _auth(self, command: commands.Auth) -> None:
        exchange = Exchange(command.mechanism)
        step = exchange.begin(command.initial)
        while isinstance(step, str):
            self._engine.expect_auth_line()
            self._connection.send(step.encode("ascii"))
            event = await self._connection.next_event()
            if isinstance(event, AuthLine):
                step = exchange.answer(event.text)
            else:
                step = event.reply if isinstance(event, commands.Invalid) else replies.SYNTAX
        if isinstance(step, Reply):
            self._engine.ended_auth(success=False)
            self._auth_failed(Failure(step, "exchange"))
            return
        await self._sign_in(step)

    async def _sign_in(self, credentials: Credentials) -> None:
        snapshot = self._snapshot = self._services.current()
        try:
            found = await self._services.authenticator.check(
                snapshot.logins, snapshot.tenants, self._connection.client, credentials
            )
        except StoreUnavailable as problem:
            found = Failure(replies.AUTH_TEMP, str(problem))
        if isinstance(found, Failure):
            self._engine.ended_auth(success=False)
            self._auth_failed(found, credentials.login)
            return
        self._identity = found
        self._engine.ended_auth(success=True)
        self._emit("auth.succeeded", tenant=found.tenant, stream=found.stream or "")
        self._connection.send(b"235 2.7.0 Signed in\r\n")

    def _auth_failed(self, failure: Failure, login: str = "") -> None:
        detail: dict[str, object] = {"reason": failure.reason, "client": self._connection.client}
        if login:
            detail["login"] = login[:64]
        self._emit("auth.failed", tag=failure.reply.tag, detail=detail)
        self._say(failure.reply)
        self._auth_failures += 1
        if failure.reply.code == 421 or self._auth_failures >= AUTH_FAILURES:
            raise _Close

    # ---- MAIL ---------------------------------------------------------------------------------

    async def _mail(self, command: commands.Mail) -> None:
        snapshot = self._snapshot = self._services.current()
        tenant = snapshot.tenants.get(self._identity.tenant) if self._identity else None
        if tenant is None or self._identity is None:
            self._refuse(replies.TERMINATED)
            return
        try:
            sender = parse_path(command.path)
            parameters = read_mail_parameters(command.parameters)
        except AddressSyntaxError as problem:
            self._refuse(replies.SENDER_SYNTAX.fill(problem=problem))
            return
        except ParameterError as problem:
            self._refuse(problem.reply)
            return
        if sender is not None and not parameters.smtputf8 and not sender.text.isascii():
            self._refuse(replies.NEEDS_SMTPUTF8)
            return
        stream = self._stream(tenant, self._identity, sender)
        transaction = self._open(snapshot, tenant, stream, sender, parameters)
        started = perf_counter()
        ruling = await snapshot.pipeline.mail(transaction)
        self._services.metrics.policy_seconds[Stage.MAIL].observe(perf_counter() - started)
        await self._services.enforcement.after_mail(transaction, ruling)
        if ruling.reply is not None:
            self._emit(
                "mail.refused",
                tag=ruling.reply.tag,
                domain=sender.domain if sender else "",
                detail={"from": sender.text if sender else "<>", "trail": ruling.trail},
            )
            self._refuse(ruling.reply, transaction.ref)
            await self._end_transaction()
            return
        self._trail = {"mail": ruling.trail, "rcpt": []}
        self._engine.opened()
        self._connection.send(_SENDER_OK)

    def _stream(
        self, tenant: TenantTerms, identity: Identity, sender: Address | None
    ) -> StreamTerms:
        # The order is that of docs/glossary.md.
        if identity.stream is not None and identity.stream in tenant.streams:
            return tenant.streams[identity.stream]
        if sender is not None:
            text = f"{sender.local}@{a_label(sender.domain)}"
            for stream in tenant.streams.values():
                if text in stream.mail_from:
                    return stream
        return tenant.streams[identity.usual or tenant.default_stream]

    def _open(
        self,
        snapshot: Snapshot,
        tenant: TenantTerms,
        stream: StreamTerms,
        sender: Address | None,
        parameters: EnvelopeParameters,
    ) -> Transaction:
        now = self._services.clock()
        transaction = Transaction(
            ref=self._services.new_ref(),
            session=self._id,
            client=self._connection.client,
            tenant=tenant,
            stream=stream,
            mail_from=sender,
            now=now,
            size=parameters.size,
            body=parameters.body,
            smtputf8=parameters.smtputf8,
            mailing=self._services.mailing(stream.id, now),
            on_contended=self._contended,
        )
        self._transaction = transaction
        self._refused = 0
        self._relay = self._services.hops.transaction(
            sender.text if sender else "",
            size=parameters.size,
            body=parameters.body,
            smtputf8=parameters.smtputf8,
            tenant=tenant.name,
        )
        return transaction

    def _contended(self, waiting: bool) -> None:
        self._connection.is_contended = waiting

    # ---- RCPT ---------------------------------------------------------------------------------

    async def _rcpt(self, group: Group) -> None:
        transaction, relay = self._transaction, self._relay
        if transaction is None or relay is None:
            raise RuntimeError("the engine let RCPT pass outside a transaction")
        answers: list[bytes | None] = []
        addresses: list[Address] = []
        places: list[int] = []
        for number, command in enumerate(group.commands, transaction.asked + 1):
            address = self._address(command, transaction)
            if isinstance(address, Reply):
                answers.append(self._refused_recipient(address, number))
            elif any(known.address.text == address.text for known in transaction.recipients):
                answers.append(_RCPT_OK)
            else:
                places.append(len(answers))
                answers.append(None)
                addresses.append(address)
        if addresses:
            await self._judge(transaction, relay, addresses, places, answers)
        transaction.asked += len(group.commands)
        for answer in answers:
            if answer is not None:
                self._connection.send(answer)
        if self._refused >= self._snapshot.refusals_per_transaction:
            self._say(replies.RCPT_REFUSALS.fill(count=self._refused), transaction.ref)
            raise _Close

    async def _judge(
        self,
        transaction: Transaction,
        relay: RelayTransaction,
        addresses: list[Address],
        places: list[int],
        answers: list[bytes | None],
    ) -> None:
        started = perf_counter()
        rulings = await self._snapshot.pipeline.rcpt(transaction, addresses)
        self._services.metrics.policy_seconds[Stage.RCPT].observe(perf_counter() - started)
        await self._services.enforcement.after_rcpt(transaction, rulings)
        passed: list[tuple[int, Recipient, Ruling]] = []
        for place, address, (recipient, ruling) in zip(places, addresses, rulings, strict=True):
            number = transaction.asked + place + 1
            if ruling.reply is not None or recipient is None:
                answers[place] = self._refused_recipient(
                    ruling.reply or replies.TEMP, number, address, recipient, ruling
                )
            else:
                recipient.index = number
                passed.append((place, recipient, ruling))
        if not passed:
            return
        asked = await relay.ask([recipient.address.text for _, recipient, _ in passed])
        for (place, recipient, ruling), hop in zip(passed, asked, strict=True):
            if hop.is_positive:
                transaction.recipients.append(recipient)
                self._engine.accepted_recipient()
                self._note(recipient.index, ruling)
                answers[place] = _RCPT_OK
            else:
                answers[place] = self._refused_recipient(
                    reply_for(hop), recipient.index, recipient.address, recipient, ruling, hop
                )

    def _note(self, number: int, ruling: Ruling) -> None:
        # Recipients judged alike share one entry: a hundred of them are one line of the record.
        noted = self._trail["rcpt"]
        if noted and noted[-1]["trail"] == ruling.trail:
            numbers = noted[-1]["n"]
            if isinstance(numbers, list):
                numbers.append(number)
        else:
            noted.append({"n": [number], "trail": ruling.trail})

    def _address(
        self, command: commands.Rcpt | commands.Invalid, transaction: Transaction
    ) -> Address | Reply:
        if isinstance(command, commands.Invalid):
            return command.reply
        if command.parameters:
            return replies.PARAMETER.fill(name=next(iter(command.parameters)))
        try:
            address = parse_path(command.path)
        except AddressSyntaxError as problem:
            return replies.RCPT_SYNTAX.fill(problem=problem)
        if address is None:
            return replies.RCPT_SYNTAX.fill(problem="<> is no recipient")
        if not transaction.smtputf8 and not address.text.isascii():
            return replies.NEEDS_SMTPUTF8
        return address

    def _refused_recipient(
        self,
        reply: Reply,
        number: int,
        address: Address | None = None,
        recipient: Recipient | None = None,
        ruling: Ruling | None = None,
        hop: HopReply | None = None,
    ) -> bytes:
        transaction = self._transaction
        ref = f"{transaction.ref}.{number}" if transaction else ""
        if reply.tag != replies.RCPT_LIMIT.tag:
            self._refused += 1
        detail: dict[str, object] = {"n": number, "reply": str(reply)}
        if recipient is not None:
            detail["key"] = recipient.standing.key.hex()
        if ruling is not None:
            detail["trail"] = ruling.trail
        if hop is not None:
            detail["next_hop"] = f"{hop.code} {hop.enhanced} {without_addresses(hop.text)}"
        if address is not None and self._snapshot.records_addresses:
            detail["address"] = address.text
        self._emit(
            "rcpt.refused",
            tag=reply.tag,
            ref=ref,
            domain=address.domain if address else "",
            detail=detail,
        )
        return reply.encode(ref, self._snapshot.link)

    # ---- DATA ---------------------------------------------------------------------------------

    async def _data(self, _command: commands.Data) -> None:
        transaction = self._transaction
        if transaction is None:
            raise RuntimeError("the engine let DATA pass outside a transaction")
        if not self._services.is_writable():
            self._refuse(replies.STORAGE, transaction.ref)
            await self._end_transaction()
            return
        reserved = transaction.size or STEP
        if not await self._services.budget.take(reserved):
            self._refuse(replies.MEMORY, transaction.ref)
            await self._end_transaction()
            return
        held = [reserved]
        try:
            await self._message(transaction, held)
        finally:
            self._services.budget.give(held[0])
            await self._end_transaction()

    async def _message(self, transaction: Transaction, held: list[int]) -> None:
        connection, engine = self._connection, self._engine
        engine.expect_data(transaction.stream.limits.message_bytes)
        connection.send(_GO_AHEAD)
        connection.data_since = connection.heard_at = connection.loop.time()
        connection.data_octets = 0
        receiver = Receiver()
        while True:
            event = await connection.next_event(Waiting.DATA)
            if isinstance(event, End):
                break
            if not isinstance(event, Block):
                raise RuntimeError("the engine gave a command inside message data")
            if receiver.size + len(event.octets) > held[0]:
                if await self._services.budget.take(STEP):
                    held[0] += STEP
                else:
                    receiver = Receiver()
                    engine.discard_data(Flaw.NO_MEMORY)
                    continue
            receiver.add(event.octets)
        if event.flaw is not None:
            reply = _flawed(event.flaw, event.size, transaction.stream.limits.message_bytes)
            self._emit("message.refused", tag=reply.tag, detail={"flaw": event.flaw.value})
            self._refuse(reply, transaction.ref)
            return
        await self._deliver(transaction, receiver)

    async def _deliver(self, transaction: Transaction, receiver: Receiver) -> None:
        connection = self._connection
        client = Client(
            address=connection.client,
            hello=self._engine.hello,
            protocol=with_protocol(
                extended=self._engine.is_extended,
                tls=self._engine.is_encrypted,
                authenticated=bool(self._identity and self._identity.login),
                smtputf8=transaction.smtputf8,
            ),
            login=self._identity.login if self._identity else "",
        )
        relay, self._relay = self._relay, None
        if relay is None:
            raise RuntimeError("a message has come without a relay transaction")
        connection.on_answer_due = self._answer_early
        connection.answer_by = connection.loop.time() + ANSWER_WITHIN
        delivered: Delivered = await self._services.delivery.deliver(
            self._snapshot, client, transaction, self._trail, receiver.finish(), relay
        )
        was_early = connection.answer_by == 0.0
        connection.answer_by = 0.0
        self._unseen = delivered.seen
        if was_early:
            raise _Close
        self._say(delivered.reply, transaction.ref)

    def _answer_early(self) -> None:
        # The relay goes on listening; the customer must not time out in silence. It is told to
        # come back, and the connection is closed, since no further command could be served yet.
        ref = self._transaction.ref if self._transaction else ""
        self._say(replies.NEXT_HOP_SILENT, ref)
        self._connection.close()

    # ---- the rest -----------------------------------------------------------------------------

    async def _reset(self, _command: commands.Reset) -> None:
        await self._end_transaction()
        self._connection.send(_OK)

    async def _noop(self, _command: commands.Noop) -> None:
        self._connection.send(_OK)

    async def _verify(self, _command: commands.Verify) -> None:
        self._connection.send(b"252 2.1.5 Send the mail and see\r\n")

    async def _help(self, _command: commands.Help) -> None:
        where = f" {self._snapshot.link}" if self._snapshot.link else ""
        self._connection.send(
            f"214 2.0.0 Each [TAG] in a reply is explained{where}\r\n".encode("ascii")
        )

    async def _quit(self, _command: commands.Quit) -> None:
        await self._end_transaction()
        self._connection.send(b"221 2.0.0 Bye\r\n")
        raise _Close

    async def _invalid(self, command: commands.Invalid) -> None:
        self._refuse(command.reply)

    def _say(self, reply: Reply, ref: str = "") -> None:
        self._connection.send(reply.encode(ref or self._id, self._snapshot.link))

    def _refuse(self, reply: Reply, ref: str = "") -> None:
        self._say(reply, ref)
        self._errors += 1
        if self._errors >= self._snapshot.errors:
            self._say(replies.TOO_MANY_ERRORS)
            raise _Close

    async def _end_transaction(self) -> None:
        # Holds that are still there belong to a transaction that relayed nothing.
        transaction, self._transaction = self._transaction, None
        relay, self._relay = self._relay, None
        self._engine.closed()
        if relay is not None:
            await relay.close()
        if transaction is not None:
            for hold in transaction.holds:
                await hold.settle(0, 0)
            transaction.holds.clear()
            self._connection.is_contended = False
            if self._services.watch.is_draining and not self._connection.is_gone:
                self._connection.expire(replies.SHUTDOWN)

    def _emit(
        self,
        kind: str,
        *,
        tag: str = "",
        ref: str = "",
        tenant: str = "",
        stream: str = "",
        domain: str = "",
        detail: dict[str, object] | None = None,
    ) -> None:
        transaction = self._transaction
        self._services.emit(
            Event(
                kind,
                self._services.clock(),
                session=self._id,
                ref=ref or (transaction.ref if transaction else ""),
                tenant=tenant or (transaction.tenant.name if transaction else ""),
                stream=stream or (transaction.stream.name if transaction else ""),
                mailing=transaction.mailing if transaction else "",
                config=self._snapshot.hash,
                tag=tag,
                domain=domain,
                detail=detail if detail is not None else {"client": self._connection.client},
            )
        )


def _flawed(flaw: Flaw, size: int, limit: int) -> Reply:
    match flaw:
        case Flaw.TOO_BIG:
            return replies.TOO_BIG.fill(size=size, limit=limit)
        case Flaw.NO_MEMORY:
            return replies.MEMORY
        case Flaw.BARE_LINE_ENDING | Flaw.LINE_TOO_LONG:
            return replies.BAD_MESSAGE.fill(problem=flaw.value.capitalize())
