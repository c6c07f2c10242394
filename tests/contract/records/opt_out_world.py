"""Opt-outs of a test's records, and what their log has."""

from __future__ import annotations

from gateway.records import opt_outs
from gateway.records.database import Database
from gateway.records.suppressions import Draft, add, find
from gateway.words import Address
from suppression.keys import Keyring
from suppression.listfile import read_target
from suppression.standing import Reason

NOW = 1_800_000_000.0
WEEKLY = Draft(Reason.UNSUBSCRIBE, "acme/weekly", "recipient", "test")


def address_of(text: str) -> Address:
    """The address that a text names."""
    target = read_target(text)
    assert isinstance(target, Address)
    return target


def opt_out(database: Database, keyring: Keyring, text: str) -> int:
    """Somebody leaves acme's weekly; the number of the entry."""
    with database.transaction() as connection:
        return add(connection, keyring, address_of(text), WEEKLY, NOW)[0]


def logged(database: Database) -> list[opt_outs.Record]:
    """What the log has, in order."""
    return [opt_outs.decode(body) for _, body in database.opt_outs.file.records()]


def is_out(database: Database, keyring: Keyring, text: str) -> bool:
    """Whether an entry for this address is in force."""
    with database.reading() as connection:
        return any(entry.is_live(NOW) for entry in find(connection, keyring, address_of(text)))
