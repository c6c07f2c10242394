"""Subjects: the plain address behind entries, encrypted, and the sources entries came from.

An entry made from a token knows only a key; it shares the subject of an earlier entry or consent
of the same tenant's under that key when there is one. A subject whose secret was destroyed has no
address any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    Table,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)

from gateway.records import index
from gateway.records.codes import CONSENTS, FIRST_SUPPRESSION
from gateway.records.prepared import Prepared
from gateway.records.store import is_postgresql, run
from gateway.records.streams import tenant_numbers, within
from gateway.records.tables import (
    bounces,
    consents,
    facts,
    notices,
    proof_steps,
    proofs,
    reports,
    sources,
    standing_index,
    subject_requests,
    subject_secrets,
    subjects,
    suppressions,
    webhook_deliveries,
)
from suppression.keys import Keyring, Sealed
from suppression.masking import mask

DESTROYED = bytes(17)
"""What overwrites a secret; as long, so that SQLite changes it in place and leaves no copy."""
# Made once: making them costs more than running them.
_ADD, _ADD_SECRET = Prepared(insert(subjects)), Prepared(insert(subject_secrets))
_SOURCE = Prepared(
    select(sources.c.id).where(
        sources.c.setter == bindparam("setter"), sources.c.name == bindparam("name")
    )
)


def add_subject(connection: Connection, sealed: Sealed) -> int:
    """Store an encrypted address; the new subject's number."""
    number = _ADD.insert(connection, {"sealed": sealed.data})
    _ADD_SECRET.run(connection, {"subject": number, "secret": sealed.secret})
    return number


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
        .where(subjects.c.id.in_(list(numbers)), subject_secrets.c.secret != DESTROYED)
    )
    return {
        row.id: keyring.open(Sealed(row.secret, row.sealed)) for row in connection.execute(query)
    }


def subjects_under(
    connection: Connection, keys: Collection[bytes], scope: str | None = None
) -> set[int]:
    """Every subject that any record under `keys` refers to, in a scope text or (None) everywhere.

    `tenant` holds its streams too. Entries, consents, proofs with their steps, webhooks, requests,
    facts with the notices of their cases, reports.
    """
    found: set[int] = set()
    numbers = None if scope in (None, "*") else within(connection, scope or "")

    def collect(query: Select[Any], column: Column[int]) -> None:
        if numbers is not None:
            query = query.where(column.in_(numbers))
        found.update(number for number in connection.execute(query).scalars() if number)

    for table, codes, ended in (
        (suppressions, None, suppressions.c.lifted_at),
        (consents, CONSENTS, consents.c.ended_at),
    ):
        index_row = standing_index.c
        is_own = index_row.code >= FIRST_SUPPRESSION if codes is None else index_row.code.in_(codes)
        live = select(index_row.entry).where(index_row.key.in_(keys), is_own)
        gone = select(table.c.id).where(table.c.key.in_(keys), ended.is_not(None))
        rows = select(table.c.subject).where(or_(table.c.id.in_(live), table.c.id.in_(gone)))
        collect(rows, table.c.scope)
    collect(select(proofs.c.subject).where(proofs.c.key.in_(keys)), proofs.c.scope)
    steps = select(proof_steps.c.subject).join(proofs, proofs.c.id == proof_steps.c.proof)
    collect(steps.where(proofs.c.key.in_(keys)), proofs.c.scope)
    if numbers is not None:
        numbers = tenant_numbers(connection, (scope or "").partition("/")[0])
    told = select(webhook_deliveries.c.subject).where(webhook_deliveries.c.key.in_(keys))
    collect(told, webhook_deliveries.c.tenant)
    found |= _held_against(connection, keys, None if numbers is None else (scope or ""))
    asked = select(subject_requests.c.subject).where(subject_requests.c.key.in_(keys))
    collect(asked, subject_requests.c.scope)
    return found


def _held_against(connection: Connection, keys: Collection[bytes], scope: str | None) -> set[int]:
    """Subjects of complaints and other facts under `keys`, of one tenant or (None) of all, and the
    notices of their cases, which may name whoever complained."""
    texts = (
        (facts, select(facts.c.subject)),
        (facts, select(notices.c.subject).join(facts, facts.c.case_id == notices.c.case_id)),
        (reports, select(reports.c.subject)),
    )
    found: set[int] = set()
    for table, query in texts:
        query = query.where(table.c.key.in_(keys))
        if scope is not None:
            query = query.where(table.c.tenant == scope.partition("/")[0])
        found.update(number for number in connection.execute(query).scalars() if number)
    return found


def destroy(connection: Connection, keys: Collection[bytes], scope: str | None = None) -> int:
    """Make what is sealed about a person unreadable for ever; how many texts that were.

    `keys` are all that the person may stand under, `scope` as for `subjects_under`. Keys, entries
    and chains stay as they are: they cover the ciphertext. Bounces, which are for whoever is mailed
    again, are deleted. Notes nothing in audit or opt-out log.
    """
    own: ColumnElement[bool] = bounces.c.key.in_(keys)
    if scope not in (None, "*"):
        own &= bounces.c.tenant == (scope or "").partition("/")[0]
    connection.execute(delete(bounces).where(own))
    return overwrite(connection, subjects_under(connection, keys, scope))


def overwrite(connection: Connection, subjects: Collection[int]) -> int:
    """Make these sealed texts unreadable for ever; how many were readable."""
    numbers = sorted(subjects)
    done = 0
    for start in range(0, len(numbers), 500):
        part = numbers[start : start + 500]
        done += connection.execute(
            update(subject_secrets)
            .where(subject_secrets.c.subject.in_(part), subject_secrets.c.secret != DESTROYED)
            .values(secret=DESTROYED)
        ).rowcount
    return done


def source_number(connection: Connection, setter: str, name: str) -> int:
    """The number of a source, made on first use. `setter` is the capacity they are set in.

    Addresses in its name are masked.
    """
    found = find_source(connection, setter, name)
    if found is None:
        made = connection.execute(insert(sources), {"setter": setter, "name": mask(name)})
        assert made.inserted_primary_key is not None  # noqa: S101 - a single-row insert always has one
        found = int(made.inserted_primary_key[0])
    return found


def find_source(connection: Connection, setter: str, name: str) -> int | None:
    """The number of a source, if it has one."""
    found = _SOURCE.scalar(connection, {"setter": setter, "name": mask(name)})
    return None if found is None else int(found)


def next_ids(connection: Connection, table: Table, count: int) -> int:
    """The first of `count` numbers for the next rows of `table`; the caller has the write lock."""
    if is_postgresql(connection):
        # The sequence goes on behind them, for the rows that come without a number.
        own = "(SELECT pg_get_serial_sequence(?, 'id')::regclass AS s) AS own"
        numbers = f"SELECT setval(s, nextval(s) + ? - 1) FROM {own}"  # noqa: S608 - a constant
        ((last,),) = run(connection, numbers, (count, table.name))
        return int(last) - count + 1
    last = connection.execute(select(table.c.id).order_by(table.c.id.desc()).limit(1)).scalar()
    return int(last or 0) + 1
