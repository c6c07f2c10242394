"""The classes of bounces: why a mail could not be delivered, and whose fault that is."""

from __future__ import annotations

from enum import StrEnum


class BounceClass(StrEnum):
    """Every refusal is of one class."""

    INVALID_MAILBOX = "invalid-mailbox"
    """There is no such mailbox, or it is closed for good."""
    DEAD_DOMAIN = "dead-domain"
    """The domain does not exist or takes no mail."""
    FULL = "mailbox-full"
    """There is a mailbox, but it takes nothing for now: it is full, or disabled."""
    POLICY = "policy"
    """The recipient's side does not want this sender, this content or this much."""
    SPAM = "spam"
    AUTH = "auth"
    """SPF, DKIM, DMARC or reverse DNS."""
    ROUTING = "routing"
    """The way there is broken: loops, timeouts, no connection."""
    SIZE = "size"
    CONTENT = "content"
    REFUSES_US = "refuses-us"
    """It is about the gateway or its next hop itself: an alarm, never a bounce."""
    TRANSIENT = "transient"
    """Try again later: greylisting, load."""
    UNKNOWN = "unknown"

    @property
    def is_recipients(self) -> bool:
        """Whether it says something about the recipient; only such may ever suppress."""
        return self in (
            BounceClass.INVALID_MAILBOX,
            BounceClass.DEAD_DOMAIN,
            BounceClass.FULL,
            BounceClass.ROUTING,
        )
