"""AUTH, from the command to an identity or a refusal (RFC 4954)."""

from __future__ import annotations

from gateway import replies
from gateway.errors import StoreUnavailable
from gateway.reply import Reply
from gateway.smtp import commands
from gateway.smtp.authentication import Failure
from gateway.smtp.dialogue import Close, Dialogue
from gateway.smtp.engine import AuthLine
from gateway.smtp.sasl import Credentials, Exchange

AUTH_FAILURES = 5
"""Failed sign-ins before the session is closed."""


async def auth(d: Dialogue, command: commands.Auth) -> None:
    """Lead one AUTH exchange to its end."""
    exchange = Exchange(command.mechanism)
    step = exchange.begin(command.initial)
    while isinstance(step, str):
        d.engine.expect_auth_line()
        d.connection.send(step.encode("ascii"))
        event = await d.connection.next_event()
        if isinstance(event, AuthLine):
            step = exchange.answer(event.text)
        else:
            step = event.reply if isinstance(event, commands.Invalid) else replies.SYNTAX
    if isinstance(step, Reply):
        d.engine.ended_auth(success=False)
        _auth_failed(d, Failure(step, "exchange"))
        return
    await _sign_in(d, step)


async def _sign_in(d: Dialogue, credentials: Credentials) -> None:
    snapshot = d.snapshot = d.services.current()
    try:
        found = await d.services.authenticator.check(
            snapshot.logins, snapshot.tenants, d.connection.client, credentials
        )
    except StoreUnavailable as problem:
        found = Failure(replies.AUTH_TEMP, str(problem))
    if isinstance(found, Failure):
        d.engine.ended_auth(success=False)
        _auth_failed(d, found, credentials.login)
        return
    d.identity = found
    d.engine.ended_auth(success=True)
    d.emit("auth.succeeded", tenant=found.tenant, stream=found.stream or "")
    d.connection.send(b"235 2.7.0 Signed in\r\n")


def _auth_failed(d: Dialogue, failure: Failure, login: str = "") -> None:
    detail: dict[str, object] = {"reason": failure.reason, "client": d.connection.client}
    if login:
        detail["login"] = login[:64]
    d.emit("auth.failed", tag=failure.reply.tag, detail=detail)
    d.say(failure.reply)
    d.auth_failures += 1
    if failure.reply.code == 421 or d.auth_failures >= AUTH_FAILURES:
        raise Close
