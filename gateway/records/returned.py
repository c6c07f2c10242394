"""Takes in one mail that came back, with all that it may do by its grade, in one transaction.

`take_returned` stores complaints, requests to be mailed no more, bounces and anything else that
reached a mailbox of ours: of grade A and B with the suppression that its type asks for, of A also
as a fact; of C and D, and of types that change nothing, it is on record and nothing more. The same
mail to the same mailbox is taken once, and of one recipient's complaints about one mailing the
first. Everything is in the caller's transaction; `Taken` holds the events to emit after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from gateway.errors import AddressSyntaxError
from gateway.events import Event
from gateway.message.address import parse_mailbox
from gateway.records.bounces import Bounced, BounceTerms, is_known, take_bounce
from gateway.records.case_rules import Rules
from gateway.records.choices import complain
from gateway.records.codes import encode
from gateway.records.drafts import Draft
from gateway.records.holdings import person_keys
from gateway.records.index import rows_of
from gateway.records.report_store import BOUNCE, Report, StoredReport, of_mail, same_complaints
from gateway.records.reports import mailing_of, note_report, take_report
from gateway.records.streams import find_number, stream_number
from gateway.records.suppressions import suppress
from gateway.words import Address
from policies.returned.words import FeedbackType, Form
from policies.sanctions.words import FactKind, Grade
from suppression.keys import Keyring
from suppression.precedence import RULES
from suppression.standing import Reason


@dataclass(frozen=True, slots=True)
class Match:
    """Which mail of ours it is about, as far as that is known; empty: not known.

    `key` is the recipient's exact key. `is_named`: a token of ours names that recipient, or the
    report is of grade A and states an address that the tenant is known to have mailed; a key that
    was found by weaker signs suppresses nobody. `address` is a stated one whose exact key (of any
    generation) is `key`, else "". `sent_at` is when the mail was sent, in Unix seconds.
    """

    tenant: str
    stream: str = ""
    mailing: str = ""
    domain: str = ""
    ref: str = ""
    key: bytes = b""
    is_named: bool = False
    address: str = ""
    sent_at: float | None = None


@dataclass(frozen=True, slots=True)
class Returned:
    """A mail that came back, parsed, matched and graded.

    `mail` is its digest and `mailbox` what it came to (`fbl`, `abuse`, `bounce`, `u`, or `api`,
    `cli`; `signed` when the digest is of a listed source's signature): together they name it once
    and for all. `type` is what a report complains of, None for
    a bounce and for what is no report. `bounce` is what became of the recipient whom a token names,
    of a DSN or plain bounce that is to be believed, else None. `way` is `smtp`, `api` or `cli`,
    `source` the listed domain that signed it, or "". `address` is who complains, as stated; with
    `said` (what people are to read of it, JSON), `raw` (its own header section) and `original`
    (that of our mail) it is sealed.
    """

    form: Form
    mail: str
    mailbox: str
    grade: Grade
    way: str
    received_at: float
    type: FeedbackType | None = None
    match: Match | None = None
    bounce: Bounced | None = None
    source: str = ""
    address: str = ""
    said: Mapping[str, object] | None = None
    raw: bytes = b""
    original: bytes = b""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of it. No `report`: a bounce that is believed by its token. Not `is_new`: it was
    taken before, and nothing more has happened."""

    report: StoredReport | None
    is_new: bool
    events: tuple[Event, ...] = ()


def take_returned(
    connection: Connection, returned: Returned, rules: Rules, terms: BounceTerms, now: float
) -> Taken:
    """Store it with all that follows."""
    match = returned.match
    is_believed = match is not None and returned.grade in (Grade.A, Grade.B)
    named = match if match is not None and is_believed and match.is_named else None
    mail = f"{returned.mailbox} {returned.mail}"
    # Some give each report the Message-ID of our mail, which is that of all its copies. Whoever
    # states another's address stops no report that our token names.
    if named is not None:
        mail = f"{mail} {named.key.hex()}"
    elif key := match.key if match is not None else _key(rules, returned.address):
        mail = f"{mail} stated {key.hex()}"
    known = of_mail(connection, mail)
    if known is not None:
        return Taken(known, False)
    if returned.bounce is not None and is_believed:
        mark = f"{mail} {returned.bounce.key.hex()}"
        if is_known(connection, mark):
            return Taken(None, False)
        bounced = replace(returned.bounce, mark=mark)
        return Taken(None, True, take_bounce(connection, bounced, rules, terms, now))
    report = _report(connection, returned, rules, mail)
    earlier: Sequence[StoredReport] | None = None
    match returned.form:
        case Form.AUTO_REPLY | Form.CHALLENGE:
            return _noted(connection, report, f"it is an {returned.form}", rules, now)
        case Form.DSN | Form.FORWARDED_DSN | Form.PLAIN_BOUNCE:
            # Nobody can know from whom it is: a person may look at it, and no more.
            return _noted(connection, replace(report, grade=Grade.D), "", rules, now)
        case Form.ARF | Form.XARF | Form.OTHER:
            pass
    match returned.type:
        case FeedbackType.NOT_SPAM | FeedbackType.AUTH_FAILURE:
            return _noted(connection, report, f"{returned.type} changes nothing", rules, now)
        case FeedbackType.OPT_OUT | FeedbackType.OPT_OUT_LIST:
            if named is None:
                return _noted(connection, report, "", rules, now)
            return _opt_out(connection, report, named, returned.type, rules, now)
        case None:
            # What a person has written may hold our token; whether it complains, a person reads,
            # also when its writer has complained before.
            report, earlier = replace(report, grade=max(report.grade, Grade.C)), ()
        case FeedbackType.ABUSE | FeedbackType.FRAUD | FeedbackType.VIRUS | FeedbackType.OTHER:
            if named is not None:
                report, earlier = _complain(connection, report, named, rules, now)
            elif report.grade is not Grade.D:
                # Every recipient of the mailing has this token, and may state whomever they like,
                # or put it into mail to themselves and report that as often as they like: the
                # tenant is not told of it and no rate counts it before a person has.
                report = replace(report, grade=Grade.C)
    taken = take_report(connection, report, rules, now, earlier)
    return Taken(taken.report, True, taken.events)


# ---- inside -------------------------------------------------------------------------------------


def _report(connection: Connection, returned: Returned, rules: Rules, mail: str) -> Report:
    """What is stored of it. Of grade D it is of nobody; an erased person is not named again."""
    match = returned.match or Match("")
    address = match.address if returned.match else returned.address
    report = Report(
        grade=returned.grade,
        source=returned.source or returned.way,
        received_at=returned.received_at,
        address=address,
        said=returned.said,
        form=returned.form.value,
        type=_type(returned),
        mail=mail,
        raw=returned.raw,
        original=returned.original,
    )
    if returned.form in (Form.DSN, Form.FORWARDED_DSN, Form.PLAIN_BOUNCE):
        report = replace(report, kind=FactKind.HARD_BOUNCE)
    if returned.grade is Grade.D:
        # Of nobody's mail; but whoever it names may ask for it, and have it erased.
        return replace(report, key=_key(rules, address))
    if match.tenant and _is_erased(connection, rules, match):
        report = replace(report, address="", said=None, raw=b"", original=b"")
    return replace(
        report,
        tenant=match.tenant,
        stream=match.stream,
        mailing=match.mailing,
        domain=match.domain,
        ref=match.ref,
        key=match.key,
        sent_at=match.sent_at,
    )


def _type(returned: Returned) -> str:
    match returned.form:
        case Form.DSN | Form.FORWARDED_DSN | Form.PLAIN_BOUNCE:
            return BOUNCE
        case Form.AUTO_REPLY | Form.CHALLENGE:
            return ""
        case Form.ARF | Form.XARF | Form.OTHER:
            return (returned.type or FeedbackType.OTHER).value


def _noted(connection: Connection, report: Report, why: str, rules: Rules, now: float) -> Taken:
    taken = note_report(connection, report, why, rules, now)
    return Taken(taken.report, True, taken.events)


def _opt_out(
    connection: Connection,
    report: Report,
    match: Match,
    kind: FeedbackType,
    rules: Rules,
    now: float,
) -> Taken:
    """From the list, or from all of the tenant's: what one click does."""
    number = stream_number(connection, match.tenant, match.stream)
    is_wide = kind is FeedbackType.OPT_OUT_LIST
    reason = Reason.UNSUBSCRIBE
    source = report.source
    _, is_new = suppress(connection, number, match.key, reason, source, now, is_wide=is_wide)
    taken = _noted(connection, report, "the recipient is unsubscribed", rules, now)
    if not is_new:
        return taken
    scope = "sender" if is_wide else "list"
    detail: dict[str, object] = {"key": match.key.hex(), "source": source, "from": scope}
    event = Event("unsubscribed", now, tenant=match.tenant, stream=match.stream, detail=detail)
    return replace(taken, events=(event, *taken.events))


def _complain(
    connection: Connection, report: Report, match: Match, rules: Rules, now: float
) -> tuple[Report, Sequence[StoredReport]]:
    """Suppress the recipient, unless this complaint has done so before: it may be lifted since. The
    report with its mailing, and the recipient's complaints about that so far."""
    mailing = report.mailing or mailing_of(
        connection, report.tenant, report.stream, report.received_at
    )
    report = replace(report, mailing=mailing)
    same = same_complaints(connection, report)
    if not any(one.grade in (Grade.A, Grade.B) for one in same):
        draft = Draft(Reason.COMPLAINT, match.tenant, "recipient", report.source)
        stated = _own(rules.keyring, match)
        complain(connection, rules.keyring, match.key, draft, now, stated)
    return report, same


def _own(keyring: Keyring, match: Match) -> Address | None:
    """The stated address, when it is the recipient's own."""
    address = _parsed(match.address)
    is_own = address is not None and match.key in person_keys(keyring, address).own
    return address if is_own else None


def _key(rules: Rules, text: str) -> bytes:
    """The exact key of a stated address, empty when it is none."""
    address = _parsed(text)
    return b"" if address is None else rules.keyring.exact_key(address)


def _parsed(text: str) -> Address | None:
    try:
        return parse_mailbox(text)
    except AddressSyntaxError:  # a stranger wrote it
        return None


def _is_erased(connection: Connection, rules: Rules, match: Match) -> bool:
    own = _own(rules.keyring, match)
    keys = [match.key] if own is None else rules.keyring.look_up_keys(own)
    effect = (
        find_number(connection, match.tenant),
        encode(Reason.ERASURE, RULES[Reason.ERASURE].stops),
    )
    return any((scope, code) == effect for _, scope, code, _ in rows_of(connection, keys))
