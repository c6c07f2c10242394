"""The fields by which our mail is known again when somebody gives it back; docs/feedback.md.

Gives whole `Field`s: Feedback-ID and CFBL-Address are the same in all copies of a message,
Consentry-Trace and CFBL-Feedback-ID (RFC 9477) carry a token of one copy's recipient. Tokens and
names are taken as they are: `StampPlan` has judged them. A customer's own such fields are removed.
"""

from __future__ import annotations

from gateway.message.header import Field

FEEDBACK_ID = b"feedback-id"
CONSENTRY_TRACE = b"consentry-trace"
CFBL_ADDRESS = b"cfbl-address"
CFBL_FEEDBACK_ID = b"cfbl-feedback-id"
TRACE_FIELDS = (FEEDBACK_ID, CONSENTRY_TRACE, CFBL_ADDRESS, CFBL_FEEDBACK_ID)

REPORTS = "fbl"
"""The local part that reports are sent to."""
RETURN_PATH = "bounce"
"""What stands before the `+` of a copy's own return path."""


def feedback_id_field(mailing: str, token: str, stream: str, tenant: str) -> Field:
    """Feedback-ID: three identifiers that mailbox providers count by, and the sender's name."""
    raw = f"Feedback-ID: {mailing}.{token}:{stream}:{tenant}:consentry\r\n"
    return Field(FEEDBACK_ID, raw.encode("ascii"))


def cfbl_address_field(domain: str) -> Field:
    """CFBL-Address (RFC 9477 section 5.1): where reports are asked for, and in which form."""
    return Field(CFBL_ADDRESS, f"CFBL-Address: {REPORTS}@{domain}; report=arf\r\n".encode("ascii"))


def consentry_trace_field(token: str) -> Field:
    """Consentry-Trace: names one copy's stream and recipient to nobody but us."""
    return Field(CONSENTRY_TRACE, f"Consentry-Trace: {token}\r\n".encode("ascii"))


def cfbl_feedback_id_field(token: str) -> Field:
    """CFBL-Feedback-ID (RFC 9477 section 5.2): what a report has to give back."""
    return Field(CFBL_FEEDBACK_ID, f"CFBL-Feedback-ID: {token}\r\n".encode("ascii"))
