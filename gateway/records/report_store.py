"""Reports on record: what is stored of one, and how it is found again.

`insert_report` stores one as it is, sealing what a stranger wrote; `gateway.records.reports` says
what follows from it. `same_complaints` finds those that one recipient made about one mailing,
`of_mail` the report that a mail is already. All run in the caller's transaction.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Select, bindparam, insert, or_, select

from gateway.records.prepared import Prepared
from gateway.records.subjects import add_subject, plain_texts
from gateway.records.tables import reports
from policies.returned.words import COMPLAINTS, FeedbackType
from policies.sanctions.words import FactKind, Grade
from suppression.keys import Keyring
from suppression.masking import mask

_row = reports.c
# Made once: making them costs more than running them.
_ADD = Prepared(insert(reports))
_OF_NUMBER = Prepared(select(reports).where(_row.id == bindparam("number")))
_OF_MAIL = Prepared(select(reports).where(_row.mail == bindparam("mail")))
_SAME = Prepared(
    select(reports)
    .where(
        _row.key == bindparam("key"),
        _row.tenant == bindparam("tenant"),
        _row.mailing == bindparam("mailing"),
        or_(*(_row.type == one.value for one in COMPLAINTS)),
        _row.grade != Grade.D.value,
        _row.id != bindparam("but"),
    )
    .order_by(_row.id)
)
BOUNCE = "bounce"
"""The type of a report that is a bounce; a mail that is no report at all has none."""


class ReportState(StrEnum):
    """Where a report stands."""

    WAITING = "waiting"
    COUNTED = "counted"
    DISMISSED = "dismissed"
    UNMATCHED = "unmatched"


@dataclass(frozen=True, slots=True)
class Report:
    """One complaint. `source` says by which way it came (the signing domain, of a feedback loop),
    `address` is the complaining address and `said` what the reporter wrote (both sealed before they
    are stored), `sent_at` when the mail was sent. `form` is of `policies.returned.words`, `type` a
    FeedbackType, `bounce` or empty; `mail` names the mail and the mailbox it came to, `raw` and
    `original` are the header sections of it and of ours in it (sealed). Empty: not known."""

    grade: Grade
    source: str
    received_at: float
    tenant: str = ""
    stream: str = ""
    mailing: str = ""
    domain: str = ""
    ref: str = ""
    key: bytes = b""
    address: str = ""
    said: Mapping[str, object] | None = None
    kind: FactKind = FactKind.COMPLAINT
    sent_at: float | None = None
    form: str = ""
    type: str = FeedbackType.ABUSE.value
    mail: str | None = None
    raw: bytes = b""
    original: bytes = b""

    @property
    def is_complaint(self) -> bool:
        """Whether it may become a fact that counts as a complaint."""
        return self.type in COMPLAINTS


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A report on record; `subject` is the number of what is sealed (`words_of` opens it)."""

    number: int
    received_at: int
    sent_at: int | None
    kind: FactKind
    grade: Grade
    source: str
    tenant: str
    stream: str
    mailing: str
    domain: str
    ref: str
    key: bytes
    subject: int | None
    state: ReportState
    fact: int | None
    decided_at: int | None
    decided_by: str | None
    reason: str | None
    form: str
    type: str

    @property
    def is_complaint(self) -> bool:
        """Whether it may become a fact that counts as a complaint."""
        return self.type in COMPLAINTS


def insert_report(
    connection: Connection, keyring: Keyring, report: Report, state: ReportState
) -> StoredReport:
    """Store a report in a state, with nothing that follows."""
    subject = None
    if report.address or report.said or report.raw or report.original:
        held = {
            "address": report.address,
            "said": dict(report.said or {}),
            "raw": report.raw.decode("latin-1"),
            "original": report.original.decode("latin-1"),
        }
        shown = {name: text for name, text in held.items() if text or name in ("address", "said")}
        subject = add_subject(connection, keyring.seal(json.dumps(shown)))
    row = {
        "received_at": int(report.received_at),
        "sent_at": None if report.sent_at is None else int(report.sent_at),
        "kind": report.kind.value,
        "grade": report.grade.value,
        "source": mask(report.source),
        "tenant": report.tenant,
        "stream": report.stream,
        "mailing": report.mailing,
        "domain": report.domain,
        "ref": report.ref,
        "key": report.key or None,
        "subject": subject,
        "state": state.value,
        "form": report.form,
        "type": report.type,
        "mail": report.mail,
    }
    number = _ADD.insert(connection, row)
    undecided = dict.fromkeys(("fact_id", "decided_at", "decided_by", "reason"))
    return _stored({**row, **undecided, "id": number})


def get_report(connection: Connection, number: int) -> StoredReport:
    """The report with this number. Raises LookupError."""
    found = find_report(connection, number)
    if found is None:
        raise LookupError(f"there is no report {number}")
    return found


def of_mail(connection: Connection, mail: str) -> StoredReport | None:
    """The report that came in this mail to this mailbox."""
    row = _OF_MAIL.first(connection, {"mail": mail})
    return None if row is None else _stored(row._asdict())


def same_complaints(
    connection: Connection, report: Report | StoredReport, but: int = 0
) -> list[StoredReport]:
    """Complaints on record, other than number `but`, of this report's recipient about its
    mailing, of grade A, B or C."""
    if not report.is_complaint or not report.key or not report.tenant:
        return []
    own = {"key": report.key, "tenant": report.tenant, "mailing": report.mailing, "but": but}
    return [_stored(row._asdict()) for row in _SAME.all(connection, own)]


def find_report(connection: Connection, number: int) -> StoredReport | None:
    """The report with this number."""
    row = _OF_NUMBER.first(connection, {"number": number})
    return None if row is None else _stored(row._asdict())


def list_reports(
    connection: Connection,
    *,
    state: ReportState | None = None,
    tenant: str = "",
    before: int | None = None,
    limit: int = 50,
) -> list[StoredReport]:
    """Newest first."""
    query: Select[Any] = select(reports).order_by(_row.id.desc()).limit(limit)
    if state is not None:
        query = query.where(_row.state == state.value)
    if tenant:
        query = query.where(_row.tenant == tenant)
    if before is not None:
        query = query.where(_row.id < before)
    return [_stored(row) for row in connection.execute(query).mappings()]


def queue_reports(
    connection: Connection,
    *,
    states: Collection[ReportState] = (),
    form: str | None = None,
    grade: Grade | None = None,
    after: int = 0,
    limit: int = 50,
) -> list[StoredReport]:
    """Oldest first, behind number `after`: of these states, form ("": taken by staff) and grade,
    where they are named."""
    query: Select[Any] = select(reports).where(_row.id > after).order_by(_row.id).limit(limit)
    if states:
        query = query.where(_row.state.in_([state.value for state in states]))
    if form is not None:
        query = query.where(_row.form == form)
    if grade is not None:
        query = query.where(_row.grade == grade.value)
    return [_stored(row) for row in connection.execute(query).mappings()]


def words_of(
    connection: Connection, keyring: Keyring, report: StoredReport
) -> dict[str, object] | None:
    """What is sealed: `address`, what the reporter `said`, and, of a mail that came back, its own
    header section (`raw`) and that of our mail in it (`original`), each octet a character; None
    once it was erased."""
    if report.subject is None:
        return None
    text = plain_texts(connection, keyring, [report.subject]).get(report.subject)
    opened: dict[str, object] | None = None if text is None else json.loads(text)
    return opened


def _stored(row: Mapping[Any, Any] | Any) -> StoredReport:
    return StoredReport(
        number=row["id"],
        received_at=row["received_at"],
        sent_at=row["sent_at"],
        kind=FactKind(row["kind"]),
        grade=Grade(row["grade"]),
        source=row["source"],
        tenant=row["tenant"],
        stream=row["stream"],
        mailing=row["mailing"],
        domain=row["domain"],
        ref=row["ref"],
        key=row["key"] or b"",
        subject=row["subject"],
        state=ReportState(row["state"]),
        fact=row["fact_id"],
        decided_at=row["decided_at"],
        decided_by=row["decided_by"],
        reason=row["reason"],
        form=row["form"],
        type=row["type"],
    )
