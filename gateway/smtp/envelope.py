"""The envelope: MAIL opens a transaction, RCPT groups fill it (RFC 5321 sections 4.1.1.2 and 3).

Whether a sender or recipient may be is the pipeline's to say; of those that pass, the next hop is
asked at once, and its answer is the customer's answer.
"""

from __future__ import annotations

from functools import partial
from time import perf_counter

from gateway import replies
from gateway.errors import AddressSyntaxError
from gateway.message.address import parse_path
from gateway.pipeline import Ruling
from gateway.relay.answers import reply_for, without_addresses
from gateway.relay.outcome import HopReply
from gateway.relay.transaction import RelayTransaction
from gateway.reply import Reply
from gateway.smtp import commands
from gateway.smtp.authentication import Identity
from gateway.smtp.dialogue import Dialogue
from gateway.smtp.engine import Group
from gateway.smtp.parameters import EnvelopeParameters, ParameterError, read_mail_parameters
from gateway.smtp.services import Snapshot
from gateway.words import Address, Stage
from policies.probing import refused_recipients
from policies.terms import StreamTerms, TenantTerms
from policies.transaction import Recipient, Transaction
from policies.wording import HOUR
from suppression.address import a_label, exact_form

MAX_OVER_LIMIT = 10_000
"""Recipients beyond the limit that one transaction may ask for, as RFC 5321 has a client do."""
_SENDER_OK = b"250 2.1.0 Sender ok\r\n"
_RCPT_OK = b"250 2.1.5 Recipient ok\r\n"


async def mail(d: Dialogue, command: commands.Mail) -> None:
    """Open a transaction if the policies let it begin."""
    snapshot = d.snapshot = d.services.current()
    tenant = snapshot.tenants.get(d.identity.tenant) if d.identity else None
    if tenant is None or d.identity is None:
        d.refuse(replies.TERMINATED, "mail.refused")
        return
    try:
        sender = _parse(command.path)
        parameters = read_mail_parameters(command.parameters)
    except AddressSyntaxError as problem:
        d.refuse(replies.SENDER_SYNTAX.fill(problem=problem), "mail.refused")
        return
    except ParameterError as problem:
        d.refuse(problem.reply, "mail.refused")
        return
    if sender is not None and not parameters.smtputf8 and not sender.text.isascii():
        d.refuse(replies.NEEDS_SMTPUTF8, "mail.refused")
        return
    stream = _stream(tenant, d.identity, sender)
    if stream is None:
        d.refuse(
            replies.STREAM_CLOSED.fill(stream=d.identity.stream or d.identity.usual), "mail.refused"
        )
        return
    transaction = _open(d, snapshot, tenant, stream, sender, parameters)
    started = perf_counter()
    # Who hangs up while waiting in line must not keep its place, nor make the holder hurry.
    ruling = await d.connection.while_here(snapshot.pipeline.mail(transaction))
    d.services.metrics.policy_seconds[Stage.MAIL].observe(perf_counter() - started)
    await d.services.enforcement.after_mail(transaction, ruling)
    if ruling.reply is not None:
        d.refuse(
            ruling.reply,
            "mail.refused",
            domain=sender.domain if sender else "",
            detail={"from": _shown(d, sender), "trail": ruling.trail},
        )
        await d.end_transaction()
        return
    d.trail = {"mail": ruling.trail, "rcpt": []}
    d.idle_commands = 0
    d.engine.opened()
    d.connection.send(_SENDER_OK)


def _parse(path: str) -> Address | None:
    # A domain that has no A-label can be neither matched nor resolved: refused here, for itself,
    # not where it would spoil the look-up of the whole group.
    address = parse_path(path)
    if address is not None:
        a_label(address.domain)
    return address


def _shown(d: Dialogue, sender: Address | None) -> str:
    if sender is None:
        return "<>"
    return sender.text if d.snapshot.records_addresses else sender.domain


def _stream(tenant: TenantTerms, identity: Identity, sender: Address | None) -> StreamTerms | None:
    # The order is that of docs/glossary.md. A name that is gone since a reload is not replaced.
    if identity.stream is not None:
        return tenant.streams.get(identity.stream)
    if sender is not None:
        # In the form the configuration keeps its own addresses in: spelling must not change rules.
        text = exact_form(sender)
        for stream in tenant.streams.values():
            if text in stream.mail_from:
                return stream
    return tenant.streams.get(identity.usual or tenant.default_stream)


def _open(
    d: Dialogue,
    snapshot: Snapshot,
    tenant: TenantTerms,
    stream: StreamTerms,
    sender: Address | None,
    parameters: EnvelopeParameters,
) -> Transaction:
    now = d.services.clock()
    relay = d.services.hops.transaction(
        sender.text if sender else "",
        size=parameters.size,
        body=parameters.body,
        smtputf8=parameters.smtputf8,
        tenant=tenant.name,
    )
    transaction = Transaction(
        ref=d.services.new_ref(),
        session=d.id,
        client=d.connection.client,
        tenant=tenant,
        stream=stream,
        mail_from=sender,
        now=now,
        size=parameters.size,
        body=parameters.body,
        smtputf8=parameters.smtputf8,
        hold=d.services.holds.open(
            tenant.name, stream.id, now, partial(_contended, d), relay.abandon
        ),
    )
    d.transaction, d.relay = transaction, relay
    d.connection.batch_idle = stream.limits.batch_idle
    d.refused = d.over_limit = d.repeated = 0
    return transaction


def _contended(d: Dialogue, waiting: bool) -> None:
    d.connection.is_contended = waiting


async def rcpt(d: Dialogue, group: Group) -> None:
    """Judge a pipelined group of recipients at once, then ask the next hop about who is left."""
    transaction, relay = d.transaction, d.relay
    if transaction is None or relay is None:
        raise RuntimeError("the engine let RCPT pass outside a transaction")
    before = d.refused
    answers: list[bytes | None] = []
    addresses: list[Address] = []
    places: list[int] = []
    known = {recipient.address.text for recipient in transaction.recipients}
    for number, command in enumerate(group.commands, transaction.asked + 1):
        address = _address(command, transaction)
        if isinstance(address, Reply):
            answers.append(_refused_recipient(d, address, number))
        elif address.text in known:
            answers.append(_repeated(d, transaction, number))
        else:
            places.append(len(answers))
            answers.append(None)
            addresses.append(address)
    if addresses:
        await _judge(d, transaction, relay, addresses, places, answers)
    transaction.asked += len(group.commands)
    if d.refused > before:
        counted = refused_recipients(transaction.tenant.name)
        transaction.hold.note(counted, d.refused - before, HOUR)
    for answer in answers:
        if answer is not None:
            d.connection.send(answer)
    if d.refused >= d.snapshot.refusals_per_transaction:
        d.dismiss(replies.RCPT_REFUSALS.fill(count=d.refused))


def _repeated(d: Dialogue, transaction: Transaction, number: int) -> bytes:
    # Taken once however often it is named; but not named without end.
    d.repeated += 1
    limit = transaction.stream.limits.recipients_per_message
    if d.repeated <= limit:
        return _RCPT_OK
    return _refused_recipient(d, replies.RCPT_LIMIT.fill(limit=limit), number)


async def _judge(
    d: Dialogue,
    transaction: Transaction,
    relay: RelayTransaction,
    addresses: list[Address],
    places: list[int],
    answers: list[bytes | None],
) -> None:
    started = perf_counter()
    rulings = await d.snapshot.pipeline.rcpt(transaction, addresses)
    d.services.metrics.policy_seconds[Stage.RCPT].observe(perf_counter() - started)
    await d.services.enforcement.after_rcpt(transaction, rulings)
    passed: list[tuple[int, Recipient, Ruling]] = []
    for place, address, (recipient, ruling) in zip(places, addresses, rulings, strict=True):
        number = transaction.asked + place + 1
        if ruling.reply is not None or recipient is None:
            answers[place] = _refused_recipient(
                d, ruling.reply or replies.TEMP, number, address, recipient, ruling
            )
        else:
            recipient.index = number
            passed.append((place, recipient, ruling))
    if not passed:
        return
    first = passed[0][1]
    asked = await relay.ask(
        [recipient.address.text for _, recipient, _ in passed],
        d.services.delivery.return_path(d.snapshot, transaction, first),
    )
    if not asked[0].trouble:  # else it may have been known at once
        d.connection.rested()
    for (place, recipient, ruling), hop in zip(passed, asked, strict=True):
        if hop.is_positive:
            transaction.recipients.append(recipient)
            d.engine.accepted_recipient()
            _note(d, recipient.index, ruling)
            answers[place] = _RCPT_OK
        else:
            answers[place] = _refused_recipient(
                d, reply_for(hop), recipient.index, recipient.address, recipient, ruling, hop
            )


def _note(d: Dialogue, number: int, ruling: Ruling) -> None:
    # Recipients judged alike share one entry: a hundred of them are one line of the record.
    noted = d.trail["rcpt"]
    if noted and noted[-1]["trail"] == ruling.trail:
        numbers = noted[-1]["n"]
        if isinstance(numbers, list):
            numbers.append(number)
    else:
        noted.append({"n": [number], "trail": ruling.trail})


def _address(
    command: commands.Rcpt | commands.Invalid, transaction: Transaction
) -> Address | Reply:
    if isinstance(command, commands.Invalid):
        return command.reply
    if command.parameters:
        return replies.PARAMETER.fill(name=next(iter(command.parameters)))
    try:
        address = _parse(command.path)
    except AddressSyntaxError as problem:
        return replies.RCPT_SYNTAX.fill(problem=problem)
    if address is None:
        return replies.RCPT_SYNTAX.fill(problem="<> is no recipient")
    if not transaction.smtputf8 and not address.text.isascii():
        return replies.NEEDS_SMTPUTF8
    return address


def _refused_recipient(
    d: Dialogue,
    reply: Reply,
    number: int,
    address: Address | None = None,
    recipient: Recipient | None = None,
    ruling: Ruling | None = None,
    hop: HopReply | None = None,
) -> bytes:
    transaction = d.transaction
    ref = f"{transaction.ref}.{number}" if transaction else ""
    if reply.tag != replies.RCPT_LIMIT.tag:
        d.refused += 1
    else:
        d.over_limit += 1
        if d.over_limit > MAX_OVER_LIMIT:
            d.dismiss(replies.RCPT_REFUSALS.fill(count=d.over_limit))
        if d.over_limit > 1:
            # One record says it for all: a list of thousands must not wash the journal away.
            return reply.encode(ref, d.snapshot.link)
    detail: dict[str, object] = {"n": number, "reply": d.shown(reply)}
    if recipient is not None:
        detail["key"] = recipient.standing.key.hex()
    if ruling is not None:
        detail["trail"] = ruling.trail
    if hop is not None:
        detail["next_hop"] = f"{hop.code} {hop.enhanced} {without_addresses(hop.text)}"
        detail["from"] = t.mail_from.domain if (t := transaction) and t.mail_from else "<>"
        if hop.is_of_mail:
            detail["said_to"] = "mail"
    is_erased = recipient is not None and recipient.standing.is_erased
    if address is not None and d.snapshot.records_addresses and not is_erased:
        detail["address"] = address.text
    d.emit(
        "rcpt.refused",
        tag=reply.tag,
        ref=ref,
        domain=address.domain if address else "",
        detail=detail,
    )
    return reply.encode(ref, d.snapshot.link)
