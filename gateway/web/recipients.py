"""A recipient's choices, made durable and told to the journal: what the unsubscribe pages work on.

`Recipients` is made anew with each configuration, whose names for lists and senders it shows.
Raises StoreUnavailable when the records or the journal cannot be written: then nothing is
confirmed, though the choice may be in force.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from gateway.config.tenant import TenantConfig
from gateway.errors import StoreUnavailable
from gateway.events import Emit, Event
from gateway.journal import Journal
from gateway.records.choices import Chosen, choose, look
from gateway.records.database import Database
from gateway.web.parts import Subscription
from suppression.choices import Choice
from suppression.keys import Keyring
from suppression.tokens import Token

WRITE_SECONDS = 10.0
"""How long a choice may take to become durable before the caller is told to come back."""


class Recipients:
    """`gateway.web.parts.Recipients` over the records."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        journal: Journal,
        emit: Emit,
        tenants: Mapping[str, TenantConfig],
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._journal = journal
        self._emit = emit
        self._tenants = tenants

    async def look(self, token: Token) -> Subscription:
        """What is in force for the token's recipient; reads a few rows on the event loop."""
        try:
            with self._database.reading() as connection:
                chosen = look(
                    connection, self._keyring, token.stream_number, token.key, time.time()
                )
        except LookupError as error:
            raise _not_ours(error) from error
        return self._shown(chosen)

    async def choose(self, token: Token, choice: Choice, source: str) -> Subscription:
        """Put a choice in force; `source` says by which way it came."""
        now = time.time()
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                chosen = await self._database.write(
                    lambda connection: choose(
                        connection,
                        self._keyring,
                        token.stream_number,
                        token.key,
                        choice,
                        source,
                        now,
                    )
                )
        except LookupError as error:
            raise _not_ours(error) from error
        except TimeoutError as error:
            raise StoreUnavailable(f"records: not written within {WRITE_SECONDS:g} s") from error
        self._tell(chosen, token, choice, source, now)
        self._journal.flush()  # the answer depends on whether this can be written now
        if not self._journal.is_writable:
            raise StoreUnavailable("the journal cannot be written")
        return self._shown(chosen)

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
            # Our token, and the reporter is the person: it suppresses, a person decides the rest.
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
        tenant = self._tenants.get(chosen.tenant)
        return Subscription(
            list_name=tenant.shown_stream(chosen.stream) if tenant else chosen.stream,
            sender_name=tenant.shown_name if tenant else chosen.tenant,
            in_force=chosen.in_force,
        )


def _not_ours(error: LookupError) -> StoreUnavailable:
    """An authentic token for a stream these records do not know: they came from a backup."""
    return StoreUnavailable(str(error))
