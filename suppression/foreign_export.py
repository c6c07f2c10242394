"""Writing entries as another mailing service takes them, so that a list can be taken there.

`write_foreign` gives CSV in the columns of `suppression.dialects`, and says which entries the
service's list has no place for. Where a service has a file for each list, `part` names the one.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TextIO

from suppression.dialects import Dialect, Part
from suppression.listfile import disarmed
from suppression.standing import Reason, Stops

_SES = {
    Reason.HARD_BOUNCE: "BOUNCE",
    Reason.COMPLAINT: "COMPLAINT",
    Reason.UNSUBSCRIBE: "COMPLAINT",
    Reason.OBJECTION: "COMPLAINT",
}
_PARTS = {
    Part.BOUNCES: {Reason.HARD_BOUNCE},
    Part.BLOCKS: {Reason.SOFT_BOUNCE},
    Part.COMPLAINTS: {Reason.COMPLAINT},
    Part.UNSUBSCRIBES: {Reason.UNSUBSCRIBE, Reason.OBJECTION, Reason.MANUAL},
}
_POSTMARK = {
    Reason.HARD_BOUNCE: ("HardBounce", "Recipient"),
    Reason.COMPLAINT: ("SpamComplaint", "Recipient"),
    Reason.UNSUBSCRIBE: ("ManualSuppression", "Recipient"),
    Reason.OBJECTION: ("ManualSuppression", "Recipient"),
    Reason.MANUAL: ("ManualSuppression", "Customer"),
}
_SPARKPOST = {
    Reason.HARD_BOUNCE: "Bounce Rule",
    Reason.COMPLAINT: "Spam Complaint",
    Reason.UNSUBSCRIBE: "Unsubscribe Link",
    Reason.OBJECTION: "List Unsubscribe",
    Reason.MANUAL: "Manually Added",
}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One entry to be written for another service; `date` in Unix seconds."""

    address: str
    reason: Reason
    stops: Stops
    date: int


def parts_of(dialect: Dialect) -> tuple[Part, ...]:
    """The lists that a service takes as files of their own; none when it takes one file."""
    match dialect:
        case Dialect.SENDGRID:
            return (Part.BOUNCES, Part.BLOCKS, Part.COMPLAINTS, Part.UNSUBSCRIBES)
        case Dialect.MAILGUN:
            return (Part.BOUNCES, Part.COMPLAINTS, Part.UNSUBSCRIBES)
        case Dialect.SES | Dialect.POSTMARK | Dialect.SPARKPOST:
            return ()


def write_foreign(
    out: TextIO, entries: Iterable[Outgoing], dialect: Dialect, part: Part | None = None
) -> tuple[int, Counter[Reason]]:
    """Write entries as the service takes them: how many, and those it has no place for.

    Addresses are as they are, since a disarmed one would be somebody else's: an unquoted local
    part can have no parenthesis, comma or `!`, so that it is no formula that does anything.
    """
    writer = csv.writer(out, lineterminator="\n")
    header = _header(dialect, part)
    if header:
        writer.writerow(header)
    count, left_out = 0, Counter[Reason]()
    for entry in entries:
        rows = _lines(entry, dialect, part)
        if not rows:
            left_out[entry.reason] += 1
            continue
        count += 1
        for row in rows:
            writer.writerow([cell if cell == entry.address else disarmed(cell) for cell in row])
    return count, left_out


def _header(dialect: Dialect, part: Part | None) -> tuple[str, ...]:
    match dialect:
        case Dialect.SES:
            return ()
        case Dialect.SENDGRID:
            if part in (Part.BOUNCES, Part.BLOCKS):
                return ("status", "reason", "email", "created")
            return ("ip", "email", "created") if part is Part.COMPLAINTS else ("email", "created")
        case Dialect.MAILGUN:
            if part is Part.BOUNCES:
                return ("address", "code", "error", "created_at")
            tags = ("tags",) if part is Part.UNSUBSCRIBES else ()
            return ("address", *tags, "created_at")
        case Dialect.POSTMARK:
            return ("EmailAddress", "SuppressionReason", "Origin", "CreatedAt")
        case Dialect.SPARKPOST:
            return ("recipient", "type", "source", "description", "created")


def _lines(entry: Outgoing, dialect: Dialect, part: Part | None) -> list[tuple[str, ...]]:
    """The rows of one entry; none when the list has no place for it."""
    at = datetime.fromtimestamp(entry.date, UTC)
    match dialect:
        case Dialect.SES:
            said = _SES.get(entry.reason)
            return [(entry.address, said)] if said else []
        case Dialect.SENDGRID:
            if part is None or entry.reason not in _PARTS[part]:
                return []
            row = (entry.address, str(entry.date))
            if part in (Part.BOUNCES, Part.BLOCKS):
                status = "5.1.1" if part is Part.BOUNCES else "4.0.0"
                return [(status, "suppressed", *row)]
            return [("", *row)] if part is Part.COMPLAINTS else [row]
        case Dialect.MAILGUN:
            if part is None or part not in parts_of(dialect) or entry.reason not in _PARTS[part]:
                return []
            between = {Part.BOUNCES: ("550", "suppressed"), Part.UNSUBSCRIBES: ("*",)}
            return [(entry.address, *between.get(part, ()), format_datetime(at))]
        case Dialect.POSTMARK:
            found = _POSTMARK.get(entry.reason)
            return [(entry.address, *found, at.isoformat())] if found else []
        case Dialect.SPARKPOST:
            source = _SPARKPOST.get(entry.reason)
            if source is None:
                return []
            kinds = ["non_transactional"]
            if entry.stops is not Stops.MARKETING:
                kinds.append("transactional")
            return [(entry.address, kind, source, "suppressed", at.isoformat()) for kind in kinds]
