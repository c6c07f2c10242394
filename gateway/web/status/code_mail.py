"""The mail that carries a code to a tenant's contact: composed, signed, handed to the next hops.

`send` gives whether it is on its way. It is not kept and not tried again: who waits for it asks for
another. Raises SigningFailed.
"""

from __future__ import annotations

import asyncio
from hashlib import sha256

from gateway.courier import Fate, hand_over
from gateway.message.body import RelaxedBodyHash
from gateway.message.composing import encoded, quoted_printable
from gateway.message.dkim import sign
from gateway.message.received_field import rfc5322_date
from gateway.notices.gather import House
from gateway.records.mailed_codes import SECONDS
from gateway.refs import new_ref
from gateway.web.status.parts import StatusParts
from gateway.web.status.texts import MAIL

PATIENCE = 20.0
"""Seconds after which the page answers without knowing."""


async def send(parts: StatusParts, tenant: str, about: str, code: str) -> bool:
    """Mail `code` to the tenant's contact; False when it is certain that it did not leave.

    `about` is the case's id, or "". The tenant has a contact.
    """
    contact = parts.contact(tenant)
    if contact is None:
        return False
    house = parts.house
    octets = compose(house, contact.email, contact.language, about, code, int(parts.clock()))
    try:
        async with asyncio.timeout(PATIENCE):
            said = await hand_over(house.hops, house.sender, contact.email, octets)
    except TimeoutError:
        return True
    return said.fate in (Fate.TAKEN, Fate.UNKNOWN)


def compose(house: House, recipient: str, language: str, about: str, code: str, now: int) -> bytes:
    """The whole mail, signed. Auto-Submitted keeps vacation replies away (RFC 3834 section 5)."""
    words = MAIL.get(language, MAIL["en"])
    shown = f"{code[:4]} {code[4:]}"
    case = f"[{about}] " if about else ""
    text = "\n\n".join(
        (
            words["text"].format(code=shown),
            words["ends"].format(minutes=SECONDS // 60),
            words["not"],
        )
    )
    name = encoded(house.sender_name, "From", is_phrase=True)
    fields = [
        f"From: {name} <{house.sender}>",
        f"To: <{recipient}>",
        f"Subject: {encoded(case + words['subject'], 'Subject')}",
        f"Date: {rfc5322_date(now)}",
        f"Message-ID: <{_unique(code)}@{house.hostname}>",
        "Auto-Submitted: auto-generated",
        f"Content-Language: {language if language in MAIL else 'en'}",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: quoted-printable",
    ]
    header = "".join(f"{field}\r\n" for field in fields).encode()
    body = quoted_printable(text + "\n")
    body_hash = RelaxedBodyHash()
    body_hash.add(body)
    return b"".join((sign(house.signers, header, body_hash.digest(), now), header, b"\r\n", body))


def _unique(code: str) -> str:
    # Made anew for each mail: a code that comes up twice must not look like one mail to a reader.
    return sha256(f"{new_ref()}{code}".encode()).hexdigest()[:32]
