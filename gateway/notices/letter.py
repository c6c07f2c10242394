"""A notice as a mail: composed from what it says, signed, the same octets for the same draft.

Takes a `Draft`, gives `records.notices.Mail`. Plain text in English or Polish; every value is made
one line of visible characters first, so that no text of anybody ends a header field or a paragraph.
Raises SigningFailed.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined

from gateway.message.body import RelaxedBodyHash
from gateway.message.composing import encoded, quoted_printable
from gateway.message.dkim import Signer, sign
from gateway.message.received_field import rfc5322_date
from gateway.notices.words import FACTS, FEES, OPENED, SUBJECTS, requirement
from gateway.records.notice_facts import Seen
from gateway.records.notices import Mail
from policies.sanctions.case import Fee, FeeState, Requirement
from policies.sanctions.words import NoticeKind

WIDTH = 78
"""Columns of a line of text, where a word allows it (RFC 5322 section 2.1.1)."""


@dataclass(frozen=True, slots=True)
class Draft:
    """All that one notice is made of; instants are Unix seconds, empty means there is none.

    `case` is its id as people know it, `blocked` every domain of the tenant that is blocked now,
    `then` what follows the deadline (a `ladder.Then`), `addresses` those that complained, `thread`
    the Message-IDs of earlier notices of the case.
    """

    kind: NoticeKind
    language: str
    message_id: str
    sender: str
    sender_name: str
    recipient: str
    reply_to: str
    return_path: str
    at: int
    zone: ZoneInfo
    case: str
    tenant: str
    title: str
    preset: str
    clause: str
    clause_text: str
    blocked: tuple[str, ...] = ()
    facts: tuple[Seen, ...] = ()
    mailing: str = ""
    refs: tuple[str, ...] = ()
    more_refs: bool = False
    addresses: tuple[str, ...] = ()
    more_addresses: int = 0
    requirements: tuple[Requirement, ...] = ()
    fees: tuple[Fee, ...] = ()
    link: str = ""
    deadline: float | None = None
    then: str = ""
    review: float | None = None
    probation: float | None = None
    appeal_seconds: float = 0.0
    is_over: bool = False
    reason: str = ""
    requirement: str = ""
    upheld: bool = False
    thread: tuple[str, ...] = ()

    @property
    def answerable(self) -> bool:
        """Whether an answer to this very mail reaches the case."""
        return self.reply_to != self.sender


_TEMPLATES = Environment(
    loader=PackageLoader("gateway.notices"),
    autoescape=False,  # noqa: S701 - plain text, whose values are single lines
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def compose(draft: Draft, signers: Sequence[Signer]) -> Mail:
    """The whole mail, signed by each of `signers`."""
    header = _header(draft)
    body = quoted_printable(text_of(draft))
    body_hash = RelaxedBodyHash()
    body_hash.add(body)
    signed = sign(signers, header, body_hash.digest(), draft.at)
    octets = b"".join((signed, header, b"\r\n", body))
    return Mail(draft.message_id, draft.language, draft.return_path, draft.recipient, octets)


def text_of(draft: Draft) -> str:
    """What the tenant reads."""
    rendered = _TEMPLATES.get_template(f"notice.{draft.language}.txt").render(_values(draft))
    lines: list[str] = []
    for line in rendered.strip().splitlines():
        if line or (lines and lines[-1]):  # one empty line at a time
            lines += _wrapped(line)
    return "\n".join(lines) + "\n"


def subject_of(draft: Draft) -> str:
    """The subject: the case's number, and what this is about."""
    words = SUBJECTS[draft.language][draft.kind].format(
        title=_line(draft.title),
        what=OPENED[draft.language][bool(draft.blocked)],
        day="-" if draft.deadline is None else _local(draft.deadline, draft.zone)[:10],
    )
    return f"[{draft.case}] {words}"


def money(amount: int, currency: str, language: str) -> str:
    """An amount in the smallest unit, as people write it."""
    text = f"{amount // 100}.{amount % 100:02d}"
    return f"{text.replace('.', ',') if language == 'pl' else text} {currency}"


def instant(at: float, zone: ZoneInfo) -> str:
    """An instant in the operator's zone and, where that differs, in UTC."""
    local, utc = _local(at, zone), _local(at, UTC)
    shown = utc.split(" ", 1)[1] if local[:10] == utc[:10] else utc
    return local if local == utc else f"{local} ({shown})"


# ---- inside -------------------------------------------------------------------------------------


def _header(draft: Draft) -> bytes:
    """The header section. Auto-Submitted keeps vacation replies away (RFC 3834 section 5)."""
    fields = [
        f"From: {encoded(_line(draft.sender_name), 'From', is_phrase=True)} <{draft.sender}>",
        f"To: <{draft.recipient}>",
        f"Subject: {encoded(subject_of(draft), 'Subject')}",
        f"Date: {rfc5322_date(draft.at)}",
        f"Message-ID: {draft.message_id}",
        "Auto-Submitted: auto-generated",
        f"Content-Language: {draft.language}",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: quoted-printable",
    ]
    if draft.answerable:
        fields.insert(2, f"Reply-To: <{draft.reply_to}>")
    if draft.thread:
        fields.append("References: " + "\r\n\t".join(draft.thread))
    return "".join(f"{field}\r\n" for field in fields).encode()


def _values(draft: Draft) -> dict[str, object]:
    language, zone = draft.language, draft.zone
    return {
        "kind": draft.kind.value,
        "tenant": _line(draft.tenant),
        "title": _line(draft.title),
        "case": draft.case,
        "blocked": [_line(domain) for domain in draft.blocked],
        "facts": [
            {
                "what": FACTS[language][seen.kind],
                "count": seen.count,
                "first": instant(seen.first, zone),
                "last": instant(seen.last, zone),
            }
            for seen in draft.facts
        ],
        "mailing": _line(draft.mailing),
        "refs": [_line(ref) for ref in draft.refs],
        "more_refs": draft.more_refs,
        "addresses": [_line(address) for address in draft.addresses],
        "more_addresses": draft.more_addresses,
        "preset": _line(draft.preset),
        "clause": _line(draft.clause),
        "clause_text": _line(draft.clause_text),
        "requirements": [
            {
                "what": requirement(one.name, language),
                "is_met": one.met_at is not None,
                "rejected": _line(one.rejected),
            }
            for one in draft.requirements
        ],
        "fees": [
            {
                "amount": money(fee.amount, fee.currency, language),
                "count": fee.count,
                "each": money(fee.each, fee.currency, language),
                "clause": _line(fee.clause),
                "state": FEES[language][fee.state],
            }
            for fee in draft.fees
            if fee.state is not FeeState.WAIVED
        ],
        "link": draft.link,
        "deadline": draft.deadline and instant(draft.deadline, zone),
        "then": draft.then,
        "review": draft.review and instant(draft.review, zone),
        "probation": draft.probation and instant(draft.probation, zone),
        "appeal_days": round(draft.appeal_seconds / 86_400),
        "is_over": draft.is_over,
        "reason": _line(draft.reason),
        "requirement": requirement(draft.requirement, language),
        "upheld": draft.upheld,
        "answerable": draft.answerable,
        "reply_to": draft.reply_to,
        "sender_name": _line(draft.sender_name),
    }


def _line(text: str) -> str:
    """A text of anybody in one line without anything that cannot be shown."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def _wrapped(line: str) -> list[str]:
    if len(line) <= WIDTH:
        return [line]
    indent = "  " if line.startswith(("- ", "[", "  ")) else ""
    return textwrap.wrap(
        line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _local(at: float, zone: tzinfo) -> str:
    return f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M %Z}"
