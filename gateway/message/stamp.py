"""What the gateway writes into a header section, and what it takes out; nothing else changes.

Takes the view of a message as received and a `StampPlan`, gives `Stamped`: the octets that all
copies of the message share, built once. On top come Received, Date and Message-ID where missing,
Feedback-ID, CFBL-Address and, on list streams, List-Id where missing. Blind-copy fields, control
fields of ours, Return-Path (RFC 5321 section 4.4), and whatever could be taken for a token of ours
when it comes back go, as does an unsubscribe pair that ours replaces. What each copy brings is
added when it is signed (`dkim.Signatures`). Raises ValueError for a plan that would break a field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.message.header import Field, HeaderView
from gateway.message.received_field import received_field, rfc5322_date
from gateway.message.trace_fields import (
    CFBL_FEEDBACK_ID,
    CONSENTRY_TRACE,
    TRACE_FIELDS,
    cfbl_address_field,
    feedback_id_field,
)
from gateway.message.unsubscribe_fields import (
    UNSUBSCRIBE,
    UNSUBSCRIBE_POST,
    has_valid_pair,
    tokens_in,
)

CONTROL_PREFIX = b"x-consentry-"
"""Fields by which a customer tells the gateway something; they never leave it."""

_REMOVED = frozenset({b"bcc", b"resent-bcc", b"return-path", *TRACE_FIELDS})
_REMOVED_WITH_PAIR = _REMOVED | {UNSUBSCRIBE, UNSUBSCRIBE_POST}


@dataclass(frozen=True, slots=True)
class StampPlan:
    """All that stamping one message needs besides the message.

    `hostname` is ours; `helo` and `client` (IP address) what the customer's host called itself
    and came from; `protocol` the `with` keyword; `now` Unix seconds; `is_list` whether the stream
    is of kind `list`; `stamps_unsubscribe` whether copies get a pair of ours unless the message
    has a valid one that leads to `unsubscribe_hosts`; `mailing_token` names the mailing to us;
    `feedback_domain` is where reports are asked for, "" for nowhere; `is_single` whether each copy
    goes to one recipient whatever the message says.
    """

    hostname: str
    helo: str
    client: str
    protocol: str
    ref: str
    now: float
    tenant: str
    stream: str
    mailing: str
    mailing_token: str
    is_list: bool = False
    stamps_unsubscribe: bool = False
    unsubscribe_hosts: frozenset[str] = frozenset()
    feedback_domain: str = ""
    is_single: bool = False

    def __post_init__(self) -> None:
        ours = f"{self.hostname}{self.client}{self.protocol}{self.ref}{self.mailing}"
        ours += f"{self.mailing_token}{self.feedback_domain}"
        names = f"{self.tenant}{self.stream}"
        if not (ours + names).isascii() or not (ours + names).isprintable():
            raise ValueError("a stamp holds a character that may not stand in a header field")
        if ":" in names + self.mailing or " " in ours + names:
            raise ValueError("a name in a stamp holds a colon or a space")


@dataclass(frozen=True, slots=True)
class Stamped:
    """A header section ready for signing: `shared` is in every copy as it stands.

    Each copy must bring fields of its own besides: exactly one of each name in `own`, in that
    order; with any of them, it goes to one recipient.
    """

    shared: HeaderView
    own: tuple[bytes, ...] = ()


def stamp(view: HeaderView, plan: StampPlan) -> Stamped:
    """The header section of `view` with the plan's fields on top; all other octets unchanged."""
    needs_pair = plan.stamps_unsubscribe and not has_valid_pair(view, plan.unsubscribe_hosts)
    # A tenant that could put somebody's token there would make all reports of its mail doubtful.
    has_tokens = any(tokens_in(field.value) for field in view.all(UNSUBSCRIBE))
    gone = view.names & (_REMOVED_WITH_PAIR if needs_pair or has_tokens else _REMOVED)
    gone |= {name for name in view.names if name.startswith(CONTROL_PREFIX)}
    kept: Sequence[Field] = view.fields
    octets = view.octets
    if gone:
        kept = [field for field in view.fields if field.name not in gone]
        octets = b"".join([field.raw for field in kept])
    ours = _our_fields(view, plan)
    top = b"".join([field.raw for field in ours])
    return Stamped(HeaderView(top + octets, [*ours, *kept]), _own_fields(plan, needs_pair))


def list_id_field(tenant: str, stream: str, hostname: str) -> bytes:
    """The List-Id of a stream (RFC 2919 section 2): a name under our host name, never reused."""
    return f"List-Id: <{stream}.{tenant}.{hostname}>\r\n".encode("ascii")


def message_id_of(view: HeaderView, ref: str, hostname: str) -> bytes:
    """The Message-ID that copies have: the message's own, or ours when it came without one."""
    own = view.first(b"message-id")
    return own.value if own else _own_message_id(ref, hostname)


def _own_message_id(ref: str, hostname: str) -> bytes:
    return f"<{ref}@{hostname}>".encode("ascii")


def _own_fields(plan: StampPlan, needs_pair: bool) -> tuple[bytes, ...]:
    """The names of what each copy brings. Only with one recipient can it name who that is."""
    own: tuple[bytes, ...] = (UNSUBSCRIBE, UNSUBSCRIBE_POST) if needs_pair else ()
    if needs_pair or plan.is_single:
        own += (CONSENTRY_TRACE, CFBL_FEEDBACK_ID) if plan.feedback_domain else (CONSENTRY_TRACE,)
    return own


def _our_fields(view: HeaderView, plan: StampPlan) -> list[Field]:
    """What goes on top, trace first as RFC 5321 section 4.4 asks."""
    received = received_field(
        plan.helo, plan.client, plan.hostname, plan.protocol, plan.ref, plan.now
    )
    ours = [Field(b"received", received)]
    if b"date" not in view:
        ours.append(Field(b"date", f"Date: {rfc5322_date(int(plan.now))}\r\n".encode("ascii")))
    if b"message-id" not in view:
        message_id = b"Message-ID: " + _own_message_id(plan.ref, plan.hostname) + b"\r\n"
        ours.append(Field(b"message-id", message_id))
    ours.append(feedback_id_field(plan.mailing, plan.mailing_token, plan.stream, plan.tenant))
    if plan.feedback_domain:
        ours.append(cfbl_address_field(plan.feedback_domain))
    if plan.is_list and b"list-id" not in view:
        ours.append(Field(b"list-id", list_id_field(plan.tenant, plan.stream, plan.hostname)))
    return ours
