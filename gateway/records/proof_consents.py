"""What a proof does to an address: the consent it brings into force, what that lifts, and its end.

Consent is given for one list. Newer consent lifts what `suppression.precedence` lets it lift, in
this tenant and list; where it lifts something that held for the whole tenant, the tenant's other
lists stay closed by an unsubscribe of their own. Functions take a connection of a transaction and
commit nothing. Raises StoreUnavailable when the standing index is not known to be complete.
"""

from __future__ import annotations

from sqlalchemy import Connection, RowMapping, insert, select, update

from gateway.errors import StoreUnavailable
from gateway.message.address import parse_mailbox
from gateway.records import index, opt_outs
from gateway.records.codes import CONSENTS, DECODED, FIRST_SUPPRESSION
from gateway.records.streams import EVERYWHERE, scope_texts
from gateway.records.suppressions import Entry, find, lift, suppress
from gateway.records.tables import consents, proofs, standing_index, streams
from gateway.words import Address
from suppression import hashes
from suppression.consent import Level
from suppression.keys import Keyring
from suppression.precedence import RULES, Lifter, may_lift
from suppression.standing import Match, Reason

SOURCE = "consent"
"""The source of what this module suppresses."""


def matches(
    connection: Connection, keyring: Keyring, address: Address, scope: int, now: float
) -> list[Match]:
    """Every suppression in force on `address` for the stream number `scope`."""
    if not index.is_complete(connection):
        raise StoreUnavailable("records: the standing index is not complete")
    texts = scope_texts(connection)
    tenant = texts[scope].partition("/")[0]
    wanted = {number for number, text in texts.items() if text in ("*", tenant, texts[scope])}
    keys = keyring.look_up_keys(address)
    keys += hashes.look_up_keys(keyring, address, index.hashed_kinds(connection))
    query = select(standing_index).where(
        standing_index.c.key.in_(keys),
        standing_index.c.scope.in_(wanted | {EVERYWHERE}),
        standing_index.c.code >= FIRST_SUPPRESSION,
    )
    found = []
    for row in connection.execute(query):
        if row.ends is None or row.ends > now:
            reason, stops, is_disclosable = DECODED[row.code]
            found.append(Match(row.entry, reason, stops, texts[row.scope], is_disclosable))
    return found


def give(
    connection: Connection,
    keyring: Keyring,
    proof: RowMapping,
    address: Address,
    given_at: float,
    now: float,
) -> tuple[int, list[int], list[int]]:
    """Bring the consent of `proof` into force.

    The consent's number, the proofs that it supersedes, and the entries that it lifted.
    """
    level, scope, key = Level(proof["level"]), proof["scope"], proof["key"]
    ended = _end_older(connection, keyring, proof, address, given_at, now)
    row = {
        "key": key,
        "scope": scope,
        "level": int(level),
        "subject": proof["subject"],
        "given_at": int(given_at),
    }
    made = connection.execute(insert(consents), row).inserted_primary_key
    assert made is not None  # noqa: S101 - a single-row insert always has one
    number = int(made[0])
    index.put(connection, key, scope, int(level), number)
    return number, ended, _lift_older(connection, keyring, proof, address, given_at, now)


def end(connection: Connection, proof: RowMapping, actor: str, now: float) -> None:
    """End the consent of `proof`, if it led to one, and suppress the address on that list."""
    if proof["consent"] is not None:
        _end_consent(connection, proof["consent"], actor, now)
    suppress(connection, proof["scope"], proof["key"], Reason.UNSUBSCRIBE, SOURCE, now)


def _end_consent(connection: Connection, number: int, by: str, now: float) -> None:
    row = connection.execute(select(consents).where(consents.c.id == number)).one()
    if row.ended_at is not None:
        return
    connection.execute(
        update(consents).where(consents.c.id == number).values(ended_at=int(now), ended_by=by)
    )
    index.take(connection, row.key, row.scope, row.level, number)
    scope = scope_texts(connection)[row.scope]
    opt_outs.note(connection, opt_outs.ConsentEnded(row.key, scope, row.level, by, int(now)))


def _end_older(
    connection: Connection,
    keyring: Keyring,
    proof: RowMapping,
    address: Address,
    given_at: float,
    now: float,
) -> list[int]:
    """End proven consents for the same list that are older and of no higher level; their proofs."""
    standing = select(standing_index.c.entry).where(
        standing_index.c.key.in_(keyring.look_up_keys(address)),
        standing_index.c.scope == proof["scope"],
        standing_index.c.code.in_(CONSENTS),
    )
    older = (
        select(proofs.c.id, proofs.c.consent)
        .join(consents, consents.c.id == proofs.c.consent)
        .where(
            consents.c.id.in_(standing),
            consents.c.level <= proof["level"],
            consents.c.given_at <= int(given_at),
        )
    )
    rows = connection.execute(older).all()
    by = f"proof {proof['tracking'].hex()}"
    for row in rows:
        _end_consent(connection, row.consent, by, now)
    return [row.id for row in rows]


def _lift_older(
    connection: Connection,
    keyring: Keyring,
    proof: RowMapping,
    address: Address,
    given_at: float,
    now: float,
) -> list[int]:
    """Lift what the person's newer consent may lift; the entries' numbers."""
    level = Level(proof["level"])
    if level < Level.DOUBLE:
        return []
    lifter = Lifter.HOSTED_CONSENT if level is Level.HOSTED else Lifter.CONSENT
    own = scope_texts(connection)[proof["scope"]]
    tenant = own.partition("/")[0]
    lifted = []
    for entry in find(connection, keyring, address):
        is_here = entry.scope in (own, tenant) and entry.is_live(now)
        if is_here and may_lift(entry.reason, lifter) and _is_older(entry, level, given_at):
            why = f"newer consent, proof {proof['tracking'].hex()}"
            lift(connection, entry.id, lifter, "recipient", why, now)
            lifted.append(entry.id)
            if entry.scope == tenant:
                _keep_others_closed(connection, tenant, own, entry.key, now)
            if RULES[entry.reason].is_loose and entry.address:
                _keep_spelling_closed(connection, keyring, proof, entry.address, address, now)
    return lifted


def _is_older(entry: Entry, level: Level, given_at: float) -> bool:
    """A hosted consent is given here and now, so in one second it is the later; others must be."""
    if level is Level.HOSTED:
        return entry.created_at <= int(given_at)
    return entry.created_at < int(given_at)


def _keep_others_closed(
    connection: Connection, tenant: str, own: str, key: bytes, now: float
) -> None:
    """Whoever left everything and joined one list again has joined that one list."""
    others = select(streams).where(streams.c.tenant == tenant, streams.c.name != "")
    for stream in connection.execute(others).all():
        if f"{tenant}/{stream.name}" != own:
            suppress(connection, stream.number, key, Reason.UNSUBSCRIBE, SOURCE, now)


def _keep_spelling_closed(
    connection: Connection,
    keyring: Keyring,
    proof: RowMapping,
    stored: str,
    address: Address,
    now: float,
) -> None:
    """Consent speaks for its own spelling; the one that the lifted entry was about may be another,
    which has not agreed."""
    key = keyring.exact_key(parse_mailbox(stored))
    if key != keyring.exact_key(address):
        suppress(connection, proof["scope"], key, Reason.UNSUBSCRIBE, SOURCE, now)
