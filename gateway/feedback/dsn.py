"""Reads delivery status notifications (RFC 3464, RFC 6522, RFC 6533).

`read_dsn` takes a mail and gives `BounceMail`, or None for one without a status part that can be
read, whose words may be a plain bounce. Tolerant: empty lines may be missing or too many between
groups of fields, a status part may be called plain text, address types may be missing.
`read_forwarded_dsn` does so for a notification that somebody has sent on, with its parts in a mail
of their own or as the one mail that theirs attaches: one level deep, and never out of a report,
whose attached mail is what it gives back. Neither raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gateway.feedback.mime import Mail, Part, blocks, decoded, read_mail, shown
from gateway.feedback.originals import HOLDS_ORIGINAL, original_in
from gateway.feedback.parsed import Action, Bounce, BouncedRecipient
from gateway.feedback.server_words import (
    MAX_RECIPIENTS,
    BounceMail,
    address_in,
    host_in,
    is_from_a_server,
    said,
    unix_time,
)

MAX_GROUPS = 4 * MAX_RECIPIENTS
MAX_FIELDS = 200
"""Fields that are kept to be read by people."""
MAX_FIELD = 1_000
STATUS = ("message/delivery-status", "message/global-delivery-status")
_REPORT = "multipart/report"
_MAILS = ("message/rfc822", "message/global")
_NEEDED = (b"\nfinal-recipient:", b"\naction:")
"""Fields that make a status part of a text."""
_RECIPIENT = ("original-recipient", "final-recipient")
_ABOUT = (
    "reporting-mta",
    "arrival-date",
    "original-envelope-id",
    "received-from-mta",
    "dsn-gateway",
)
_OURS = b":consentry"
"""What Feedback-ID ends with in every mail that we relay."""
_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})(?!\d)", re.ASCII)
_TYPE = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]{0,30})\s*;")
_WORD = re.compile(r"\s*([a-z]{1,20})", re.IGNORECASE)
_XTEXT = re.compile(r"\+(2B|3D|40)")
"""Characters that xtext has to encode (RFC 3461 section 4), and the @ that some encode, too. Others
would be taken for what they are not: `anna+20@` is an address."""
_UNITEXT = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")

Group = dict[str, str]


def read_dsn(mail: Mail) -> BounceMail | None:
    """What it reports, with at least one recipient."""
    is_own = mail.kind in (_REPORT, *STATUS) or is_from_a_server(mail)
    return _read(mail, _status(mail)) if is_own else None


def read_forwarded_dsn(mail: Mail) -> BounceMail | None:
    """What a notification reports that is not this mail, but in it. Read strictly: it must be a
    report with a status part, and no mail of ours, which a tenant may write to look like one."""
    if mail.kind == _REPORT:
        return None
    if (part := mail.first(*STATUS)) is not None:
        return _read(mail, part)
    attached = [part for part in mail.parts if part.kind in _MAILS]
    if len(attached) != 1:
        return None
    inner = read_mail(attached[0].content())
    if inner.kind != _REPORT or inner.header.first("feedback-id").endswith(_OURS):
        return None
    return _read(inner, inner.first(*STATUS))


def _read(mail: Mail, part: Part | None) -> BounceMail | None:
    if part is None:
        return None
    about, groups, fields = _groups(part)
    reporter = host_in(_untyped(about.get("reporting-mta", "")))
    recipients = [_recipient(group, reporter) for group in groups[:MAX_RECIPIENTS]]
    known = tuple(one for one in recipients if one is not None)
    if not known:
        return None
    arrived_at = unix_time(about.get("arrival-date", ""))
    return BounceMail(
        Bounce(known, reporter, arrived_at), original_in(mail.first(*HOLDS_ORIGINAL)), fields
    )


def _status(mail: Mail) -> Part | None:
    part = mail.first(*STATUS)
    if part is not None:
        return part
    about = mail.parameters.get("report-type", "delivery-status").lower()
    if about != "delivery-status" or not (mail.kind == _REPORT or is_from_a_server(mail)):
        return None
    for part in mail.parts[:5]:
        if part.kind not in HOLDS_ORIGINAL and all(
            name in part.content(4_096).lower() for name in _NEEDED
        ):
            return part
    return None


def _groups(part: Part) -> tuple[Group, list[Group], tuple[tuple[str, str], ...]]:
    """The fields about the mail, those about each recipient, and all of them."""
    about: Group = {}
    groups: list[Group] = []
    fields: list[tuple[str, str]] = []
    for block in blocks(part.content(), MAX_GROUPS):
        each = [(name, shown(decoded(value), MAX_FIELD)) for name, value in block.fields]
        fields += each
        names = [name for name, _ in each if name in _RECIPIENT]
        is_one = 0 < len(names) == len(set(names))
        if is_one:
            groups.append({})
        for name, text in each:
            if name in _RECIPIENT and not is_one and (not groups or _is_begun(groups[-1], name)):
                groups.append({})
            group = about if name in _ABOUT or not groups else groups[-1]
            group.setdefault(name, text)
    return about, groups, tuple(fields[:MAX_FIELDS])


def _is_begun(group: Group, name: str) -> bool:
    """Whether a field of this name is the next recipient's, where no empty line says so."""
    return name in group or "action" in group or "status" in group


def _recipient(group: Group, reporter: str) -> BouncedRecipient | None:
    address = next(_addresses(group[name] for name in _RECIPIENT if name in group), "")
    if not address:
        return None
    reply = said(_untyped(group.get("diagnostic-code", "")))
    found = _ENHANCED.match(group.get("status", ""))
    status = found[1] if found else ""
    remote = host_in(_untyped(group.get("remote-mta", ""))) or reporter
    enhanced = _enhanced(status, reply.enhanced)
    action = _action(group.get("action", ""), status, reply.code)
    return BouncedRecipient(address, action, reply.code, enhanced, reply.text, remote)


def _addresses(values: Iterable[str]) -> Iterator[str]:
    for value in values:
        kind = _TYPE.match(value)
        if kind is not None and kind[1].lower() not in ("rfc822", "utf-8"):
            continue
        text = _untyped(value)
        text = _UNITEXT.sub(_character, _XTEXT.sub(lambda code: chr(int(code[1], 16)), text))
        if address := address_in(text):
            yield address


def _character(code: re.Match[str]) -> str:
    character = chr(min(int(code[1], 16), 0x10FFFF))
    return character if character.isprintable() else "?"


def _untyped(value: str) -> str:
    """Without the `rfc822;`, `dns;` or `smtp;` before it."""
    kind = _TYPE.match(value)
    return value[kind.end() :].strip() if kind else value


def _enhanced(status: str, diagnosed: str) -> str:
    """The more exact one of the status and what the diagnostic says; where one of them is only for
    now, that one, since it blames nobody for good."""
    if not status or not diagnosed:
        return status or diagnosed
    if status[0] != diagnosed[0]:
        return next((one for one in (status, diagnosed) if one[0] == "4"), status)
    return status if diagnosed.endswith(".0.0") else diagnosed


def _action(text: str, status: str, code: int) -> Action:
    word = _WORD.match(text)
    if word is None:
        return Action.FAILED if status.startswith("5") else Action.UNKNOWN
    try:
        action = Action(word[1].lower())
    except ValueError:
        return Action.UNKNOWN
    if action is Action.FAILED and status.startswith("2") and code < 400:
        return Action.UNKNOWN
    return action
