"""Consents: a tenant's attestation for a list of people (level 1), and finding what is on record.

Rows are append-only; what ends is noted in place. An attestation is audited when it begins and
when it is complete. A tenant's first complete one is marked in the standing index last of all,
because from then on its streams' consent levels are enforced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, insert, or_, select, update

from gateway.records import audit, index
from gateway.records.bulk import Progress, Tally, Target, merge, read
from gateway.records.codes import CONSENTS
from gateway.records.database import Database
from gateway.records.staging import Staging
from gateway.records.streams import find_scope, scope_number, scope_texts
from gateway.records.suppression_import import ListFile
from gateway.records.suppressions import Refused
from gateway.records.tables import attestations, consents, standing_index
from gateway.words import Address
from suppression.keys import Keyring
from suppression.listfile import BadRow, Row
from suppression.masking import mask

ATTESTED = 1
"""The level of a tenant's own word."""


@dataclass(frozen=True, slots=True)
class Attestation:
    """What a tenant declares about a list; `scope` is `tenant` or `tenant/stream`.

    `source` says how the people agreed, `attested_at` when the tenant said so (Unix seconds).
    """

    scope: str
    source: str
    attested_at: float
    actor: str


@dataclass(frozen=True, slots=True)
class Consent:
    """One consent on record."""

    id: int
    scope: str
    level: int
    given_at: int
    ended_at: int | None
    attestation: int | None
    source: str


def import_attestation(
    database: Database,
    keyring: Keyring,
    rows: Iterable[Row | BadRow],
    attestation: Attestation,
    file: ListFile,
    now: float,
    *,
    progress: Progress = lambda _rows: None,
    merging: Progress = lambda _rows: None,
    on_bad: Callable[[BadRow], None] = lambda _row: None,
    dry_run: bool = False,
) -> Tally:
    """Record that everyone in `rows` agreed, by the tenant's word; a row's date is its own.

    A row that names another scope, or no person, is bad; a date to come is taken for now.
    """
    tally = Tally()
    number = 0
    if dry_run:
        with database.reading() as connection:
            known = find_scope(connection, attestation.scope)
        scope = -1 if known is None else known
    else:
        with database.transaction() as connection:
            scope, number = _open(connection, attestation, file, now)
    with Staging(keyring, now) as staging:

        def take(row: Row) -> None:
            if row.scope not in ("", attestation.scope):
                raise Refused(f"is about {row.scope}, not about {attestation.scope}")
            if not isinstance(row.target, Address):
                raise Refused("only an address can be said to consent, no domain and no digest")
            staging.add(
                keyring.exact_key(row.target),
                scope,
                ATTESTED,
                int(attestation.attested_at if row.date is None else min(row.date, now)),
                None,
                keyring.seal(row.target.text),
            )

        read(staging, rows, take, tally, progress, on_bad)
        target = Target(
            consents,
            ("level", "attestation", "given_at"),
            lambda row: (row.code, number, row.at),
        )
        merge(database, staging, target, tally, now, merging, dry_run)
    if not dry_run:
        with database.transaction() as connection:
            _complete(connection, number, attestation, file, tally, now)
    return tally


def find_consents(connection: Connection, keyring: Keyring, address: Address) -> list[Consent]:
    """Every consent of an address, in force or ended."""
    keys = keyring.look_up_keys(address)
    live = select(standing_index.c.entry).where(
        standing_index.c.key.in_(keys),
        standing_index.c.code.in_(CONSENTS),
    )
    ended = select(consents.c.id).where(consents.c.key.in_(keys), consents.c.ended_at.is_not(None))
    query = (
        select(consents, attestations.c.source)
        .outerjoin(attestations, attestations.c.id == consents.c.attestation)
        .where(or_(consents.c.id.in_(live), consents.c.id.in_(ended)))
        .order_by(consents.c.id)
    )
    texts = scope_texts(connection)
    return [
        Consent(
            row.id,
            texts[row.scope],
            row.level,
            row.given_at,
            row.ended_at,
            row.attestation,
            row.source or "",
        )
        for row in connection.execute(query)
    ]


@dataclass(frozen=True, slots=True)
class Attested:
    """An attestation on record; `rows` is None when its list was never brought in wholly."""

    number: int
    scope: str
    source: str
    attested_at: int
    file_hash: str
    actor: str
    recorded_at: int
    rows: int | None


def list_attestations(connection: Connection, tenant: str = "", limit: int = 100) -> list[Attested]:
    """The latest attestations, newest first: of one tenant or of all."""
    query = select(attestations).order_by(attestations.c.id.desc()).limit(limit)
    if tenant:
        query = query.where(attestations.c.tenant == find_scope(connection, tenant))
    texts = scope_texts(connection)
    return [
        Attested(
            row.id,
            texts[row.scope],
            row.source,
            row.attested_at,
            row.file_hash.hex(),
            row.actor,
            row.recorded_at,
            row.rows,
        )
        for row in connection.execute(query)
    ]


def has_attested(connection: Connection, tenant: str) -> bool:
    """Whether a tenant's consent levels are enforced already."""
    number = find_scope(connection, tenant)
    return number is not None and bool(index.rows_of(connection, [index.attested_key(number)]))


def _open(
    connection: Connection, attestation: Attestation, file: ListFile, now: float
) -> tuple[int, int]:
    """Scope and number of a new attestation, not complete yet."""
    scope = scope_number(connection, attestation.scope)
    made = connection.execute(
        insert(attestations),
        {
            "tenant": scope_number(connection, attestation.scope.partition("/")[0]),
            "scope": scope,
            "source": mask(attestation.source),
            "attested_at": int(attestation.attested_at),
            "file_hash": bytes.fromhex(file.sha256),
            "actor": attestation.actor,
            "recorded_at": int(now),
        },
    ).inserted_primary_key
    assert made is not None  # noqa: S101 - a single-row insert always has one
    number = int(made[0])
    _audit(connection, "consent.attestation-started", number, attestation, file, now)
    return scope, number


def _complete(
    connection: Connection,
    number: int,
    attestation: Attestation,
    file: ListFile,
    tally: Tally,
    now: float,
) -> None:
    rows = tally.added + tally.known
    connection.execute(
        update(attestations)
        .where(attestations.c.id == number)
        .values(rows=rows, digest=bytes.fromhex(tally.digest))
    )
    if rows:
        tenant = scope_number(connection, attestation.scope.partition("/")[0])
        index.mark_attested(connection, tenant)
    counts = {"added": tally.added, "known": tally.known, "bad": tally.bad}
    detail = {**counts, "digest": tally.digest}
    _audit(connection, "consent.attested", number, attestation, file, now, **detail)


def _audit(
    connection: Connection,
    action: str,
    number: int,
    attestation: Attestation,
    file: ListFile,
    now: float,
    **detail: object,
) -> None:
    named = {"source": attestation.source, "file": file.name, "sha256": file.sha256}
    audit.append(
        connection,
        at=now,
        actor=attestation.actor,
        action=action,
        scope=attestation.scope,
        detail={"attestation": number, **named, **detail},
    )
