"""Mail to tenants about their cases: what is to be said, what is under way, what came of it.

`queue` runs inside the transaction of the change it tells of, so that nothing is told that did not
happen and nothing that happened is forgotten. The rest is the sender's: `begin` notes that a mail
leaves before it does, `taken`, `put_off`, `refuse` and `unaddressed` what came of it, each with an
entry in the case's timeline where people need it. A try that ended without a word may have been
taken: the next one is counted in `repeats` and on the timeline as `notice.repeated`. Functions take
a connection of a transaction and commit nothing. Raise LookupError for a notice that is not there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Select, insert, select, update

from gateway.records.case_rules import Rules
from gateway.records.case_store import load_case
from gateway.records.case_trail import write_entry
from gateway.records.prepared import Prepared
from gateway.records.subjects import add_subject, overwrite, plain_texts
from gateway.records.tables import notices
from policies.sanctions.case import Case
from policies.sanctions.words import NoticeKind
from suppression.keys import Keyring
from suppression.masking import mask, mask_all

ACTOR = "notices"
PAUSES = (60, 120, 300, 900, 1800, 3600)
"""Seconds after the first, second, ... try that brought nothing; the last one repeats."""
_row = notices.c
_ADD = Prepared(insert(notices))


class NoticeState(StrEnum):
    """Where a notice stands."""

    WAITING = "waiting"
    """Not taken, for certain: to be sent, or to be tried again."""
    UNADDRESSED = "unaddressed"
    """The tenant has no contact: it waits for one."""
    UNDER_WAY = "under way"
    """It left, or may have left, and nobody knows what became of it."""
    SENT = "sent"
    REFUSED = "refused"
    """The next hop refuses it for good: a person sees to it."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A notice as it leaves: envelope and exact octets."""

    message_id: str
    language: str
    sender: str
    recipient: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice on record; instants are Unix seconds. `extra` is what it tells besides its case,
    `said` the next hop's words, `subject` the sealed mail once there is one."""

    number: int
    case: int
    tenant: str
    kind: NoticeKind
    language: str
    extra: Mapping[str, Any]
    made_at: int
    message_id: str | None
    subject: int | None
    next_at: int | None
    begun_at: int | None
    attempts: int
    repeats: int
    sent_at: int | None
    state: NoticeState
    said: str

    @property
    def may_be_out(self) -> bool:
        """Whether a try of it may have been taken, so that the next must be the same mail."""
        return self.begun_at is not None

    @property
    def pause(self) -> int:
        """Seconds until the next try, when this one brings nothing."""
        return PAUSES[min(max(self.attempts - 1, 0), len(PAUSES) - 1)]


def queue(
    connection: Connection,
    case: Case,
    kind: NoticeKind,
    rules: Rules,
    now: float,
    extra: Mapping[str, object] | None = None,
) -> int:
    """Tell the tenant of `case` soon; the notice's number. `extra` is JSON-able and holds what this
    notice tells besides the case as it then stands: `reason`, `requirement`, `until` (Unix s),
    `fee` (its number), `facts` (numbers of the facts that a REPORT passes on), `upheld`."""
    contacts = rules.of(case.tenant).contacts
    language = contacts[0].language if contacts else "en"
    return _add(connection, case.id, case.tenant, kind, language, extra or {}, now)


# ---- reading ------------------------------------------------------------------------------------


def due(connection: Connection, now: float, limit: int) -> list[Notice]:
    """What is to be sent by now, the longest due first."""
    waiting = _row.next_at.is_not(None) & (_row.next_at <= now)
    return _decoded(connection, _all().where(waiting).order_by(_row.next_at, _row.id).limit(limit))


def list_of(connection: Connection, case: int) -> list[Notice]:
    """Every notice of a case, oldest first."""
    return _decoded(connection, _all().where(_row.case_id == case).order_by(_row.id))


def stuck(connection: Connection, limit: int = 50) -> list[Notice]:
    """Those that a person must see to, oldest first: refused, or without anybody to address."""
    states = (NoticeState.REFUSED.value, NoticeState.UNADDRESSED.value)
    query = _all().where(_row.state.in_(states)).order_by(_row.id).limit(limit)
    return _decoded(connection, query)


def recent(connection: Connection, tenant: str = "", limit: int = 50) -> list[Notice]:
    """The newest notices of a tenant ("" for all)."""
    query = _all().order_by(_row.id.desc()).limit(limit)
    return _decoded(connection, query.where(_row.tenant == tenant) if tenant else query)


def find(connection: Connection, number: int) -> Notice:
    """The notice with this number."""
    found = _decoded(connection, _all().where(_row.id == number))
    if not found:
        raise LookupError(f"there is no notice {number}")
    return found[0]


def mail_of(connection: Connection, keyring: Keyring, notice: Notice) -> Mail | None:
    """The mail as it left; None before it was composed and after an erasure."""
    if notice.subject is None or notice.message_id is None:
        return None
    text = plain_texts(connection, keyring, [notice.subject]).get(notice.subject)
    if text is None:
        return None
    held = json.loads(text)
    octets = held["octets"].encode("latin-1")
    return Mail(notice.message_id, notice.language, held["from"], held["to"], octets)


# ---- the sender's -------------------------------------------------------------------------------


def take_up(connection: Connection, now: float) -> int:
    """At the start: whatever was under way when a process ended is due at once; how many."""
    under_way = _row.state == NoticeState.UNDER_WAY.value
    return connection.execute(update(notices).where(under_way).values(next_at=int(now))).rowcount


def begin(
    connection: Connection, keyring: Keyring, number: int, mail: Mail, now: float
) -> Notice | None:
    """Note that `mail` leaves now; None when the notice is not due any more.

    Where an earlier try may have been taken, this one is counted as a repeat. Should nothing come
    of it, not even an outcome, it is due again after its pause.
    """
    notice = find(connection, number)
    if notice.next_at is None:
        return None
    subject = notice.subject
    if not notice.may_be_out or mail_of(connection, keyring, notice) != mail:
        if subject is not None:
            overwrite(connection, [subject])
        held = {"from": mail.sender, "to": mail.recipient, "octets": mail.octets.decode("latin-1")}
        subject = add_subject(connection, keyring.seal(json.dumps(held)))
    is_repeat = notice.may_be_out and notice.state is not NoticeState.WAITING
    if is_repeat:
        _tell(connection, notice, "notice.repeated", now, repeats=notice.repeats + 1)
    values = {
        "subject": subject,
        "message_id": mail.message_id,
        "language": mail.language,
        "begun_at": int(now),
        "attempts": notice.attempts + 1,
        "repeats": notice.repeats + is_repeat,
        "state": NoticeState.UNDER_WAY.value,
    }
    values["next_at"] = int(now) + PAUSES[min(notice.attempts, len(PAUSES) - 1)]
    connection.execute(update(notices).where(_row.id == number).values(values))
    return find(connection, number)


def taken(connection: Connection, number: int, said: str, now: float) -> Notice:
    """The next hop has it. The caller moves the case, in the same transaction."""
    notice = find(connection, number)
    _tell(connection, notice, "notice.sent", now, said=said)
    return _outcome(connection, number, NoticeState.SENT, said, None, sent_at=int(now))


def put_off(connection: Connection, number: int, said: str, now: float, *, is_out: bool) -> Notice:
    """It was not taken (`is_out` False), or nobody knows (True): it is tried again later."""
    notice = find(connection, number)
    next_at = int(now) + notice.pause
    if is_out:
        return _outcome(connection, number, NoticeState.UNDER_WAY, said, next_at)
    # Nothing left by this try; if an earlier one may have, the next is still the same mail, and
    # it is that repeat which `begin` has counted already.
    begun_at = notice.begun_at if notice.repeats else None
    return _outcome(connection, number, NoticeState.WAITING, said, next_at, begun_at=begun_at)


def postpone(connection: Connection, number: int, why: str, now: float) -> None:
    """It could not even be written; what is known of its tries stays as it is."""
    notice = find(connection, number)
    _outcome(connection, number, notice.state, why, int(now) + notice.pause)


def refuse(connection: Connection, number: int, said: str, now: float, contacts: int = 1) -> Notice:
    """The next hop refuses it for good; of several `contacts` the next one gets it, at once and as
    a new mail."""
    notice = find(connection, number)
    _tell(connection, notice, "notice.refused", now, said=said)
    refused_by = int(notice.extra.get("refused_by", 0)) + 1
    if refused_by >= contacts:
        return _outcome(connection, number, NoticeState.REFUSED, said, None)
    extra = json.dumps({**notice.extra, "refused_by": refused_by}, sort_keys=True)
    fresh = {"extra": extra, "message_id": None, "subject": None, "begun_at": None}
    connection.execute(update(notices).where(_row.id == number).values(fresh))
    return _outcome(connection, number, NoticeState.WAITING, said, int(now))


def unaddressed(connection: Connection, number: int, now: float) -> bool:
    """The tenant has nobody to write to: it waits; whether that is new."""
    notice = find(connection, number)
    is_new = notice.state is not NoticeState.UNADDRESSED
    if is_new:
        _tell(connection, notice, "notice.unaddressed", now)
    state = NoticeState.UNADDRESSED
    _outcome(connection, number, state, "the tenant has no contact", int(now) + PAUSES[0])
    return is_new


def resend(connection: Connection, number: int, actor: str, now: float) -> int:
    """Send a notice once more, as a new mail to the contact of that time; the new one's number."""
    notice = find(connection, number)
    extra = {name: value for name, value in notice.extra.items() if name != "refused_by"}
    again = _add(connection, notice.case, notice.tenant, notice.kind, notice.language, extra, now)
    _tell(connection, notice, "notice.resent", now, actor, again=again)
    return again


# ---- inside -------------------------------------------------------------------------------------


def _add(
    connection: Connection,
    case: int,
    tenant: str,
    kind: NoticeKind,
    language: str,
    extra: Mapping[str, object],
    now: float,
) -> int:
    row = {
        "case_id": case,
        "tenant": tenant,
        "kind": kind.value,
        "language": language,
        "extra": json.dumps(mask_all(extra), sort_keys=True, separators=(",", ":")),
        "made_at": int(now),
        "next_at": int(now),
        "attempts": 0,
        "repeats": 0,
        "state": NoticeState.WAITING.value,
        "said": "",
    }
    return _ADD.insert(connection, row)


def _outcome(
    connection: Connection,
    number: int,
    state: NoticeState,
    said: str,
    next_at: int | None,
    **more: int | None,
) -> Notice:
    values = {"state": state.value, "said": mask(said), "next_at": next_at, **more}
    connection.execute(update(notices).where(_row.id == number).values(values))
    return find(connection, number)


def _tell(
    connection: Connection,
    notice: Notice,
    kind: str,
    now: float,
    actor: str = ACTOR,
    **detail: object,
) -> None:
    """An entry in the case's timeline, and its audit record."""
    told = {"kind": notice.kind.value, "notice": notice.number, **detail}
    write_entry(connection, load_case(connection, notice.case), kind, actor, now, told)


def _all() -> Select[tuple[Any, ...]]:
    return select(notices)


def _decoded(connection: Connection, query: Select[tuple[Any, ...]]) -> list[Notice]:
    return [_notice(row) for row in connection.execute(query).mappings().all()]


def _notice(row: Mapping[str, Any] | Any) -> Notice:
    return Notice(
        number=row["id"],
        case=row["case_id"],
        tenant=row["tenant"],
        kind=NoticeKind(row["kind"]),
        language=row["language"],
        extra=json.loads(row["extra"]),
        made_at=row["made_at"],
        message_id=row["message_id"],
        subject=row["subject"],
        next_at=row["next_at"],
        begun_at=row["begun_at"],
        attempts=row["attempts"],
        repeats=row["repeats"],
        sent_at=row["sent_at"],
        state=NoticeState(row["state"]),
        said=row["said"],
    )
