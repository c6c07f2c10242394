"""Suppression entries: adding, lifting, finding and listing them, each change in the audit trail.

Every function takes a connection of `Database.write` or `.transaction` and commits nothing itself.
Adding what is already in force changes nothing. Entries are never deleted: lifting one notes who,
when and why, and takes it out of the standing index. Raises `Refused` when the suppression table
does not allow what was asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)

from gateway.records import audit, feed, index, opt_outs, webhooks
from gateway.records.codes import (
    DECODED,
    FIRST_SUPPRESSION,
    RENEWED,
    RESTRICTED,
    encode,
    hash_kind,
    hash_number,
)
from gateway.records.drafts import Draft as Draft
from gateway.records.drafts import Refused as Refused
from gateway.records.drafts import check, key_of
from gateway.records.opt_outs import Lifted, OptOut
from gateway.records.prepared import Prepared
from gateway.records.restriction import restricted_entries
from gateway.records.streams import (
    find_scope,
    scope_number,
    scope_texts,
    stream_number,
    tenant_numbers,
)
from gateway.records.subjects import (
    add_subject,
    plain_texts,
    source_number,
    subject_of,
)
from gateway.records.tables import sources, standing_index, suppressions
from gateway.words import Address, WebhookKind
from suppression import hashes
from suppression.hashes import HashKind
from suppression.keys import Keyring
from suppression.masking import mask
from suppression.precedence import RULES, Lifter, ends_at, is_longer, may_lift
from suppression.standing import Reason, Stops

# Made once: making them costs more than running them.
_LIVE = Prepared(
    select(standing_index.c.entry, standing_index.c.ends).where(
        standing_index.c.key == bindparam("key"),
        standing_index.c.scope == bindparam("scope"),
        standing_index.c.code == bindparam("code"),
        or_(standing_index.c.ends.is_(None), standing_index.c.ends > bindparam("now")),
    )
)
_SET_BY = Prepared(
    select(sources.c.setter, sources.c.name)
    .join(suppressions, suppressions.c.source == sources.c.id)
    .where(suppressions.c.id == bindparam("entry"))
)
_ADD = Prepared(insert(suppressions))


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored entry. `address` is the plain address or domain, "" when it is not known."""

    id: int
    key: bytes
    reason: Reason
    stops: Stops
    scope: str
    is_disclosable: bool
    address: str
    setter: str
    source: str
    created_at: int
    ends_at: int | None
    lifted_at: int | None
    lifted_by: str | None
    lifted_reason: str | None
    is_restriction: bool = False
    """Set for a person whose data is stored and not used (`gateway.records.restriction`)."""
    hashed: HashKind | None = None
    """Set when it is of a hashed list: nobody can say whose it is but by trying."""

    def is_live(self, now: float) -> bool:
        """Neither lifted nor past its end."""
        return self.lifted_at is None and (self.ends_at is None or self.ends_at > now)


def add(
    connection: Connection, keyring: Keyring, target: Address | str, draft: Draft, now: float
) -> tuple[int, bool]:
    """Suppress an address or a whole domain; the entry's number and whether it is new."""
    code = check(draft, target)
    key = key_of(keyring, draft.reason, target)
    return _add(connection, key, code, draft, now, (keyring, str(target)))


def add_by_key(
    connection: Connection, key: bytes, draft: Draft, now: float, code: int | None = None
) -> tuple[int, bool]:
    """Suppress what only a key is to be known of; the entry's number and whether it is new.

    `code` is one of `codes` that says more than the draft.
    """
    return _add(connection, key, code or check(draft, key), draft, now, None)


def suppress(
    connection: Connection,
    stream_number: int,
    key: bytes,
    reason: Reason,
    source: str,
    now: float,
    *,
    is_wide: bool = False,
    why: str = "",
) -> tuple[int, bool]:
    """Suppress by a token's key: in its stream (unsubscribe), or in its tenant (all else).

    `is_wide` is for an unsubscribe from all lists of the tenant, `why` for the audit trail.
    The entry's number and whether it is new. Raises LookupError for a number never given.
    """
    scope = scope_texts(connection).get(stream_number)
    if scope is None or stream_number == 0:
        raise LookupError(f"no stream has the number {stream_number}")
    if is_wide or reason is not Reason.UNSUBSCRIBE:
        scope = scope.partition("/")[0]
    draft = Draft(reason, scope, "recipient", source, why=why)
    return _add(connection, key, encode(reason, RULES[reason].stops), draft, now, None)


def lift(connection: Connection, entry: int, by: Lifter, actor: str, why: str, now: float) -> None:
    """End an entry. `by` is in what capacity, `actor` who; raises Refused or LookupError."""
    row = connection.execute(_entries().where(suppressions.c.id == entry)).mappings().first()
    if row is None:
        raise LookupError(f"no entry has the number {entry}")
    reason = DECODED[row["code"]][0]
    if row["lifted_at"] is not None:
        raise Refused(f"entry {entry} is lifted already")
    if not may_lift(reason, by, row["setter"]):
        may = sorted(RULES[reason].lifters) if reason is not Reason.MANUAL else [row["setter"]]
        raise Refused(f"{reason} is lifted by {' or '.join(may)}, not by {by}")
    connection.execute(
        update(suppressions)
        .where(suppressions.c.id == entry)
        .values(lifted_at=int(now), lifted_by=actor, lifted_reason=mask(why))
    )
    index.take(connection, row["key"], row["scope"], row["code"], entry)
    scope = scope_texts(connection)[row["scope"]]
    made, setter = row["created_at"], row["setter"]
    lifted = Lifted(row["key"], scope, row["code"], made, actor, int(now), setter)
    opt_outs.note(connection, lifted)
    audit.append(
        connection,
        at=now,
        actor=actor,
        action="suppression.lifted",
        scope=scope,
        key=row["key"],
        detail={"entry": entry, "reason": reason, "by": by, "why": why},
    )


def entry_of(connection: Connection, keyring: Keyring, number: int) -> Entry:
    """The entry with this number. Raises LookupError."""
    rows = connection.execute(_entries().where(suppressions.c.id == number)).mappings().all()
    if not rows:
        raise LookupError(f"no entry has the number {number}")
    return next(_decoded(connection, keyring, rows))


def entries_of(connection: Connection, keyring: Keyring, numbers: Iterable[int]) -> list[Entry]:
    """The entries with these numbers, oldest first; numbers never given are left out."""
    query = _entries().where(suppressions.c.id.in_(list(numbers))).order_by(suppressions.c.id)
    return list(_decoded(connection, keyring, connection.execute(query).mappings().all()))


def find(connection: Connection, keyring: Keyring, target: Address | str) -> list[Entry]:
    """Every entry, live, expired or lifted, that matches an address or covers a domain."""
    if isinstance(target, str):
        keys = list(keyring.domain_look_up_keys(target))
        keys += hashes.domain_look_up_keys(keyring, target, index.hashed_kinds(connection))
    else:
        keys = keyring.look_up_keys(target)
        keys += hashes.look_up_keys(keyring, target, index.hashed_kinds(connection))
    return find_by_keys(connection, keyring, keys)


def find_by_keys(connection: Connection, keyring: Keyring, keys: Sequence[bytes]) -> list[Entry]:
    """Every entry, live, expired or lifted, that stands under one of these keys."""
    live = select(standing_index.c.entry).where(
        standing_index.c.key.in_(keys), standing_index.c.code >= FIRST_SUPPRESSION
    )
    lifted = select(suppressions.c.id).where(
        suppressions.c.key.in_(keys), suppressions.c.lifted_at.is_not(None)
    )
    query = _entries().where(or_(suppressions.c.id.in_(live), suppressions.c.id.in_(lifted)))
    rows = connection.execute(query.order_by(suppressions.c.id)).mappings().all()
    return list(_decoded(connection, keyring, rows))


def entries(connection: Connection, keyring: Keyring, scope: str = "") -> Iterator[Entry]:
    """All entries not lifted, oldest first, of one scope or of all, read as they are taken.

    Those of people whose data is restricted are left out.
    """
    query = _entries().where(_exported(connection, scope)).order_by(suppressions.c.id)
    with connection.execute(query.execution_options(yield_per=1000)) as result:
        for part in result.mappings().partitions():
            yield from _decoded(connection, keyring, part)


def count_entries(connection: Connection, scope: str = "") -> int:
    """How many `entries` gives."""
    query = select(func.count()).select_from(suppressions)
    return int(connection.scalar(query.where(_exported(connection, scope))) or 0)


def _exported(connection: Connection, scope: str) -> ColumnElement[bool]:
    exported: ColumnElement[bool] = suppressions.c.lifted_at.is_(None)
    if hidden := restricted_entries(connection):
        exported &= suppressions.c.id.not_in(hidden)
    if not scope:
        return exported
    return exported & (suppressions.c.scope == find_scope(connection, scope))


def _add(
    connection: Connection,
    key: bytes,
    code: int,
    draft: Draft,
    now: float,
    plain: tuple[Keyring, str] | None,
) -> tuple[int, bool]:
    scope = scope_number(connection, draft.scope)
    ends = draft.ends_at
    if ends is not None and ends <= now:
        raise Refused("that end is over already")
    if draft.reason is not Reason.MANUAL:
        ends = ends_at(draft.reason, now, _earlier(connection, key, scope, draft.reason))
    for same in _LIVE.all(connection, {"key": key, "scope": scope, "code": code, "now": now}):
        if draft.reason in (Reason.MANUAL, Reason.ROBINSON):
            setter, name = _SET_BY.all(connection, {"entry": same.entry})[0]
            # Whoever set a manual entry lifts it, so another's wish needs an entry of its own.
            if draft.reason is Reason.MANUAL and setter != draft.setter:
                continue
            if draft.reason is Reason.ROBINSON and name != mask(draft.source):
                continue
        if code not in RENEWED or not is_longer(ends, same.ends):
            if feed.identity(connection):
                # Whoever made it may not have got it into the index, and was told so.
                feed.note(connection, [key])
            return int(same.entry), False
    if plain is None:
        # From this tenant's own records only: that another knows the address is not told.
        own = tenant_numbers(connection, draft.scope.partition("/")[0])
        subject = subject_of(connection, key, own)
    else:
        keyring, text = plain
        subject = add_subject(connection, keyring.seal(text))
    row = {
        "key": key,
        "scope": scope,
        "code": code,
        "subject": subject,
        "source": source_number(connection, draft.setter, draft.source),
        "created_at": int(now),
        "ends_at": None if ends is None else int(ends),
    }
    entry = _ADD.insert(connection, row)
    made_at, until = int(now), None if ends is None else int(ends)
    index.put(connection, key, scope, code, entry, until)
    noted = OptOut(key, draft.scope, code, made_at, until, draft.setter, mask(draft.source))
    opt_outs.note(connection, noted)
    audit.append(
        connection,
        at=now,
        actor=draft.audited,
        action="suppression.added",
        scope=draft.scope,
        key=key,
        detail={
            "entry": entry,
            "reason": draft.reason,
            "source": draft.source,
            **({"why": draft.why} if draft.why else {}),
        },
    )
    if draft.is_told:
        _tell(connection, key, draft, subject, now)
    return entry, True


def _tell(
    connection: Connection, key: bytes, draft: Draft, subject: int | None, now: float
) -> None:
    tenant, _, stream = draft.scope.partition("/")
    number = stream_number(connection, tenant)
    is_unsubscribe = draft.reason is Reason.UNSUBSCRIBE
    kind = WebhookKind.UNSUBSCRIBED if is_unsubscribe else WebhookKind.SUPPRESSED
    payload = {"stream": stream or None, "reason": draft.reason}
    webhooks.queue(connection, number, kind, key, subject, payload, now)


def _earlier(connection: Connection, key: bytes, scope: int, reason: Reason) -> int:
    """How many entries of this reason and scope there have been under `key`."""
    if len(RULES[reason].terms) == 1:
        return 0
    codes = [code for code, decoded in DECODED.items() if decoded[0] is reason]
    standing = select(func.count()).where(
        standing_index.c.key == key,
        standing_index.c.scope == scope,
        standing_index.c.code.in_(codes),
    )
    lifted = select(func.count()).where(
        suppressions.c.key == key,
        suppressions.c.lifted_at.is_not(None),
        suppressions.c.scope == scope,
        suppressions.c.code.in_(codes),
    )
    return int(connection.scalar(standing) or 0) + int(connection.scalar(lifted) or 0)


def _entries() -> Select[Any]:
    return select(suppressions, sources.c.setter, sources.c.name.label("source_name")).join(
        sources, sources.c.id == suppressions.c.source
    )


def _decoded(
    connection: Connection, keyring: Keyring, rows: Iterable[Mapping[Any, Any]]
) -> Iterator[Entry]:
    rows = list(rows)
    texts = scope_texts(connection)
    subjects = [row["subject"] for row in rows if row["subject"] is not None]
    plain = plain_texts(connection, keyring, subjects)
    for row in rows:
        reason, stops, is_disclosable = DECODED[row["code"]]
        yield Entry(
            id=row["id"],
            key=row["key"],
            reason=reason,
            stops=stops,
            scope=texts[row["scope"]],
            is_disclosable=is_disclosable,
            address=plain.get(row["subject"], ""),
            setter=row["setter"],
            source=row["source_name"],
            created_at=row["created_at"],
            ends_at=row["ends_at"],
            lifted_at=row["lifted_at"],
            lifted_by=row["lifted_by"],
            lifted_reason=row["lifted_reason"],
            is_restriction=row["code"] == RESTRICTED,
            hashed=hash_kind(hash_number(row["code"])),
        )
