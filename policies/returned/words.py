"""The words of mail that came back: its form, what it complains of, what became of a recipient.

Pure values, which parsers give and records keep: each word is stored, so renaming one needs a
migration.
"""

from __future__ import annotations

from enum import StrEnum


class Form(StrEnum):
    """In which form it came. AUTO_REPLY, CHALLENGE and OTHER change nothing."""

    ARF = "arf"
    """RFC 5965, with the extensions of RFC 6591 and RFC 6430."""
    XARF = "xarf"
    DSN = "dsn"
    """RFC 3464."""
    FORWARDED_DSN = "forwarded-dsn"
    """A DSN that somebody has sent on; who they are and to whom they sent it proves nothing."""
    PLAIN_BOUNCE = "plain-bounce"
    """The words of a mail server, for people."""
    AUTO_REPLY = "auto-reply"
    CHALLENGE = "challenge"
    OTHER = "other"


class FeedbackType(StrEnum):
    """What a report complains of (RFC 5965 section 7.3, RFC 6430, RFC 6591); OTHER for the rest."""

    ABUSE = "abuse"
    FRAUD = "fraud"
    VIRUS = "virus"
    OTHER = "other"
    OPT_OUT = "opt-out"
    """From this list."""
    OPT_OUT_LIST = "opt-out-list"
    """From all lists of the sender."""
    NOT_SPAM = "not-spam"
    AUTH_FAILURE = "auth-failure"


COMPLAINTS = (FeedbackType.ABUSE, FeedbackType.FRAUD, FeedbackType.VIRUS, FeedbackType.OTHER)
"""The types that complain of the mail, and may so become a fact."""


class Action(StrEnum):
    """What became of a recipient (RFC 3464 section 2.3.3); UNKNOWN when it is not said."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"
    UNKNOWN = "unknown"
