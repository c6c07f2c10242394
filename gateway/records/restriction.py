"""Restriction (GDPR article 18): for a while one tenant may store a person's data, nothing else.

A restriction is a manual suppression that stops everything in the tenant, set in the person's own
capacity (so that no one else lifts it) and never told to the tenant. It stands under the exact and
the loose key, and whatever lies under either is left out of exports and webhooks meanwhile.
"""

from __future__ import annotations

from sqlalchemy import Connection, select, text

from gateway.records.codes import FIRST_SUPPRESSION, RESTRICTED
from gateway.records.streams import scope_texts, tenant_numbers
from gateway.records.tables import standing_index
from gateway.words import Address
from suppression.keys import Keyring

SOURCE = "restriction"
"""What entries say that they come from."""


def restricted_keys(connection: Connection) -> dict[str, list[bytes]]:
    """The keys under restriction now, by tenant."""
    # The code stands in the text, or SQLite would not use the index that is made for it.
    query = select(standing_index.c.scope, standing_index.c.key).where(text(f"code = {RESTRICTED}"))
    rows = connection.execute(query).all()
    texts = scope_texts(connection) if rows else {}
    found: dict[str, list[bytes]] = {}
    for scope, key in rows:
        found.setdefault(texts[scope], []).append(key)
    return found


def restricted_entries(connection: Connection) -> list[int]:
    """The suppressions that no export shows: those of restricted people, the restriction too."""
    index = standing_index.c
    entries: list[int] = []
    for tenant, keys in restricted_keys(connection).items():
        query = select(index.entry).where(
            index.key.in_(keys),
            index.scope.in_(tenant_numbers(connection, tenant)),
            index.code >= FIRST_SUPPRESSION,
        )
        entries += connection.execute(query).scalars()
    return entries


def is_restricted(connection: Connection, keyring: Keyring, tenant: str, person: Address) -> bool:
    """Whether the tenant may store this person's data and do nothing else with them now."""
    hidden = restricted_keys(connection).get(tenant, ())
    return not frozenset(hidden).isdisjoint(keyring.look_up_keys(person))
