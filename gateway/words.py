"""The shared vocabulary: small values that more than one part of the gateway speaks.

Takes nothing, decides nothing. Every type here is immutable; the words are those of
docs/glossary.md. Standard library only, so that every layer may import it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class StreamKind(StrEnum):
    """What one flow of a tenant's mail is for; the rules differ by kind."""

    LIST = "list"
    INQUIRY = "inquiry"
    TRANSACTIONAL = "transactional"

    @property
    def is_marketing(self) -> bool:
        """True for `list` and `inquiry`."""
        return self is not StreamKind.TRANSACTIONAL


class Body(StrEnum):
    """The BODY parameter of MAIL (RFC 6152 section 3)."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT = "8BITMIME"


class Stage(StrEnum):
    """Where in a transaction a policy is asked."""

    MAIL = "mail"
    RCPT = "rcpt"
    MESSAGE = "message"


class Mode(StrEnum):
    """Whether a policy's refusals count (`enforce`) or are only reported (`observe`)."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


class WebhookKind(StrEnum):
    """What a tenant's webhook can be told."""

    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"
    CONSENT_CONFIRMED = "consent.confirmed"
    REPORT_RECEIVED = "report.received"
    CASE_OPENED = "case.opened"
    CASE_BLOCKED = "case.blocked"
    CASE_UNBLOCKED = "case.unblocked"
    CASE_FEE = "case.fee"
    CASE_DEADLINE = "case.deadline"

    @property
    def is_personal(self) -> bool:
        """Whether it is about a person, whose address is told."""
        return not self.value.startswith("case.")


class Role(StrEnum):
    """What a member of staff may do at the desk."""

    ABUSE = "abuse"
    """Works cases and lists."""
    LEAD = "lead"
    """Besides: fees, the second yes to a termination, appeals, lifting protected entries."""
    OPERATOR = "operator"
    """Everything, and who else may."""
    AUDITOR = "auditor"
    """Sees everything and changes nothing."""


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox as it was given; `text` is what is delivered to and is never changed.

    `local` is the local part as written (quoted form kept), `domain` the domain as written
    in lower case, a U-label or an A-label.
    """

    text: str
    local: str
    domain: str

    def __str__(self) -> str:
        return self.text
