"""The suppression lists of other mailing services: what their words mean in our table.

`recognise` tells a service's list by its columns; `meaning` maps one record of it, columns by
their lower-case names without separators, to address, reason, date and what a manual entry stops.
Amazon SES (account-level list), SendGrid, Mailgun, Postmark and SparkPost. Raises ValueError for a
record that means nothing to us; `suppression.foreign_lists` reads and writes the files.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from suppression.standing import Reason, Stops

_LATEST = datetime(2100, 1, 1, tzinfo=UTC).timestamp()


class Dialect(StrEnum):
    """Whose list it is."""

    SES = "ses"
    SENDGRID = "sendgrid"
    MAILGUN = "mailgun"
    POSTMARK = "postmark"
    SPARKPOST = "sparkpost"


class Part(StrEnum):
    """Which of its lists, where a service has a file for each."""

    BOUNCES = "bounces"
    BLOCKS = "blocks"
    COMPLAINTS = "complaints"
    UNSUBSCRIBES = "unsubscribes"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one record says; `date` in Unix seconds, `stops` for a manual entry."""

    address: str
    reason: Reason
    date: float | None = None
    stops: Stops | None = None


_PARTS = {
    Part.BOUNCES: Reason.HARD_BOUNCE,
    Part.BLOCKS: Reason.SOFT_BOUNCE,
    Part.COMPLAINTS: Reason.COMPLAINT,
    Part.UNSUBSCRIBES: Reason.UNSUBSCRIBE,
    Part.INVALID: Reason.HARD_BOUNCE,
}
"""A SendGrid block is a refusal for now (content, reputation), like our soft bounce."""
_FILES = {
    "bounce": Part.BOUNCES,
    "block": Part.BLOCKS,
    "spam": Part.COMPLAINTS,
    "complaint": Part.COMPLAINTS,
    "unsub": Part.UNSUBSCRIBES,
    "invalid": Part.INVALID,
}
"""What the files are called that the services hand out."""
_SES = {"BOUNCE": Reason.HARD_BOUNCE, "COMPLAINT": Reason.COMPLAINT}
_POSTMARK = {"hardbounce": Reason.HARD_BOUNCE, "spamcomplaint": Reason.COMPLAINT}
_SPARKPOST = {
    "bounce rule": Reason.HARD_BOUNCE,
    "spam complaint": Reason.COMPLAINT,
    "list unsubscribe": Reason.UNSUBSCRIBE,
    "unsubscribe link": Reason.UNSUBSCRIBE,
    "manually added": Reason.MANUAL,
    "compliance": Reason.MANUAL,
    "": Reason.MANUAL,
}


def column(name: str) -> str:
    """A column's name in the form that `recognise` and `meaning` take: `Created At` is one with
    `created_at` and `CreatedAt`."""
    return "".join(character for character in name.lower() if character.isalnum())


def recognise(columns: Collection[str]) -> Dialect | None:
    """Whose list has these columns; None when it could be anybody's."""
    known = set(columns)
    if {"emailaddress", "suppressionreason"} <= known:
        return Dialect.POSTMARK
    if {"emailaddress", "reason"} <= known:
        return Dialect.SES
    if "recipient" in known and known & {"type", "transactional", "nontransactional"}:
        return Dialect.SPARKPOST
    if {"address", "createdat"} <= known and "reason" not in known:
        return Dialect.MAILGUN
    if {"email", "created"} <= known and known & {"status", "ip"}:
        return Dialect.SENDGRID
    if {"email", "groupid"} <= known:
        return Dialect.SENDGRID
    return None


def part_of(file_name: str) -> Part | None:
    """Which list a file is by its name, as the services name their downloads."""
    lower = file_name.lower()
    return next((part for word, part in _FILES.items() if word in lower), None)


def meaning(dialect: Dialect, record: Mapping[str, str], part: Part | None) -> Meaning:
    """What a record says; `part` is which of the service's lists it is of, where that is known."""
    match dialect:
        case Dialect.SES:
            return _ses(record)
        case Dialect.SENDGRID:
            return _sendgrid(record, part)
        case Dialect.MAILGUN:
            return _mailgun(record, part)
        case Dialect.POSTMARK:
            return _postmark(record)
        case Dialect.SPARKPOST:
            return _sparkpost(record)


def _ses(record: Mapping[str, str]) -> Meaning:
    reason = _SES.get(record.get("reason", "").upper())
    if reason is None:
        raise ValueError(f"SES has the reasons BOUNCE and COMPLAINT, not {_said(record, 'reason')}")
    return Meaning(_address(record, "emailaddress"), reason, _date(record, "lastupdatetime"))


def _sendgrid(record: Mapping[str, str], part: Part | None) -> Meaning:
    if part is None:
        if "status" in record:
            raise ValueError("SendGrid's bounces and blocks look alike; say which with --part")
        if "ip" in record:
            part = Part.COMPLAINTS
        else:
            part = Part.INVALID if "reason" in record else Part.UNSUBSCRIBES
    return Meaning(_address(record, "email"), _PARTS[part], _date(record, "created", "createdat"))


def _mailgun(record: Mapping[str, str], part: Part | None) -> Meaning:
    if part is None:
        if record.keys() & {"code", "error"}:
            part = Part.BOUNCES
        else:
            part = Part.UNSUBSCRIBES if "tags" in record else Part.COMPLAINTS
    return Meaning(_address(record, "address"), _PARTS[part], _date(record, "createdat"))


def _postmark(record: Mapping[str, str]) -> Meaning:
    said = record.get("suppressionreason", "").lower()
    if said == "manualsuppression":
        is_recipients = record.get("origin", "").lower() == "recipient"
        reason = Reason.UNSUBSCRIBE if is_recipients else Reason.MANUAL
    elif said in _POSTMARK:
        reason = _POSTMARK[said]
    else:
        raise ValueError(
            "Postmark has the reasons HardBounce, SpamComplaint and ManualSuppression, not "
            f"{_said(record, 'suppressionreason')}"
        )
    return Meaning(_address(record, "emailaddress"), reason, _date(record, "createdat"))


def _sparkpost(record: Mapping[str, str]) -> Meaning:
    reason = _SPARKPOST.get(record.get("source", "").lower())
    if reason is None:
        raise ValueError(f"SparkPost has no source {_said(record, 'source')}")
    kind = record.get("type", "").lower()
    if kind not in ("", "transactional", "non_transactional"):
        raise ValueError(f"type is transactional or non_transactional, not {_said(record, 'type')}")
    is_transactional = kind == "transactional" or _is_true(record.get("transactional", ""))
    is_marketing = kind == "non_transactional" or _is_true(record.get("nontransactional", ""))
    if not is_transactional and not is_marketing:
        raise ValueError("this entry suppresses neither transactional nor other mail")
    stops = None
    if reason is Reason.MANUAL:
        stops = Stops.EVERYTHING if is_transactional else Stops.MARKETING
    return Meaning(_address(record, "recipient"), reason, _date(record, "created"), stops)


def _address(record: Mapping[str, str], name: str) -> str:
    address = record.get(name, "")
    if not address:
        raise ValueError("no address in this record")
    if "@" not in address:
        raise ValueError(f"{address[:80]!r} is no address")
    return address


def _date(record: Mapping[str, str], *names: str) -> float | None:
    """Unix seconds out of a number, ISO 8601 or RFC 5322; None for none and for year 1."""
    text = next((record[name] for name in names if record.get(name)), "")
    # Mailgun writes year 1 when it does not know; the library takes that for 2001.
    if not text or " 0001 " in text or text.startswith("0001-"):
        return None
    seconds = _seconds(text)
    if not 0 <= seconds < _LATEST:
        raise ValueError(f"{text[:40]!r} is not between 1970 and 2100")
    return seconds


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        instant = datetime.fromisoformat(text.removesuffix(" UTC"))
    except ValueError:
        try:
            instant = parsedate_to_datetime(text)
        except (ValueError, TypeError):
            raise ValueError(f"{text[:40]!r} is no date") from None
    instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()


def _is_true(text: str) -> bool:
    return text.lower() in ("true", "1", "yes")


def _said(record: Mapping[str, str], name: str) -> str:
    return repr(record.get(name, "")[:40])
