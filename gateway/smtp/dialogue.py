"""What the parts of one session share: who is speaking, what is open, and how answers are given.

`session.py` owns the order of a session; `sign_in.py`, `envelope.py` and `intake.py` each serve
one stretch of it over this value. Raises `Close` when the session must end after its replies.
"""

from __future__ import annotations

from contextlib import suppress
from typing import NoReturn

from gateway import replies
from gateway.errors import StoreUnavailable
from gateway.events import Event
from gateway.relay.answers import without_addresses
from gateway.relay.transaction import RelayTransaction
from gateway.reply import Reply
from gateway.smtp.authentication import Identity
from gateway.smtp.connection import Connection
from gateway.smtp.services import Listening, Services, Snapshot
from policies.transaction import Transaction

IDLE_COMMANDS = 100
"""EHLO, RSET, NOOP, VRFY and HELP between two transactions; as many as Postfix allows."""


class Close(Exception):
    """The session ends after the replies queued so far."""


class Dialogue:
    """One session's state. `trail` is what the policies said so far, for the final event."""

    __slots__ = (
        "auth_failures",
        "connection",
        "engine",
        "errors",
        "followers",
        "id",
        "identity",
        "idle_commands",
        "listening",
        "over_limit",
        "refused",
        "relay",
        "repeated",
        "services",
        "snapshot",
        "trail",
        "transaction",
        "unseen",
    )

    def __init__(self, connection: Connection, services: Services, listening: Listening) -> None:
        self.connection = connection
        self.engine = connection.engine
        self.services = services
        self.listening = listening
        self.snapshot: Snapshot = services.current()
        self.id = services.new_ref()
        self.identity: Identity | None = None
        self.transaction: Transaction | None = None
        self.relay: RelayTransaction | None = None
        self.trail: dict[str, list[dict[str, object]]] = {}
        self.refused = 0
        self.over_limit = 0
        self.repeated = 0
        self.errors = 0
        self.followers = 0
        self.idle_commands = 0
        self.auth_failures = 0
        self.unseen = ""
        """Ref of the last 250 until a later command shows that it was seen."""

    def say(self, reply: Reply, ref: str = "") -> None:
        """Queue a reply; its ref is the session's unless given."""
        self.connection.send(reply.encode(ref or self.id, self.snapshot.link))

    def refuse(
        self,
        reply: Reply,
        kind: str = "command.refused",
        *,
        domain: str = "",
        detail: dict[str, object] | None = None,
    ) -> None:
        """Record and queue a refusal, and count it; raises `Close` when there were too many."""
        shown = {"reply": self.shown(reply)} | (detail or {})
        self.emit(kind, tag=reply.tag, domain=domain, detail=shown)
        self.say(reply, self.transaction.ref if self.transaction else "")
        self.errors += 1
        if self.errors >= self.snapshot.errors:
            self.dismiss(replies.TOO_MANY_ERRORS)

    def shown(self, reply: Reply) -> str:
        """`reply` for the journal: without the addresses in it, unless they may be recorded."""
        return str(reply) if self.snapshot.records_addresses else without_addresses(str(reply))

    def dismiss(self, reply: Reply) -> NoReturn:
        """Record and queue the session's last reply; raises `Close`."""
        self.emit("session.refused", tag=reply.tag)
        self.say(reply, self.transaction.ref if self.transaction else "")
        raise Close

    def small_talk(self) -> None:
        """Count a command that brings no mail nearer; raises `Close` when there were too many."""
        self.idle_commands += 1
        if self.idle_commands > IDLE_COMMANDS:
            self.dismiss(replies.TOO_MANY_ERRORS)

    def note_seen(self) -> None:
        """What came after the last 250 went out shows that the customer has read it."""
        if self.unseen and self.connection.has_heard:
            self.services.delivery.seen(self.unseen)
            self.unseen = ""

    def forget_unseen(self) -> None:
        """Nothing came after the last 250: a retry of its message may follow."""
        if self.unseen:
            self.services.delivery.unseen(self.unseen)
            self.unseen = ""

    async def end_transaction(self) -> None:
        """Let go of whatever is open. What is still held is of mail that was not relayed."""
        transaction, self.transaction = self.transaction, None
        relay, self.relay = self.relay, None
        self.engine.closed()
        if relay is not None:
            await relay.close()
        if transaction is not None:
            with suppress(StoreUnavailable):  # what it cannot be told, it finds out by itself
                await transaction.hold.settle(0)
            self.connection.is_contended = False
            if self.services.watch.is_draining and not self.connection.is_gone:
                self.connection.expire(replies.SHUTDOWN)

    def emit(
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
        """Record what happened; what is open fills in what is not given."""
        t = self.transaction
        self.services.emit(
            Event(
                kind,
                self.services.clock(),
                session=self.id,
                ref=ref or (t.ref if t else ""),
                tenant=tenant or (t.tenant.name if t else ""),
                stream=stream or (t.stream.name if t else ""),
                mailing=t.mailing if t else "",
                config=self.snapshot.hash,
                tag=tag,
                domain=domain,
                detail=detail if detail is not None else {"client": self.connection.client},
            )
        )
