"""Which listed feedback source has signed a report (DKIM), if any.

Takes a mail's octets, gives a valid signature of one of the operator's `sanctions.feedback_sources`
over it, or None. A signature counts when its `d=` is listed and is the From
domain or a parent of it, and when it covers the whole body and all that says what the body means:
every From, Subject and CFBL-Feedback-ID there is, and Content-Type too, unless the body itself
leaves but one reading. Only such are looked at, so strangers' domains cause no DNS. `read_signed`
is for a thread,
`signed_by` for the event loop; it raises Unanswered when the DNS does not say whether a signature
is valid, and none else is.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import AddressSyntaxError, HeaderSyntaxError
from gateway.feedback.mime import top_boundary
from gateway.message.body import CRLF
from gateway.message.dkim_verify import (
    KeyRecord,
    Signature,
    read_key,
    read_signature,
    verifies,
)
from gateway.message.header import MAX_OCTETS, HeaderView
from gateway.message.mailbox_list import mailboxes
from gateway.sender_dns.lookups import Unanswered
from suppression.address import a_label

MOST = 3
"""Signatures of listed domains that are looked at in one mail."""
COVERED = (b"from", b"subject")
COVERED_IF_THERE = (*COVERED, b"cfbl-feedback-id")
MEANING = (b"content-type", b"content-transfer-encoding")
_FIRST_MARK = re.compile(rb"^--([^\r\n]*+)", re.MULTILINE)
KEPT_SECONDS = 60.0
MOST_KEYS = 1_000
"""Names whose keys are kept: strangers can make some up, below domains that are listed."""


class Texts(Protocol):
    """`gateway.sender_dns.lookups.Lookups`."""

    async def texts(self, name: str) -> list[str]:
        """The TXT records at `name`; raises Unanswered."""
        ...


@dataclass(frozen=True, slots=True)
class Signed:
    """A mail with the signatures that would count if they are valid; `valid` is one that is, where
    that is known already."""

    header: HeaderView
    body: bytes
    signatures: tuple[Signature, ...] = ()
    valid: Signature | None = None


class Keys:
    """The key records that the DNS gave within the last minute, so that a feedback loop's next
    report waits for nobody. For use from any thread."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, tuple[KeyRecord, ...]]] = {}

    def get(self, record: str, now: float) -> tuple[KeyRecord, ...]:
        """The keys at a record's name; none when it is to be asked for."""
        until, keys = self._known.get(record, (0.0, ()))
        return keys if now < until else ()

    def put(self, record: str, texts: Sequence[str], now: float) -> tuple[KeyRecord, ...]:
        """The keys in what the DNS gave."""
        keys = tuple(key for text in texts[:MOST] if (key := read_key(text)) is not None)
        if len(self._known) >= MOST_KEYS:
            self._known.clear()
        self._known[record] = now + KEPT_SECONDS, keys
        return keys


async def signed_by(signed: Signed, dns: Texts, keys: Keys, now: float) -> Signature | None:
    """A listed domain's valid signature of it."""
    if signed.valid is not None:
        return signed.valid
    unanswered: Unanswered | None = None
    for signature in signed.signatures:
        try:
            texts = await dns.texts(signature.record)
        except Unanswered as error:
            unanswered = error
            continue
        for key in keys.put(signature.record, texts, now):
            if await asyncio.to_thread(verifies, signature, key, signed.header, signed.body):
                return signature
    if unanswered is not None:
        raise unanswered
    return None


def read_signed(octets: bytes, sources: Collection[str], keys: Keys, now: float) -> Signed:
    """What `signed_by` needs of a mail (CRLF lines). Takes milliseconds of a large one."""
    nothing = Signed(HeaderView(b"", ()), b"")
    if not sources or b"dkim-signature" not in octets[:MAX_OCTETS].lower():
        return nothing
    head, _, body = octets.partition(CRLF + CRLF)
    lines = body.count(b"\n")
    if body.count(CRLF) != lines or body.count(b"\r") != lines:
        return nothing
    try:
        header = HeaderView.parse(head + CRLF)
        sender = _sender(header)
    except (HeaderSyntaxError, AddressSyntaxError):
        # Readers disagree on such a mail, so nobody has signed it.
        return nothing
    is_plain = _has_one_reading(header, body)
    usable = [
        one
        for one in _signatures(header, now)
        if one.domain in sources
        and (sender == one.domain or sender.endswith("." + one.domain))
        and set(COVERED) <= set(one.names)
        and _covers(one, header, COVERED_IF_THERE)
        and (is_plain or _covers(one, header, MEANING))
    ]
    for one in usable[:MOST]:
        if any(verifies(one, key, header, body) for key in keys.get(one.record, now)):
            return Signed(header, body, valid=one)
    return Signed(header, body, tuple(usable[:MOST]))


def _signatures(header: HeaderView, now: float) -> Iterator[Signature]:
    for field in header.all(b"dkim-signature"):
        if (signature := read_signature(field, now)) is not None:
            yield signature


def _covers(signature: Signature, header: HeaderView, names: Iterable[bytes]) -> bool:
    """Whether it covers every field of these names that there is."""
    return all(signature.names.count(name) >= len(header.all(name)) for name in names)


def _has_one_reading(header: HeaderView, body: bytes) -> bool:
    """Whether the body is a multipart whose boundary is its first line that can be one. Whoever
    gets a signed report may else give it another Content-Type, by which a mail that it gives back
    becomes the report."""
    boundary, first = top_boundary(header.octets), _FIRST_MARK.search(body)
    return bool(boundary) and first is not None and first[1].rstrip() == boundary


def _sender(header: HeaderView) -> str:
    """The domain of the one author, as A-labels; "" when there is not exactly one."""
    fields = header.all(b"from")
    found = mailboxes(fields[0].value) if len(fields) == 1 else []
    return a_label(found[0].domain) if len(found) == 1 else ""
