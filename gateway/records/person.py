"""A person as staff look them up: by an address, or by a key alone as tokens and events have it.

`person_at` takes the address, `person_under` a key: when a sealed text under that key still opens,
the address is known again and with it the person's other keys. `entries` and `holdings` are what
stands under all of them. Reads only.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from gateway.errors import AddressSyntaxError
from gateway.message.address import parse_mailbox
from gateway.records.holdings import Holdings, PersonKeys, about_keys, person_keys
from gateway.records.index import hashed_kinds
from gateway.records.subjects import plain_texts, subjects_under
from gateway.records.suppressions import Entry, find_by_keys
from gateway.words import Address
from suppression import hashes
from suppression.keys import Keyring


@dataclass(frozen=True, slots=True)
class Person:
    """`key` is the exact key by which events name them; `address` None when it is not known."""

    key: bytes
    keys: PersonKeys
    address: Address | None

    def entries(self, connection: Connection, keyring: Keyring) -> list[Entry]:
        """Every suppression by address, domain or digest: in force, over and lifted."""
        keys = list(self.keys.every)
        if self.address is not None:
            keys += hashes.look_up_keys(keyring, self.address, hashed_kinds(connection))
        return find_by_keys(connection, keyring, keys)

    def holdings(self, connection: Connection, keyring: Keyring) -> Holdings:
        """All rows of every other kind, too, of every tenant."""
        return about_keys(connection, keyring, self.keys)

    def event_keys(self, keyring: Keyring) -> list[bytes]:
        """The exact key of each generation."""
        if self.address is None:
            return [self.key]
        return keyring.look_up_keys(self.address)[: 2 * len(keyring.generations) : 2]


def person_at(keyring: Keyring, address: Address) -> Person:
    """The person with this address."""
    return Person(keyring.exact_key(address), person_keys(keyring, address), address)


def person_under(connection: Connection, keyring: Keyring, key: bytes) -> Person:
    """The person with this exact key, with their address if any record still has it."""
    texts = plain_texts(connection, keyring, subjects_under(connection, [key]))
    for text in texts.values():
        try:
            address = parse_mailbox(text)
        except AddressSyntaxError:  # what is sealed of a proof's step
            continue
        if key in keyring.look_up_keys(address):
            return Person(key, person_keys(keyring, address), address)
    return Person(key, PersonKeys((key,), ()), None)
