"""What tenants handed in for a case: pictures, encrypted, and read only by staff.

`add` stores one in the caller's transaction, which also lets the case have it (`Handed`): that
writes timeline and audit. The content is encrypted under the secret of the sealed file name, so
destroying that one secret (`destroy_of`, an erasure, the end of its case) leaves nothing readable.
Raises TooMany, and LookupError for what is not there or was destroyed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select

from gateway.errors import ConsentryError
from gateway.records.subjects import DESTROYED, add_subject, overwrite, plain_texts
from gateway.records.tables import evidence, subject_secrets
from suppression.keys import Keyring

MOST_PER_CASE = 30
"""Ten megabytes each at most; more is no evidence but a burden."""
_row = evidence.c


class TooMany(ConsentryError):
    """The case has as many files as it may have."""


@dataclass(frozen=True, slots=True)
class Content:
    """A file to be kept: `digest` is SHA-256 of `octets`, `name` what the tenant called it,
    `scanned` what the virus scanner said."""

    media_type: str
    octets: bytes
    digest: bytes
    name: str
    scanned: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One file on record, without its content. `name` is "" once it was destroyed; `at` is Unix
    seconds, `octets` a size."""

    number: int
    case: int
    requirement: str
    at: int
    actor: str
    media_type: str
    octets: int
    digest: bytes
    scanned: str
    name: str


def add(
    connection: Connection,
    keyring: Keyring,
    case: int,
    requirement: str,
    content: Content,
    actor: str,
    now: float,
) -> int:
    """Store a file for a requirement of a case; its number. Raises TooMany."""
    query = select(func.count()).select_from(evidence).where(_row.case_id == case)
    if int(connection.scalar(query) or 0) >= MOST_PER_CASE:
        raise TooMany(f"a case has at most {MOST_PER_CASE} files")
    sealed = keyring.seal(content.name)
    row = {
        "case_id": case,
        "requirement": requirement,
        "at": int(now),
        "actor": actor,
        "media_type": content.media_type,
        "octets": len(content.octets),
        "digest": content.digest,
        "scanned": content.scanned,
        "subject": add_subject(connection, sealed),
        "content": keyring.seal_content(sealed.secret, content.octets),
    }
    made = connection.execute(insert(evidence), row).inserted_primary_key
    assert made is not None  # noqa: S101 - a single-row insert always has one
    return int(made[0])


def of_case(connection: Connection, keyring: Keyring, case: int) -> list[Evidence]:
    """Every file of a case, oldest first, without contents."""
    columns = [column for column in _row if column.name != "content"]
    rows = connection.execute(select(*columns).where(_row.case_id == case).order_by(_row.id)).all()
    names = plain_texts(connection, keyring, [row.subject for row in rows])
    return [
        Evidence(
            number=row.id,
            case=row.case_id,
            requirement=row.requirement,
            at=row.at,
            actor=row.actor,
            media_type=row.media_type,
            octets=row.octets,
            digest=row.digest,
            scanned=row.scanned,
            name=names.get(row.subject, ""),
        )
        for row in rows
    ]


def content_of(connection: Connection, keyring: Keyring, case: int, number: int) -> bytes:
    """The octets of one file of this case; LookupError when there is none or it was destroyed."""
    row = connection.execute(
        select(_row.content, subject_secrets.c.secret)
        .join(subject_secrets, subject_secrets.c.subject == _row.subject)
        .where(_row.id == number, _row.case_id == case, subject_secrets.c.secret != DESTROYED)
    ).first()
    if row is None:
        raise LookupError(f"case {case} has no readable file {number}")
    return keyring.open_content(row.secret, row.content)


def destroy_of(connection: Connection, cases: Collection[int]) -> int:
    """Remove the files of these cases for good; how many. Their secrets go with them."""
    rows = connection.execute(select(_row.id, _row.subject).where(_row.case_id.in_(cases))).all()
    overwrite(connection, [row.subject for row in rows])
    connection.execute(delete(evidence).where(_row.id.in_([row.id for row in rows])))
    return len(rows)
