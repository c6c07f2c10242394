"""One customer's SMTP session: pulls events from the engine and answers each (RFC 5321).

The order of a session is the order of `_ANSWERS`: greeting and TLS here, AUTH in `sign_in.py`,
MAIL and RCPT in `envelope.py`, DATA in `intake.py`. What may be sent the pipeline decides, what the
next hop thinks is asked of the relay, what becomes of the message is the delivery's. A session
is not cancelled by the customer's leaving, but for a wait in line at MAIL: a relay past its dot is
always finished.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any

from gateway import replies
from gateway.smtp import commands, envelope, intake, sign_in
from gateway.smtp.authentication import Identity
from gateway.smtp.connection import Connection, Expired, Gone
from gateway.smtp.dialogue import Close, Dialogue
from gateway.smtp.engine import Group
from gateway.smtp.services import Listening, Services

HANDSHAKE = 30.0
"""Seconds a TLS handshake may take."""
MAX_FOLLOWERS = 10_000
"""Commands that may come too soon because what they follow was refused, in one session."""
_FOLLOWING = frozenset({replies.SEQUENCE.tag, replies.NO_RECIPIENTS.tag})
_OK = b"250 2.0.0 Ok\r\n"


async def serve(connection: Connection, services: Services, listening: Listening) -> None:
    """Serve the connection to its end."""
    d = Dialogue(connection, services, listening)
    services.metrics.sessions_opened.inc()
    try:
        _greet(d)
        while True:
            event = await connection.next_event()
            d.note_seen()
            await _ANSWERS[type(event)](d, event)
            await connection.breathe()
    except Gone:
        pass
    except Close:
        connection.close()
    except Expired as expired:
        d.emit("session.refused", tag=expired.reply.tag)
        d.say(expired.reply)
        connection.close()
    except Exception as fault:  # a fault of ours must not end as silence or a 5xx
        d.emit("session.failed", detail={"error": repr(fault)})
        d.say(replies.TEMP)
        connection.close()
    finally:
        d.forget_unseen()
        await d.end_transaction()


def _greet(d: Dialogue) -> None:
    connection, watch = d.connection, d.services.watch
    if watch.is_draining:
        d.dismiss(replies.SHUTDOWN)
    if watch.is_full_for(connection.client):
        d.dismiss(replies.CONN_LIMIT)
    _forget_login(d)
    if not d.engine.offer.auth and d.identity is None:
        d.dismiss(replies.CLIENT_ADDRESS)
    connection.idle_limit = d.snapshot.idle_seconds
    connection.send(f"220 {d.engine.offer.hostname} ESMTP\r\n".encode("ascii"))


def _forget_login(d: Dialogue) -> None:
    d.identity = _trusted_identity(d)
    d.engine.is_authenticated = d.identity is not None


def _trusted_identity(d: Dialogue) -> Identity | None:
    if not d.listening.trusted:
        return None
    try:
        address = ip_address(d.connection.client)
    except ValueError:
        return None
    for trust in d.listening.trusted:
        if any(address in network for network in trust.networks):
            return trust.identity
    return None


async def _hello(d: Dialogue, hello: commands.Hello) -> None:
    d.small_talk()
    await d.end_transaction()
    d.engine.greeted(hello)
    d.connection.send(d.engine.ehlo_reply())


async def _start_tls(d: Dialogue, _command: commands.StartTls) -> None:
    context = d.listening.context
    if context is None:
        d.refuse(replies.NOT_IMPLEMENTED.fill(verb="STARTTLS"))
        return
    d.engine.forget_input()
    d.connection.send(b"220 2.0.0 Ready to start TLS\r\n")
    await d.connection.start_tls(context, HANDSHAKE)
    d.engine.started_tls()
    # A login that was given in the clear may have been somebody else's (RFC 3207 section 4.2).
    _forget_login(d)


async def _reset(d: Dialogue, _command: commands.Reset) -> None:
    d.small_talk()
    await d.end_transaction()
    d.connection.send(_OK)


async def _noop(d: Dialogue, _command: commands.Noop) -> None:
    d.small_talk()
    d.connection.send(_OK)


async def _verify(d: Dialogue, _command: commands.Verify) -> None:
    d.small_talk()
    d.connection.send(b"252 2.1.5 Send the mail and see\r\n")


async def _help(d: Dialogue, _command: commands.Help) -> None:
    d.small_talk()
    where = f" {d.snapshot.link}" if d.snapshot.link else ""
    d.connection.send(f"214 2.0.0 Each [TAG] in a reply is explained{where}\r\n".encode("ascii"))


async def _quit(d: Dialogue, _command: commands.Quit) -> None:
    await d.end_transaction()
    d.connection.send(b"221 2.0.0 Bye\r\n")
    raise Close


async def _invalid(d: Dialogue, command: commands.Invalid) -> None:
    if command.reply.tag in _FOLLOWING and d.followers < MAX_FOLLOWERS:
        # Pipelined behind a refused MAIL or behind refused RCPTs, as RFC 2920 lets it be.
        d.followers += 1
        d.say(command.reply)
    else:
        d.refuse(command.reply)


_ANSWERS: dict[type, Callable[[Dialogue, Any], Awaitable[None]]] = {
    commands.Hello: _hello,
    commands.StartTls: _start_tls,
    commands.Auth: sign_in.auth,
    commands.Mail: envelope.mail,
    Group: envelope.rcpt,
    commands.Data: intake.data,
    commands.Reset: _reset,
    commands.Noop: _noop,
    commands.Verify: _verify,
    commands.Help: _help,
    commands.Quit: _quit,
    commands.Invalid: _invalid,
}
