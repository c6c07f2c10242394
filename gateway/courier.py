"""Hands one mail to the configured next hops, in their order, over a connection of its own.

Takes next hops, an envelope and the exact octets; gives `Said`. A next hop that cannot be reached,
breaks off or refuses us leaves the mail to the next one, until the message's octets have gone out:
from then on it may have been taken, and nobody else gets it. Uses aiosmtplib; raises nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

import aiosmtplib

from gateway.relay.answers import refuses_us
from gateway.relay.outcome import HopReply
from gateway.relay.settings import NextHopSettings, Tls, tls_context


class Fate(StrEnum):
    """What became of one mail."""

    TAKEN = "taken"
    LATER = "later"
    """Not taken, by anybody: it may be tried again."""
    REFUSED = "refused"
    """5xx about this mail."""
    UNKNOWN = "unknown"
    """It went out and no answer came."""


@dataclass(frozen=True, slots=True)
class Said:
    """The fate of a mail, the next hop's name and its words (they may hold an address)."""

    fate: Fate
    hop: str
    words: str


async def hand_over(
    hops: Sequence[NextHopSettings], sender: str, recipient: str, octets: bytes
) -> Said:
    """Give `octets` (CRLF lines, signed) to the first next hop that takes or refuses them."""
    said = Said(Fate.LATER, "", "no next hop is configured")
    for hop in hops:
        said = await _try(hop, sender, recipient, octets)
        if said.fate is not Fate.LATER:
            return said
    return said


async def _try(hop: NextHopSettings, sender: str, recipient: str, octets: bytes) -> Said:
    """One next hop's answer."""
    has_gone = False
    client: aiosmtplib.SMTP | None = None
    try:
        client = await _open(hop)
        options = ["SMTPUTF8", "BODY=8BITMIME"] if not recipient.isascii() else []
        if options and not client.supports_extension("smtputf8"):
            return Said(Fate.REFUSED, hop.name, "SMTPUTF8 is not offered")
        command = hop.timeouts.command
        await client.mail(sender, options=options, encoding="utf-8", timeout=command)
        try:
            await client.rcpt(recipient, encoding="utf-8", timeout=command)
        except aiosmtplib.SMTPRecipientRefused as refusal:
            return _judged(hop, refusal)
        # From here on an answer that does not come may hide that the mail was taken.
        has_gone = True
        try:
            taken = await client.data(octets, timeout=hop.timeouts.dot)
        except aiosmtplib.SMTPDataError as refusal:
            return _judged(hop, refusal)
        return Said(Fate.TAKEN, hop.name, f"{taken.code} {_line(taken.message)}")
    except aiosmtplib.SMTPResponseException as refusal:
        # A greeting, EHLO, STARTTLS, AUTH or MAIL: about us, and so for another time.
        return Said(Fate.LATER, hop.name, f"{refusal.code} {_line(refusal.message)}")
    except Exception as trouble:  # whatever it is, only what has gone out may have been taken
        fate = Fate.UNKNOWN if has_gone else Fate.LATER
        return Said(fate, hop.name, _line(str(trouble) or repr(trouble)))
    finally:
        if client is not None:
            await _leave(client)


async def _open(hop: NextHopSettings) -> aiosmtplib.SMTP:
    """A connection on which we are greeted, encrypted and signed in as configured."""
    context = tls_context(hop)
    times = hop.timeouts
    client = aiosmtplib.SMTP(
        hostname=hop.server_name or hop.host,
        local_hostname=hop.hostname,
        timeout=times.greeting,
        use_tls=hop.implicit_tls,
        start_tls=False,
        tls_context=context,
    )
    # Connected here, so that the name a certificate is checked for may differ from the host's.
    connected = await asyncio.to_thread(
        socket.create_connection, (hop.host, hop.port), times.connect
    )
    connected.setblocking(False)
    try:
        await client.connect(sock=connected)
        await client.ehlo(timeout=times.command)
        is_offered = client.supports_extension("starttls")
        if not hop.implicit_tls and (hop.tls is Tls.VERIFY or (context and is_offered)):
            await client.starttls(tls_context=context, timeout=times.connect)
            await client.ehlo(timeout=times.command)
        if hop.username:
            await client.login(hop.username, hop.password, timeout=times.command)
    except Exception:
        await _leave(client)
        raise
    return client


async def _leave(client: aiosmtplib.SMTP) -> None:
    if client.is_connected:
        with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):  # it has said all
            await client.quit(timeout=5.0)
        client.close()


def _judged(hop: NextHopSettings, refusal: aiosmtplib.SMTPResponseException) -> Said:
    """A refusal of the recipient or the message: final only when it is about this mail."""
    text = _line(refusal.message)
    enhanced, _, rest = text.partition(" ")
    has_class = enhanced[:2] in ("4.", "5.")
    reply = HopReply(refusal.code, enhanced if has_class else "", rest if has_class else text)
    is_final = 500 <= refusal.code < 600 and not refuses_us(reply)
    return Said(Fate.REFUSED if is_final else Fate.LATER, hop.name, f"{refusal.code} {text}")


def _line(text: str) -> str:
    """Words of a server in one line without anything that cannot be shown."""
    words = " ".join(text.split())
    return "".join(c if c.isprintable() else "?" for c in words)[:1000]
