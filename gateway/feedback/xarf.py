"""Reads XARF reports: v4 and v3 in JSON, and the YAML of the versions before.

`read_xarf` takes a mail and gives `ReportMail`, or None for one that is no such report. JSON is
read up to MAX_JSON octets and MAX_DEPTH levels. Of YAML only flat `Name: value` lines are read,
which is all that these reports have: no anchors, aliases or tags, so nothing can be made to grow.
Never raises.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Iterator
from itertools import accumulate

from gateway.feedback.arf import report_headers, source_ip
from gateway.feedback.mime import Mail, Part, read_header, shown
from gateway.feedback.originals import HOLDS_ORIGINAL, original_in_mail, original_of
from gateway.feedback.parsed import Complaint, FeedbackType, Original
from gateway.feedback.report_words import (
    MAX_FIELD,
    MAX_FIELDS,
    ReportMail,
    moment,
    stated_address,
    stated_addresses,
)

MAX_JSON = 524_288
"""Octets; parsed it may take forty times as much memory for a moment."""
MAX_DEPTH = 20
MAX_EVIDENCE = 20
"""Pieces of evidence that are looked at."""
MAX_YAML = 65_536
YAML = ("application/x-xarf+yaml", "application/x-yaml", "application/yaml", "text/yaml")

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
"""Also one that does not end: looking for its end from every quotation mark would be quadratic."""
_LINE = re.compile(r"^([A-Za-z][A-Za-z0-9_ -]{0,60}+):(?:[ \t]++([^\n]*+))?$", re.MULTILINE)
_TYPES = {
    "spam": FeedbackType.ABUSE,
    "bulk_messaging": FeedbackType.ABUSE,
    "bulk-messaging": FeedbackType.ABUSE,
    "phishing": FeedbackType.FRAUD,
    "fraud": FeedbackType.FRAUD,
    "malware": FeedbackType.VIRUS,
}
"""By type; any other is OTHER: XARF reports far more than mail."""
Json = dict[str, object]


def read_xarf(mail: Mail) -> ReportMail | None:
    """What it complains of, and what is given back of our mail."""
    claims = any(
        value.strip().lower() == b"xarf"
        for header in report_headers(mail)
        for value in header.all("feedback-type")
    )
    is_marked = bool(mail.header.first("x-xarf") or mail.header.first("x-arf"))
    for part in mail.parts:
        if part.kind in HOLDS_ORIGINAL:
            continue
        if _may_be_json(part):
            report = _json(part)
            if report is not None and _is_xarf(report):
                return _from_json(report, mail)
        elif part.kind in YAML or ((is_marked or claims) and part.kind != "text/html"):
            lines = _yaml(part)
            if "report-type" in lines:
                return _from_yaml(lines, mail)
    if claims or is_marked:
        return ReportMail(None, original_in_mail(mail), (), "its XARF cannot be read")
    return None


# ---- JSON --------------------------------------------------------------------------------------


def _may_be_json(part: Part) -> bool:
    if part.kind == "application/json" or part.kind.endswith("+json"):
        return True
    start = part.content(200).lstrip()
    return start.startswith(b"{") and (part.kind == "text/plain" or part.name.endswith(".json"))


def _json(part: Part) -> Json | None:
    content = part.content(MAX_JSON + 1)
    if len(content) > MAX_JSON or _depth(content) > MAX_DEPTH:
        return None
    try:
        value = json.loads(content.decode("utf-8", "replace"))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _depth(octets: bytes) -> int:
    """How deep brackets are nested outside of strings."""
    brackets = _STRING.sub(b"", octets).translate(None, _NO_BRACKETS)
    return max(accumulate((1 if each in b"[{" else -1 for each in brackets), initial=0))


_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def _is_xarf(report: Json) -> bool:
    return isinstance(report.get("xarf_version"), str) or isinstance(report.get("Report"), dict)


def _from_json(report: Json, mail: Mail) -> ReportMail:
    """Of v4, whose names are in lower case, or of v3, which has them below `Report`."""
    inner = _object(report, "Report")
    more = _object(inner, "AdditionalInfo")
    source = _object(inner, "Source")
    reporter = _object(report, "reporter") or _object(report, "ReporterInfo")
    kind = (_text(report, "type") or _text(inner, "ReportType")).lower()
    recipients = [
        *_texts(report, "smtp_to"),
        *_texts(inner, "SmtpRcptToAddress"),
        *_texts(more, "SMTPTo"),
    ]
    sender = (
        _text(report, "smtp_from") or _text(inner, "SmtpMailFromAddress") or _text(more, "SMTPFrom")
    )
    source_text = (
        _text(report, "source_identifier") or _text(inner, "SourceIp") or _text(source, "IP")
    )
    complaint = Complaint(
        _TYPES.get(kind, FeedbackType.OTHER),
        stated_addresses(recipients),
        stated_address(sender),
        source_ip(source_text),
        _text(reporter, "org", 200) or _text(reporter, "ReporterOrg", 200),
        arrived_at=moment(_text(report, "timestamp") or _text(inner, "Date")),
    )
    evidence = [
        *_objects(report, "evidence"),
        *_objects(inner, "Attachment"),
        *_objects(inner, "Samples"),
    ]
    found = (original for each in evidence if (original := _evidence(each)) is not None)
    return ReportMail(complaint, next(found, None) or original_in_mail(mail), tuple(_flat(report)))


def _evidence(evidence: Json) -> Original | None:
    kind = (_text(evidence, "content_type") or _text(evidence, "ContentType")).lower()
    if kind.partition(";")[0].strip() not in HOLDS_ORIGINAL:
        return None
    given = next(
        (text for name in ("payload", "Payload", "Data") if (text := evidence.get(name))), ""
    )
    octets = given.encode("utf-8", "replace") if isinstance(given, str) else b""
    if evidence.get("Base64Encoded") is not False:
        try:
            octets = binascii.a2b_base64(octets)
        except binascii.Error:
            return None
    return original_of(read_header(octets.lstrip(b"\r\n")))


def _flat(report: Json) -> Iterator[tuple[str, str]]:
    """What stands in it, but for evidence, as `reporter.org`: for people to read."""
    waiting: list[tuple[str, object]] = [("", report)]
    given = 0
    while waiting and given < MAX_FIELDS:
        name, value = waiting.pop()
        if isinstance(value, dict):
            inner = list(value.items())[:MAX_FIELDS]
            waiting += [
                (f"{name}.{key}".strip(".")[:100], each)
                for key, each in reversed(inner)
                if key.lower() not in ("evidence", "attachment", "samples")
            ]
        elif isinstance(value, list):
            waiting += [(name, each) for each in reversed(value[:MAX_FIELDS])]
        elif value is not None:
            given += 1
            yield shown(name, 100).lower(), shown(str(value), MAX_FIELD)


def _object(report: Json, name: str) -> Json:
    value = report.get(name)
    return value if isinstance(value, dict) else {}


def _objects(report: Json, name: str) -> list[Json]:
    value = report.get(name)
    given = value[:MAX_EVIDENCE] if isinstance(value, list) else []
    return [each for each in given if isinstance(each, dict)]


def _text(report: Json, name: str, most: int = MAX_FIELD) -> str:
    value = report.get(name)
    return shown(value, most) if isinstance(value, str) else ""


def _texts(report: Json, name: str) -> list[str]:
    value = report.get(name)
    return [
        each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)
    ]


# ---- YAML --------------------------------------------------------------------------------------


def _yaml(part: Part) -> dict[str, str]:
    """Its lines by name in lower case with hyphens, without quotation marks; the first counts."""
    lines: dict[str, str] = {}
    for name, value in _LINE.findall(part.text(MAX_YAML)):
        text = value.strip()
        if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
            text = text[1:-1]
        lines.setdefault(name.lower().replace("_", "-").replace(" ", "-"), shown(text, MAX_FIELD))
        if len(lines) == MAX_FIELDS:
            break
    return lines


def _from_yaml(lines: dict[str, str], mail: Mail) -> ReportMail:
    count = lines.get("occurrences", "")[:6]
    complaint = Complaint(
        _TYPES.get(lines["report-type"].lower(), FeedbackType.OTHER),
        mail_from=stated_address(lines.get("smtp-mail-from", "")),
        source_ip=source_ip(lines.get("source", "")),
        user_agent=lines.get("user-agent", "")[:200],
        arrived_at=moment(lines.get("date", "")),
        incidents=max(int(count), 1) if count.isascii() and count.isdigit() else 1,
    )
    return ReportMail(complaint, original_in_mail(mail), tuple(lines.items()))
