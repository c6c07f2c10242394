"""Passes bounces on to the return address that a stream wants them at, before they are answered.

With VERP the gateway stands where the tenant's own return path was: what comes to
`bounce+<token>@` goes to the stream's `bounces_to` as it came, under one Received field more, from
the empty sender and through the next hop. No mail rests here, so what cannot be passed on now is
to be sent again by whoever brought it; what was taken is noted, and not passed on twice for a day.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from gateway.courier import Fate, hand_over
from gateway.events import Emit, Event
from gateway.feedback.terms import Terms
from gateway.message.body import CRLF
from gateway.message.received_field import received_field, with_protocol
from gateway.records.database import Connection, Database
from gateway.records.idempotency import Answer, keep, key_marks, marks, recall
from gateway.refs import new_ref
from policies.ports import Clock
from suppression.keys import Keyring

AT_ONCE = 10
MOST = 30
"""Mails that wait for their turn or the next hop's answer, each of them in memory. Whoever brought
one may have hung up long ago, when the next hop is silent for minutes."""
MAX_HOPS = 50
"""Received fields: with more a mail goes round in circles (RFC 5321 section 6.3)."""
MARK = "(returned mail)"
"""In our Received field: mail that has it was passed on before."""
_NOBODY = 0
"""In place of an API token's number, which begin at 1."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who brought a mail."""

    helo: str = ""
    address: str = ""
    is_tls: bool = False


class Passing:
    """One process's."""

    def __init__(self, database: Database, emit: Emit, clock: Clock) -> None:
        self._database = database
        self._emit = emit
        self._clock = clock
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._under_way: set[str] = set()

    async def pass_on(
        self,
        stream: tuple[str, str],
        mailbox: str,
        mail: str,
        octets: bytes,
        client: Client,
        terms: Terms,
    ) -> bool:
        """Whether nothing is left to do: False asks for the mail again. `mail` is its digest,
        `mailbox` the return path it came to. Raises StoreUnavailable."""
        to = terms.bounces_to.get(stream)
        if to is None or _goes_round(octets, terms.house.hostname):
            return True
        name = f"{mailbox.lower()} {mail}"
        if name in self._under_way or len(self._under_way) >= MOST:
            # Whoever brought it has hung up meanwhile, and the first is still with the next hop.
            return False
        self._under_way.add(name)
        try:
            async with self._at_once:
                return await self._hand_over(stream, to, name, octets, client, terms)
        finally:
            self._under_way.discard(name)

    async def _hand_over(
        self,
        stream: tuple[str, str],
        to: str,
        name: str,
        octets: bytes,
        client: Client,
        terms: Terms,
    ) -> bool:
        keyring = terms.rules.keyring
        if await self._database.read(partial(self._was_taken, keyring, name)):
            return True
        now, ref = self._clock(), new_ref()
        trace = received_field(
            client.helo,
            client.address,
            f"{terms.house.hostname} {MARK}",
            with_protocol(extended=True, tls=client.is_tls, authenticated=False, smtputf8=False),
            ref,
            now,
        )
        # SMTP knows no NUL (RFC 5321 section 4.5.2), and what follows one may be lost.
        said = await hand_over(terms.house.hops, "", to, trace + octets.replace(b"\0", b""))
        is_taken = said.fate is Fate.TAKEN
        if is_taken:
            await self._database.write(partial(self._note, keyring, name))
        kind = "bounce.passed_on" if is_taken else "bounce.not_passed_on"
        detail: dict[str, object] = {"fate": said.fate.value, "hop": said.hop}
        self._emit(Event(kind, now, ref=ref, tenant=stream[0], stream=stream[1], detail=detail))
        return is_taken

    def _was_taken(self, keyring: Keyring, name: str, connection: Connection) -> bool:
        known = recall(
            connection, _NOBODY, key_marks(keyring, name), marks(keyring, b""), self._clock()
        )
        return known is not None

    def _note(self, keyring: Keyring, name: str, connection: Connection) -> None:
        keep(
            connection,
            _NOBODY,
            key_marks(keyring, name),
            marks(keyring, b""),
            Answer(250, ""),
            self._clock(),
        )


def _goes_round(octets: bytes, hostname: str) -> bool:
    """Whether its header section says that it was here before, or has come a long way."""
    head = octets.partition(CRLF + CRLF)[0].lower()
    lines = head.count(b"\r\nreceived:") + head.startswith(b"received:")
    return lines > MAX_HOPS or f"by {hostname} {MARK}".lower().encode() in head
