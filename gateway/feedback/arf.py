"""Reads feedback reports: ARF (RFC 5965), with RFC 6430, RFC 6591 and RFC 9477.

`read_arf` takes a mail and gives `ReportMail`, or None for one that is no such report. Tolerant in
reading: the report part may be called plain text or be attached, the original may be of any kind
that gives a mail back or be quoted in a text; Outlook's older reports are a mail from one address
with the original attached and nothing else. Strict where it matters: a report that states two
types is none. Never raises.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from itertools import islice

from gateway.feedback.mime import Header, Mail, Part, decoded, read_header, shown
from gateway.feedback.originals import HOLDS_ORIGINAL, original_in_mail
from gateway.feedback.parsed import Complaint, FeedbackType, Original
from gateway.feedback.report_words import (
    MAX_FIELD,
    MAX_FIELDS,
    ReportMail,
    moment,
    stated_address,
    stated_addresses,
)

REPORT = "message/feedback-report"
MAX_DOMAINS = 20
MAX_INCIDENTS = 1_000_000
OUTLOOK = "staff@hotmail.com"
"""Who sends Outlook's older reports (Junk Mail Reporting Program)."""
_OUTLOOKS_RECIPIENT = "x-hmxmroriginalrecipient"
_LOOKED_AT = 4_096
"""Octets of a part in which its first fields must stand for it to be a report."""
_TYPE = re.compile(r"[a-z-]{1,40}")
_TYPES = {
    **{each.value: each for each in FeedbackType},
    "spam": FeedbackType.ABUSE,
    "phishing": FeedbackType.FRAUD,
    "malware": FeedbackType.VIRUS,
    "opt-out-all": FeedbackType.OPT_OUT_LIST,
    "dkim": FeedbackType.AUTH_FAILURE,
}
"""What reporters write; any other word is OTHER (RFC 5965 section 3.1)."""
_OPT_OUTS = (FeedbackType.OPT_OUT, FeedbackType.OPT_OUT_LIST)


def read_arf(mail: Mail) -> ReportMail | None:
    """What it complains of, and what is given back of our mail."""
    reports = report_headers(mail)
    if not reports:
        if _is_outlooks(mail):
            return _outlooks(original_in_mail(mail))
        claims = mail.parameters.get("report-type", "").lower() == "feedback-report"
        trouble = "it says that it is a feedback report, and holds none"
        return ReportMail(None, original_in_mail(mail), (), trouble) if claims else None
    fields = tuple(
        (name, shown(decoded(value), MAX_FIELD))
        for name, value in islice((each for one in reports for each in one.fields), MAX_FIELDS)
    )
    original = original_in_mail(mail)
    types = {feedback_type(decoded(value)) for one in reports for value in one.all("feedback-type")}
    if len(types) != 1:
        trouble = "it states several Feedback-Types" if types else "it states no Feedback-Type"
        return ReportMail(None, original, fields, trouble)
    return ReportMail(_complaint(types.pop(), reports[0], mail.header), original, fields)


def report_headers(mail: Mail) -> list[Header]:
    """The fields of every report part: what is called so, else of other parts that begin with
    fields of which one is Feedback-Type."""
    named = [
        read_header(part.content().lstrip(b"\n")) for part in mail.parts if part.kind == REPORT
    ]
    if named:
        return named
    return [header for part in mail.parts if (header := _unnamed(part)) is not None]


def feedback_type(text: str) -> FeedbackType:
    """The type that a word names; comments behind it are left out."""
    word = _TYPE.match(text.strip().lower())
    return _TYPES.get(word[0] if word else "", FeedbackType.OTHER)


def source_ip(text: str) -> str:
    """An address of IPv4 or IPv6, in brackets or bare, "" for what is none."""
    text = text.strip().partition(" ")[0].strip("[]").lower().removeprefix("ipv6:")
    try:
        address = ip_address(text[:45].partition("%")[0])
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)


def _unnamed(part: Part) -> Header | None:
    if part.kind in HOLDS_ORIGINAL or part.kind == "text/html":
        return None
    if b"feedback-type" not in part.content(_LOOKED_AT).lower():
        return None
    content = part.content().lstrip(b"\n")
    header = read_header(content)
    begins = content.partition(b":")[0].rstrip().lower()
    is_report = bool(header.fields) and header.fields[0][0].encode() == begins
    return header if is_report and header.first("feedback-type") else None


def _complaint(kind: FeedbackType, report: Header, header: Header) -> Complaint:
    recipients = _texts(report, "original-rcpt-to")
    removals = _texts(report, "removal-recipient")
    stated = removals or recipients if kind in _OPT_OUTS else recipients or removals
    arrived = report.text("arrival-date") or report.text("received-date")
    incidents = report.text("incidents", 9)
    return Complaint(
        kind,
        stated_addresses(stated),
        stated_address(report.text("original-mail-from")),
        source_ip(report.text("source-ip")),
        report.text("user-agent", 200),
        _domains(report),
        moment(arrived),
        min(max(int(incidents), 1), MAX_INCIDENTS)
        if incidents.isascii() and incidents.isdigit()
        else 1,
        report.text("cfbl-feedback-id") or header.text("cfbl-feedback-id"),
    )


def _domains(report: Header) -> tuple[str, ...]:
    each = (shown(text, 255).lower().rstrip(".") for text in _texts(report, "reported-domain"))
    return tuple(islice(dict.fromkeys(domain for domain in each if domain), MAX_DOMAINS))


def _texts(header: Header, name: str) -> list[str]:
    return [decoded(value) for value in header.all(name)]


def _is_outlooks(mail: Mail) -> bool:
    sender = stated_address(mail.header.text("from")).lower()
    return sender == OUTLOOK and mail.first(*HOLDS_ORIGINAL) is not None


def _outlooks(original: Original | None) -> ReportMail:
    """The recipient stands in a field of the original, if anywhere."""
    if original is None:
        return ReportMail(None, None, (), "what it gives back cannot be read")
    stated = _texts(read_header(original.header), _OUTLOOKS_RECIPIENT)
    complaint = Complaint(FeedbackType.ABUSE, stated_addresses(stated), user_agent=OUTLOOK)
    return ReportMail(complaint, original)
