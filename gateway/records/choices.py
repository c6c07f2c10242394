"""What a recipient chose on the page behind their link, written as suppressions, and read again.

A token knows the recipient's exact key only. Where the plain address is on record too, with
whomever, a complaint stands under its loose key, as the suppression table asks; else under the
exact one. The address itself goes into the entry from the same tenant's records only. Functions
take a connection and commit nothing; they raise LookupError for a stream number never given.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress as suppress_error
from dataclasses import dataclass

from sqlalchemy import Connection, or_, select

from gateway.errors import AddressSyntaxError
from gateway.message.address import parse_mailbox
from gateway.records.codes import CONSENTS, DECODED, FIRST_SUPPRESSION
from gateway.records.streams import find_number, find_stream, scope_texts, tenant_numbers
from gateway.records.subjects import plain_texts, subject_of
from gateway.records.suppressions import Draft, add, add_by_key, suppress
from gateway.records.tables import consents, standing_index
from gateway.words import Address
from suppression.choices import Choice, InForce, in_force
from suppression.consent import Level
from suppression.keys import Keyring
from suppression.standing import Reason

PAGE, ONE_CLICK = "page", "one-click"
"""The sources of these entries."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Whose list the link is about, what is in force, and what of it is new by this choice."""

    tenant: str
    stream: str
    in_force: InForce
    is_unsubscribe_new: bool = False
    is_complaint_new: bool = False


def choose(
    connection: Connection,
    keyring: Keyring,
    stream_number: int,
    key: bytes,
    choice: Choice,
    source: str,
    now: float,
) -> Chosen:
    """Put a choice in force (again, when it is already) for the recipient with this exact key."""
    why = choice.why or ""
    _, is_unsubscribe_new = suppress(
        connection,
        stream_number,
        key,
        Reason.UNSUBSCRIBE,
        source,
        now,
        is_wide=choice.is_wide,
        why=why,
    )
    is_complaint_new = False
    if choice.is_spam:
        tenant, _ = _named(connection, stream_number)
        draft = Draft(Reason.COMPLAINT, tenant, "recipient", source, why=why)
        _, is_complaint_new = complain(connection, keyring, key, draft, now)
    known = look(connection, keyring, stream_number, key, now)
    return Chosen(known.tenant, known.stream, known.in_force, is_unsubscribe_new, is_complaint_new)


def complain(
    connection: Connection,
    keyring: Keyring,
    key: bytes,
    draft: Draft,
    now: float,
    stated: Address | None = None,
) -> tuple[int, bool]:
    """Suppress whoever complained, known by their exact key; the entry's number, and whether it is
    new. `stated` is an address whose key that is, if the complaint says one."""
    own = stated or _address(connection, keyring, key, tenant_numbers(connection, draft.scope))
    if own is not None:
        return add(connection, keyring, own, draft, now)
    # Another's record gives the key, never the address: that it exists is not told.
    address = _address(connection, keyring, key)
    loose = key if address is None else keyring.loose_key(address)
    return add_by_key(connection, loose, draft, now)


def look(
    connection: Connection, keyring: Keyring, stream_number: int, key: bytes, now: float
) -> Chosen:
    """What is in force for the recipient with this exact key; changes nothing."""
    tenant, stream = _named(connection, stream_number)
    address = _address(connection, keyring, key)
    keys = {key} if address is None else {key, *keyring.look_up_keys(address)}
    scopes = [stream_number, find_number(connection, tenant)]
    rows = standing_index.c
    query = select(rows.code, rows.scope).where(
        rows.key.in_(keys),
        rows.scope.in_(scopes),
        rows.code >= FIRST_SUPPRESSION,
        or_(rows.ends.is_(None), rows.ends > now),
    )
    texts = scope_texts(connection)
    found = [(DECODED[row.code][0], texts[row.scope]) for row in connection.execute(query)]
    return Chosen(tenant, stream, in_force(found))


def has_agreed_since(
    connection: Connection, keyring: Keyring, stream_number: int, key: bytes, at: float
) -> bool:
    """Whether the recipient with this exact key has agreed to the list later than `at` (Unix
    seconds), by a consent in force that lifts what they had asked for before."""
    address = _address(connection, keyring, key)
    keys = {key} if address is None else {key, *keyring.look_up_keys(address)}
    rows = standing_index.c
    query = (
        select(consents.c.id)
        .join(standing_index, rows.entry == consents.c.id)
        .where(
            rows.key.in_(keys),
            rows.scope == stream_number,
            rows.code.in_(CONSENTS),
            rows.code >= int(Level.DOUBLE),
            consents.c.given_at > int(at),
        )
    )
    return connection.execute(query.limit(1)).first() is not None


def _named(connection: Connection, stream_number: int) -> tuple[str, str]:
    named = find_stream(connection, stream_number)
    if named is None:
        raise LookupError(f"no stream has the number {stream_number}")
    return named


def _address(
    connection: Connection, keyring: Keyring, key: bytes, scopes: Collection[int] | None = None
) -> Address | None:
    """The plain address behind a key, where it is on record (in `scopes`) and not destroyed."""
    subject = subject_of(connection, key, scopes)
    if subject is None:
        return None
    text = plain_texts(connection, keyring, [subject]).get(subject)
    with suppress_error(AddressSyntaxError):  # then the key alone must do
        return None if text is None else parse_mailbox(text)
    return None
