"""What a mail that came back says: the values that the parsers give and everybody else takes.

Nothing here is believed yet: every field was written by a stranger. Texts are decoded, cut and of
visible characters only; absent is "" or None or empty. `Original` is what is given back of our own
mail, its header section alone: no part of a body is kept (docs/privacy.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from policies.returned.words import Action, FeedbackType, Form

__all__ = [
    "Action",
    "Bounce",
    "BouncedRecipient",
    "Complaint",
    "FeedbackType",
    "Form",
    "Original",
    "Parsed",
]


@dataclass(frozen=True, slots=True)
class Complaint:
    """One report. `recipients` as the reporter states them, which may be redacted to nonsense;
    `arrived_at` (Unix seconds) is when our mail arrived there, `incidents` how many it stands for.
    """

    type: FeedbackType
    recipients: tuple[str, ...] = ()
    mail_from: str = ""
    source_ip: str = ""
    user_agent: str = ""
    reported_domains: tuple[str, ...] = ()
    arrived_at: float | None = None
    incidents: int = 1
    feedback_id: str = ""
    """A CFBL-Feedback-ID that stands in the report itself (RFC 9477 section 3.2)."""


@dataclass(frozen=True, slots=True)
class BouncedRecipient:
    """What became of one recipient. `code` is the SMTP reply's, 0 when unknown; `enhanced` like
    `5.1.1`, of the diagnostic before the status field's when both are there and differ only in
    detail; `text` the remote server's words without the addresses in them."""

    address: str
    action: Action
    code: int = 0
    enhanced: str = ""
    text: str = ""
    remote: str = ""
    """The host that said it."""


@dataclass(frozen=True, slots=True)
class Bounce:
    """A delivery status notification, or what a plain text bounce comes down to."""

    recipients: tuple[BouncedRecipient, ...]
    reporter: str = ""
    """The reporting MTA."""
    arrived_at: float | None = None


@dataclass(frozen=True, slots=True)
class Original:
    """What is given back of our mail: its header section as octets, unfolded by nobody."""

    header: bytes = b""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A whole mail that came back. `mail` is a digest of its Message-ID, or of all of it."""

    form: Form
    mail: str
    sender: str = ""
    subject: str = ""
    text: str = ""
    """The first plain text in it."""
    message_id: str = ""
    complaint: Complaint | None = None
    bounce: Bounce | None = None
    original: Original | None = None
    fields: tuple[tuple[str, str], ...] = ()
    """The machine's own fields as they stand (names in lower case), for people to read."""
    trouble: str = ""
    """What is wrong with it, when it claims to be a report and is none that can be used."""
