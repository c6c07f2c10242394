"""Subjects: the plain address behind entries, encrypted, and the sources entries came from.

An entry made from a token knows only a key; it shares the subject of an earlier entry or consent
of the same tenant's under that key when there is one. A subject whose secret was destroyed has no
address any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, Table, insert, select

from gateway.records import index
from gateway.records.codes import CONSENTS, FIRST_SUPPRESSION
from gateway.records.tables import consents, sources, subject_secrets, subjects, suppressions
from suppression.keys import Keyring, Sealed
from suppression.masking import mask


def add_subject(connection: Connection, sealed: Sealed) -> int:
    """Store an encrypted address; the new subject's number."""
    number = connection.execute(insert(subjects), {"sealed": sealed.data}).inserted_primary_key
    assert number is not None  # noqa: S101 - a single-row insert always has one
    row = {"subject": number[0], "secret": sealed.secret}
    connection.execute(insert(subject_secrets), row)
    return int(number[0])


def subject_of(
    connection: Connection, key: bytes, scopes: Collection[int] | None = None
) -> int | None:
    """The subject of any entry or consent in force under `key`, in `scopes` only when given."""
    for _, scope, code, entry in index.rows_of(connection, [key]):
        if scopes is not None and scope not in scopes:
            continue
        if code in CONSENTS:
            table = consents
        elif code >= FIRST_SUPPRESSION:
            table = suppressions
        else:
            continue
        found = connection.execute(select(table.c.subject).where(table.c.id == entry)).scalar()
        if found is not None:
            return int(found)
    return None


def plain_texts(connection: Connection, keyring: Keyring, numbers: Iterable[int]) -> dict[int, str]:
    """The plain text of each subject that still has its secret."""
    query = (
        select(subjects.c.id, subjects.c.sealed, subject_secrets.c.secret)
        .join(subject_secrets, subject_secrets.c.subject == subjects.c.id)
        .where(subjects.c.id.in_(list(numbers)))
    )
    return {
        row.id: keyring.open(Sealed(row.secret, row.sealed)) for row in connection.execute(query)
    }


def source_number(connection: Connection, setter: str, name: str) -> int:
    """The number of a source, made on first use. `setter` is the capacity they are set in.

    Addresses in its name are masked.
    """
    name = mask(name)
    query = select(sources.c.id).where(sources.c.setter == setter, sources.c.name == name)
    found = connection.execute(query).scalar()
    if found is None:
        made = connection.execute(insert(sources), {"setter": setter, "name": name})
        assert made.inserted_primary_key is not None  # noqa: S101 - as above
        found = made.inserted_primary_key[0]
    return int(found)


def next_id(connection: Connection, table: Table) -> int:
    """The number the next row of `table` gets; the caller holds the write lock."""
    last = connection.execute(select(table.c.id).order_by(table.c.id.desc()).limit(1)).scalar()
    return int(last or 0) + 1
