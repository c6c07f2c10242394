"""Whether a message is written as RFC 5322 says and is not going round in circles. Pure."""

from __future__ import annotations

import re

from gateway import replies
from gateway.message.header import HeaderView
from gateway.message.received import Message
from policies.terms import StreamTerms
from policies.transaction import Transaction
from policies.verdict import ACCEPT, Verdict, refuse

MAX_RECEIVED = 50
OWN_TRACES = 2

SINGLETONS = (
    b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc", b"message-id", b"in-reply-to",
    b"references", b"subject", b"date",
)  # fmt: skip
"""Fields that RFC 5322 section 3.6 allows once."""

_BULK = frozenset((b"bulk", b"list", b"junk"))


class MessageSanityPolicy:
    """A message must have a header section, exactly one From ([FROM-ALIGN]) and each field that
    RFC 5322 section 3.6 allows once at most once ([BAD-MESSAGE]). With more than 50 Received
    fields, or two of this gateway's own, it is in a [LOOP]. Mail with List-* fields or
    `Precedence: bulk` is no contractual mail: refused with [POLICY] on verified transactional
    streams.
    """

    name = "message-sanity"

    def __init__(self, hostname: str) -> None:
        self._own = re.compile(rb"\bby\s+" + re.escape(hostname.encode()) + rb"(?![\w.-])", re.I)

    def at_message(self, t: Transaction, message: Message, view: HeaderView) -> Verdict:
        """Judge the header section's structure."""
        if not view.fields:
            return _bad("The message has no header section")
        if b"from" not in view:
            return refuse(replies.FROM_ALIGN.fill(problem="There is no From field"), "no From")
        names = [field.name for field in view.fields]
        if len(set(names)) < len(names):
            for name in SINGLETONS:
                if names.count(name) > 1:
                    return _repeated(name)
        return self._loop(view) or _contractual(t.stream, view) or ACCEPT

    def _loop(self, view: HeaderView) -> Verdict | None:
        received = view.all(b"received")
        own = sum(1 for field in received if self._own.search(field.value))
        if len(received) <= MAX_RECEIVED and own < OWN_TRACES:
            return None
        return refuse(replies.LOOP, "mail loop", received=len(received), own=own)


def _repeated(name: bytes) -> Verdict:
    shown = "-".join(part.capitalize() for part in name.decode().split("-"))
    if name == b"from":
        return refuse(
            replies.FROM_ALIGN.fill(problem="There are several From fields"), "From twice"
        )
    return _bad(f"There are several {shown} fields; one is allowed (RFC 5322 section 3.6)")


def _bad(problem: str) -> Verdict:
    return refuse(replies.BAD_MESSAGE.fill(problem=problem), problem)


def _contractual(stream: StreamTerms, view: HeaderView) -> Verdict | None:
    """A refusal of what calls itself bulk mail on a stream for contractual mail."""
    if stream.is_bulk:
        return None
    precedence = view.first(b"precedence")
    marks = [field.name.decode() for field in view.fields if field.name.startswith(b"list-")]
    if precedence is not None and precedence.value.lower() in _BULK:
        marks.append("precedence")
    if not marks:
        return None
    return refuse(replies.POLICY, "bulk mail on a verified transactional stream", fields=marks)
