"""Erasure (GDPR article 17): nothing readable stays about a person, and nobody mails them again.

First the tombstone: a suppression `erasure` by key alone in each tenant that holds anything, so
that the person stays unmailed; what protects them already stays too, by its key. Then consents end,
webhooks that wait are dropped, and every sealed text is destroyed by overwriting its secret in
place. One transaction; audit trail and opt-out log name keys only, so every chain still verifies
and a restored backup is erased again. `clear_old` afterwards takes the old versions out of the
database's own files; the journal is `gateway.privacy.journal`'s. Running it again changes nothing.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, delete, select, update

from gateway.errors import StoreUnavailable
from gateway.records import audit, index, opt_outs, proofs
from gateway.records.codes import CLEARED, CONSENTS, encode
from gateway.records.holdings import holders, person_keys
from gateway.records.store import Place
from gateway.records.streams import scope_texts, tenant_numbers
from gateway.records.subjects import destroy
from gateway.records.suppressions import Draft, add_by_key
from gateway.records.tables import (
    consents,
    standing_index,
    streams,
    subject_secrets,
    suppressions,
    webhook_deliveries,
)
from gateway.words import Address
from suppression.consent import Status
from suppression.keys import Keyring
from suppression.precedence import Lifter
from suppression.standing import Reason, Stops

ACTION = "subject.erased"
_CHECKPOINT_SECONDS = 15.0
_CHECKPOINT_POLL = 0.05


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was done: tenants with a tombstone, sealed texts destroyed, consents and webhooks."""

    tenants: tuple[str, ...]
    destroyed: int
    consents_ended: int
    webhooks_dropped: int


def erase(
    connection: Connection,
    keyring: Keyring,
    address: Address,
    tenant: str,
    actor: str,
    now: float,
    spellings: Sequence[Address] = (),
) -> Erasure:
    """Erase what `tenant` holds of the person, or ("") everybody; in the caller's transaction.

    `spellings` are those that `other_spellings` found before.
    """
    keys = person_keys(keyring, address, spellings).own
    tenants = (tenant,) if tenant else tuple(holders(connection, keys))
    ended = 0
    for name in tenants:
        draft = Draft(Reason.ERASURE, name, Lifter.SUBJECT, ACTION, actor=actor)
        add_by_key(connection, keyring.loose_key(address), draft, now)
        for one in (address, *spellings):
            ended += end_consents(connection, keyring, one, name, "erasure", actor, now)
    numbers = None
    if tenant:
        numbers = tenant_numbers(connection, tenant)
    dropped = _drop(connection, keys, numbers)
    scope = tenant or "*"
    destroyed = destroy(connection, keys, scope)
    opt_outs.note(connection, opt_outs.Erased(keys, scope, int(now)))
    audit.append(
        connection,
        at=now,
        actor=actor,
        action=ACTION,
        scope=scope,
        key=keyring.exact_key(address),
        detail={
            "tenants": list(tenants),
            "destroyed": destroyed,
            "consents_ended": ended,
            "webhooks_dropped": dropped,
        },
    )
    return Erasure(tenants, destroyed, ended, dropped)


def end_consents(
    connection: Connection,
    keyring: Keyring,
    address: Address,
    tenant: str,
    by: str,
    actor: str,
    now: float,
) -> int:
    """End every consent the person gave to `tenant`, and every open request for one; how many.

    Else a later consent to one list, which lifts an objection or an erasure, would bring the
    earlier ones to all other lists back into force.
    """
    numbers = tenant_numbers(connection, tenant)
    keys = person_keys(keyring, address).own
    ended = 0
    for proof in proofs.find(connection, keyring, address, tenant):
        if proof.status.is_pending or proof.status is Status.CONFIRMED:
            proofs.revoke(connection, keyring, proof.tracking, actor, by, now)
            ended += 1
    texts = scope_texts(connection)
    standing = select(standing_index).where(
        standing_index.c.key.in_(keys),
        standing_index.c.scope.in_(numbers),
        standing_index.c.code.in_(CONSENTS),
    )
    for row in connection.execute(standing).all():
        connection.execute(
            update(consents)
            .where(consents.c.id == row.entry)
            .values(ended_at=int(now), ended_by=by)
        )
        index.take(connection, row.key, row.scope, row.code, row.entry)
        gone = opt_outs.ConsentEnded(row.key, texts[row.scope], row.code, by, int(now))
        opt_outs.note(connection, gone)
        ended += 1
    return ended


def _drop(connection: Connection, keys: tuple[bytes, ...], numbers: frozenset[int] | None) -> int:
    """Delete what waits to be told about the person, and what pre-checks cleared."""
    told = webhook_deliveries.c
    query = delete(webhook_deliveries).where(told.key.in_(keys), told.delivered_at.is_(None))
    cleared = standing_index.c
    passed = delete(standing_index).where(cleared.key.in_(keys), cleared.code == CLEARED)
    if numbers is not None:
        wholes = select(streams.c.number).where(streams.c.number.in_(numbers), streams.c.name == "")
        query = query.where(told.tenant.in_(wholes))
        passed = passed.where(cleared.scope.in_(numbers))
    connection.execute(passed)
    return int(connection.execute(query).rowcount)


def clear_old(place: Place) -> None:
    """Let the database forget what was overwritten; its own backups and archives it cannot reach.

    Raises StoreUnavailable when it could not: the erasure is made, but its traces are still there.
    """
    if isinstance(place, Path):
        clear_log(place)
    else:
        # Imported here: who has SQLite needs nothing of it.
        from gateway.records import postgresql

        postgresql.vacuum(place, subject_secrets.name)


def clear_log(database: Path) -> None:
    """Write the write-ahead log back and empty it, so that no page of before is left in it.

    Waits for readers in the middle of something, a quarter of a minute at most. Raises
    StoreUnavailable when one takes longer: the erasure is made, but its traces are still there.
    """
    deadline = time.monotonic() + _CHECKPOINT_SECONDS
    try:
        with closing(sqlite3.connect(database, timeout=1.0)) as connection:
            while True:
                busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if not busy:
                    return
                if time.monotonic() > deadline:
                    break
                time.sleep(_CHECKPOINT_POLL)
    except sqlite3.Error as error:
        raise StoreUnavailable(f"records: {error}") from error
    raise StoreUnavailable(
        f"{database}-wal: a reader keeps it from being emptied; erase again when it has ended"
    )


def erased_keys(connection: Connection, since: float) -> set[bytes]:
    """The keys of tombstones that were made after `since`."""
    code = encode(Reason.ERASURE, Stops.BULK)
    query = select(suppressions.c.key).where(
        suppressions.c.code == code, suppressions.c.created_at >= since
    )
    return set(connection.execute(query).scalars())
