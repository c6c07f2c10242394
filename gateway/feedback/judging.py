"""Reads a mail that came back and says what it is worth: parsed, matched and graded.

`Judge.read` parses octets, whatever they are, in a thread; `Judge.judge` has signature and tokens
checked and looks up whose mail it is, for one of the mailboxes it came to. Only so many at a time,
so that hostile mail holds up nobody else for long. Changes nothing. Raises StoreUnavailable, and
Unanswered when the DNS does not say who has signed it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from hashlib import sha256

from gateway.feedback.mailboxes import Mailbox
from gateway.feedback.matching import Found, Known, Matcher, stated_in
from gateway.feedback.mime import read_header
from gateway.feedback.originals import original_of
from gateway.feedback.parse import parse
from gateway.feedback.parsed import Form, Original, Parsed
from gateway.feedback.signatures import Keys, Signed, read_signed, signed_by
from gateway.feedback.terms import Terms
from gateway.feedback.traces import Traces, read_traces
from gateway.message.body import CRLF
from gateway.message.dkim_verify import Signature
from gateway.records.bounces import Bounced
from gateway.records.database import Database
from gateway.records.returned import Returned
from gateway.records.streams import find_stream
from policies.returned.bounces import Refusal
from policies.returned.evidence import grade
from policies.sanctions.words import Grade

AT_ONCE = 2
"""Mails read at the same time: threads share one interpreter, so more would be no faster."""
MAX_HEADER = 65_536
"""Octets of a header section that are kept for people to read."""
MAX_TEXT = 8_000
"""Characters of a text that are kept of what is no report that programs read."""
SIGNED = "signed"
"""In place of the mailbox, where a signature tells the mail apart: it may be sent on to another."""
READ_BY_PROGRAMS = (Form.ARF, Form.XARF, Form.DSN)


@dataclass(frozen=True, slots=True)
class ReadMail:
    """A mail, parsed, with its CRLF lines; `signed` says which signatures would count."""

    octets: bytes
    parsed: Parsed
    signed: Signed


class Judge:
    """One process's. `terms` are handed in with each mail: they change with the configuration."""

    def __init__(self, database: Database, known: Known) -> None:
        self._database = database
        self._known = known
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._streams: dict[int, tuple[str, str]] = {}
        self._keys = Keys()

    async def read(self, octets: bytes, terms: Terms, now: float) -> ReadMail:
        """The mail in `octets`; LF alone as line ends is read as CRLF."""
        async with self._at_once:
            return await asyncio.to_thread(_read, octets, terms, self._keys, now)

    async def judge(
        self, mail: ReadMail, mailbox: Mailbox | None, name: str, way: str, terms: Terms, now: float
    ) -> Returned:
        """What the records take: of a mail to `mailbox` (None: none of ours is known), which is
        told apart by `name`. `way` is how it came."""
        # Whoever has signed a mail has not written what is sent on in it.
        is_theirs = mail.parsed.form is not Form.FORWARDED_DSN
        signature = await signed_by(mail.signed, terms.dns, self._keys, now) if is_theirs else None
        recipient = mailbox.address if mailbox else ""
        async with self._at_once:
            traces, found = await asyncio.to_thread(
                self._match, mail.parsed, recipient, signature is not None, terms, now
            )
        return _returned(mail, traces, found, name, way, signature, terms, now)

    def stream_of(self, number: int) -> tuple[str, str] | None:
        """Tenant and stream of a token's number, which never change; blocks, StoreUnavailable."""
        known = self._streams.get(number)
        if known is None:
            with self._database.reading() as connection:
                known = find_stream(connection, number)
            if known is not None:
                self._streams[number] = known
        return known

    def _match(
        self, parsed: Parsed, recipient: str, is_signed: bool, terms: Terms, now: float
    ) -> tuple[Traces, Found]:
        tokens, domain = terms.house.tokens, terms.mailboxes.feedback
        traces = read_traces(parsed, recipient, tokens, domain)
        is_forwarded = parsed.form is Form.FORWARDED_DSN
        if recipient and (is_signed or is_forwarded):
            # Nobody has signed the envelope: a report may be sent on to whatever token one has, and
            # a notification about somebody else to one's own.
            within = read_traces(parsed, "", tokens, domain)
            is_within = within.has_token and within.key == traces.key
            is_signed = is_signed and is_within
            if is_forwarded and not is_within and traces.agrees:
                traces = within
        matcher = Matcher(terms.rules.keyring, self._known, self.stream_of)
        return traces, matcher.match(parsed, traces, is_signed, now)


def _read(octets: bytes, terms: Terms, keys: Keys, now: float) -> ReadMail:
    if b"\r" not in octets:
        octets = octets.replace(b"\n", CRLF)
    signed = read_signed(octets, terms.rules.feedback_sources, keys, now)
    return ReadMail(octets, parse(octets), signed)


def _returned(
    mail: ReadMail,
    traces: Traces,
    found: Found,
    name: str,
    way: str,
    signature: Signature | None,
    terms: Terms,
    now: float,
) -> Returned:
    parsed, match = mail.parsed, found.match
    stated = stated_in(parsed)
    level = grade(found.evidence)
    return Returned(
        form=parsed.form,
        mail=parsed.mail if signature is None else _digest(signature),
        mailbox=name if signature is None else SIGNED,
        grade=level,
        way=way,
        received_at=now,
        type=parsed.complaint.type if parsed.complaint else None,
        match=match,
        bounce=_bounced(found, level, way, terms, now),
        source=signature.domain if signature else "",
        address=(match.address if match else "") or next(iter(stated), ""),
        said=_said(parsed, stated, traces),
        # Whole fields: whatever its line ends are, nothing of a body may pass for a header.
        raw=_octets(original_of(read_header(mail.octets)))[:MAX_HEADER],
        original=_octets(parsed.original)[:MAX_HEADER],
    )


def _octets(header: Original | None) -> bytes:
    return b"" if header is None else header.header


def _digest(signature: Signature) -> str:
    """What a signed mail is known by: whoever has it may give it another Message-ID."""
    return sha256(signature.octets).hexdigest()[:32]


def _bounced(found: Found, level: Grade, way: str, terms: Terms, now: float) -> Bounced | None:
    """What became of the token's own recipient; None when nobody is to believe it."""
    match, said = found.match, found.bounced
    if match is None or said is None or not found.evidence.has_token:
        return None
    refusal = Refusal(said.code, said.enhanced, said.text, host=said.remote)
    return Bounced(
        mark="",
        tenant=match.tenant,
        stream=match.stream,
        mailing=match.mailing,
        domain=match.domain,
        provider=found.provider,
        key=match.key,
        bounce_class=terms.table.classify(refusal),
        code=said.code,
        enhanced=said.enhanced,
        text=said.text,
        at=now,
        ref=match.ref,
        way=way,
        # The provider's signature makes no bounce better: any server on the way may have sent it.
        grade=Grade.B if level is Grade.A else level,
        action=said.action,
    )


def _said(parsed: Parsed, stated: list[str], traces: Traces) -> dict[str, object]:
    """What people are to read of it, and where tokens stood in it; without what is empty."""
    told: dict[str, object] = {
        "form": parsed.form.value,
        "from": parsed.sender,
        "subject": parsed.subject,
        "text": _words(parsed)[:MAX_TEXT],
        "trouble": parsed.trouble,
        "recipients": stated,
        "fields": [list(field) for field in parsed.fields],
        "tokens": [list(place) for place in traces.places],
        "contradicts": not traces.agrees,
    }
    if parsed.complaint is not None:
        told["reporter"] = parsed.complaint.user_agent
        told["incidents"] = parsed.complaint.incidents
    return {name: value for name, value in told.items() if value}


def _words(parsed: Parsed) -> str:
    """What it says to people, where programs read nothing better. Of a server's words those about
    recipients: below them our mail may stand, body and all."""
    if parsed.bounce is not None and parsed.form is Form.PLAIN_BOUNCE:
        return "\n".join(f"{one.address}: {one.text}" for one in parsed.bounce.recipients)
    return "" if parsed.form in READ_BY_PROGRAMS else parsed.text
