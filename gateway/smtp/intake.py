"""DATA: room is found, the message is read and handed to the delivery, its answer is given.

Memory for the message is reserved before 354 and given back at the end, whatever happens.
"""

from __future__ import annotations

from functools import partial

from gateway import replies
from gateway.errors import StoreUnavailable
from gateway.framing import Flaw
from gateway.message.received import Receiver
from gateway.message.received_field import with_protocol
from gateway.reply import Reply
from gateway.smtp import commands
from gateway.smtp.connection import Waiting
from gateway.smtp.dialogue import Close, Dialogue
from gateway.smtp.engine import Block, End
from gateway.smtp.memory import Share
from gateway.smtp.services import Client
from policies.transaction import Transaction

ANSWER_WITHIN = 280.0
"""Seconds after the final dot at which the customer gets an answer, whatever the relay does."""
_GO_AHEAD = b"354 End data with <CRLF>.<CRLF>\r\n"


async def data(d: Dialogue, _command: commands.Data) -> None:
    """Take the message, if there is room for it, and have it delivered."""
    transaction = d.transaction
    if transaction is None:
        raise RuntimeError("the engine let DATA pass outside a transaction")
    try:
        transaction.hold.check()
    except StoreUnavailable as problem:
        d.refuse(replies.TEMP, "message.deferred", detail={"fault": str(problem)})
        await d.end_transaction()
        return
    if not d.services.is_writable():
        d.refuse(replies.STORAGE, "message.deferred")
        await d.end_transaction()
        return
    share = await d.services.budget.share(transaction.size)
    if share is None:
        d.refuse(replies.MEMORY, "message.deferred")
        await d.end_transaction()
        return
    try:
        await _message(d, transaction, share)
    finally:
        share.release()
        await d.end_transaction()


async def _message(d: Dialogue, transaction: Transaction, share: Share) -> None:
    connection, engine = d.connection, d.engine
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
        if await share.holds(receiver.size + len(event.octets)):
            receiver.add(event.octets)
        else:
            receiver = Receiver()
            engine.discard_data(Flaw.NO_MEMORY)
    if event.flaw is not None:
        reply = _flawed(event.flaw, event.size, transaction.stream.limits.message_bytes)
        kind = "message.refused" if reply.is_permanent else "message.deferred"
        d.refuse(reply, kind, detail={"flaw": event.flaw.value})
        return
    await _deliver(d, transaction, receiver)


async def _deliver(d: Dialogue, transaction: Transaction, receiver: Receiver) -> None:
    connection = d.connection
    d.note_seen()
    d.forget_unseen()
    client = Client(
        address=connection.client,
        hello=d.engine.hello,
        protocol=with_protocol(
            extended=d.engine.is_extended,
            tls=d.engine.is_encrypted,
            authenticated=bool(d.identity and d.identity.login),
            smtputf8=transaction.smtputf8,
        ),
        login=d.identity.login if d.identity else "",
    )
    relay, d.relay = d.relay, None
    if relay is None:
        raise RuntimeError("a message has come without a relay transaction")
    connection.on_answer_due = partial(_answer_early, d)
    connection.answer_by = connection.loop.time() + ANSWER_WITHIN
    delivered = await d.services.delivery.deliver(
        d.snapshot, client, transaction, d.trail, receiver.finish(), relay
    )
    was_early = connection.answer_by == 0.0
    connection.answer_by = 0.0
    d.unseen = delivered.seen
    if was_early:
        raise Close
    if delivered.reply.is_positive:
        connection.rested()
        d.errors = d.followers = 0
    d.say(delivered.reply, transaction.ref)
    connection.flush()  # what came before this moment does not show that the 250 was read


def _answer_early(d: Dialogue) -> None:
    # The relay goes on listening; the customer must not time out in silence. It is told to
    # come back, and the connection is closed, since no further command could be served yet.
    ref = d.transaction.ref if d.transaction else ""
    d.say(replies.NEXT_HOP_SILENT, ref)
    d.connection.close()


def _flawed(flaw: Flaw, size: int, limit: int) -> Reply:
    match flaw:
        case Flaw.TOO_BIG:
            return replies.TOO_BIG.fill(size=size, limit=limit)
        case Flaw.NO_MEMORY:
            return replies.MEMORY
        case Flaw.BARE_LINE_ENDING | Flaw.LINE_TOO_LONG:
            return replies.BAD_MESSAGE.fill(problem=flaw.value.capitalize())
