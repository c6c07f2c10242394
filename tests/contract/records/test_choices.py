"""What a recipient chooses on their page: which entries it makes, and what is then in force."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import insert, select

from gateway.message.address import parse_mailbox
from gateway.records import index
from gateway.records.choices import Chosen, choose, has_agreed_since, look
from gateway.records.database import Database
from gateway.records.streams import numbering
from gateway.records.suppressions import Draft, add, entries, lift
from gateway.records.tables import audit as audit_table
from gateway.records.tables import consents
from gateway.words import Address, StreamKind
from policies.terms import Limits, StreamTerms
from suppression.choices import Choice, InForce, Why
from suppression.consent import Level
from suppression.keys import Keyring
from suppression.precedence import Lifter, stopping
from suppression.standing import Reason
from tests.contract.records.places import LookUp

from .conftest import NOW

JAN = parse_mailbox("jan+news@gmail.com")
BARE = parse_mailbox("jan@gmail.com")


class Recipient:
    """One recipient of `acme/weekly`, and what other mail of acme comes to for an address."""

    def __init__(
        self, database: Database, keyring: Keyring, stream: StreamTerms, standings: LookUp
    ) -> None:
        self.database, self.keyring, self.standings = database, keyring, standings
        self.weekly = stream
        self.monthly = self.stream("acme", "monthly", StreamKind.LIST)
        self.orders = self.stream("acme", "orders", StreamKind.TRANSACTIONAL)
        self.verified = self.stream("acme", "bills", StreamKind.TRANSACTIONAL, is_verified=True)
        self.other = self.stream("bolt", "weekly", StreamKind.LIST)

    def stream(
        self, tenant: str, name: str, kind: StreamKind, is_verified: bool = False
    ) -> StreamTerms:
        number = numbering(self.database)(tenant, name)
        return StreamTerms(tenant, name, number, kind, Limits(), is_verified=is_verified)

    def chooses(self, **what: object) -> Chosen:
        with self.database.transaction() as connection:
            return choose(
                connection,
                self.keyring,
                self.weekly.number,
                self.keyring.exact_key(JAN),
                Choice(**what),  # type: ignore[arg-type]
                "page",
                NOW,
            )

    def sees(self) -> InForce:
        with self.database.reading() as connection:
            key = self.keyring.exact_key(JAN)
            return look(connection, self.keyring, self.weekly.number, key, NOW).in_force

    async def refused(self, address: Address = JAN) -> list[str]:
        """The streams whose mail is stopped."""
        stopped = []
        for stream in (self.weekly, self.monthly, self.orders, self.verified, self.other):
            (standing,) = await self.standings.look_up(stream, [address])
            if stopping(standing.matches, stream):
                stopped.append(stream.id)
        return stopped

    def known(self) -> None:
        """Put the plain address on record, by an entry that is about it already."""
        with self.database.transaction() as connection:
            draft = Draft(Reason.ROBINSON, "*", "operator", "list")
            add(connection, self.keyring, JAN, draft, NOW)


@pytest.fixture
def jan(database: Database, keyring: Keyring, stream: StreamTerms, standings: LookUp) -> Recipient:
    return Recipient(database, keyring, stream, standings)


async def test_this_list_means_this_list(jan: Recipient) -> None:
    """Out of one list, and in force at once; the tenant's others go on."""
    assert jan.sees() == InForce()
    chosen = jan.chooses()
    assert (chosen.tenant, chosen.stream) == ("acme", "weekly")
    assert chosen.in_force == jan.sees() == InForce(is_out=True)
    assert await jan.refused() == ["acme/weekly"]


async def test_everything_means_all_marketing_of_the_sender(jan: Recipient) -> None:
    """Every list of the tenant, but no mail about what the recipient did, and no other tenant's."""
    assert jan.chooses(is_wide=True).in_force == InForce(is_out_wide=True)
    assert await jan.refused() == ["acme/weekly", "acme/monthly"]
    assert jan.chooses().in_force == InForce(is_out=True, is_out_wide=True)


async def test_spam_is_a_complaint_too(jan: Recipient) -> None:
    """It stops all bulk of the tenant, and verified transactional mail alone passes."""
    chosen = jan.chooses(is_spam=True)
    assert chosen.in_force == InForce(is_out=True, has_complained=True)
    assert (chosen.is_unsubscribe_new, chosen.is_complaint_new) == (True, True)
    assert await jan.refused() == ["acme/weekly", "acme/monthly", "acme/orders"]
    assert await jan.refused(BARE) == []


async def test_a_complaint_covers_every_spelling_of_a_known_address(jan: Recipient) -> None:
    """Where the plain address is on record the complaint stands under its loose key; leaving the
    list stays a matter of the exact address."""
    jan.known()
    assert jan.chooses(is_spam=True).in_force.has_complained
    assert jan.sees().has_complained
    with jan.database.transaction() as connection:
        (robinson,) = [
            entry for entry in entries(connection, jan.keyring) if entry.reason is Reason.ROBINSON
        ]
        lift(connection, robinson.id, Lifter.LIST_OWNER, "list", "off the list", NOW)
    assert await jan.refused(BARE) == ["acme/weekly", "acme/monthly", "acme/orders"]


@pytest.mark.parametrize("is_known", [False, True])
def test_choosing_again_changes_nothing(jan: Recipient, is_known: bool) -> None:
    """A hundred identical choices are one effect each, with one audit record."""
    if is_known:
        jan.known()
    choice = {"is_wide": True, "is_spam": True, "why": Why.TOO_OFTEN}
    first = jan.chooses(**choice)
    again = [jan.chooses(**choice) for _ in range(99)]
    assert (first.is_unsubscribe_new, first.is_complaint_new) == (True, True)
    assert {(one.is_unsubscribe_new, one.is_complaint_new) for one in again} == {(False, False)}
    assert {one.in_force for one in again} == {first.in_force}
    with jan.database.reading() as connection:
        rows = connection.execute(select(audit_table.c.detail)).scalars().all()
        made = [one for one in entries(connection, jan.keyring) if one.setter == "recipient"]
    assert sorted(one.reason for one in made) == [Reason.COMPLAINT, Reason.UNSUBSCRIBE]
    details = [json.loads(row) for row in rows if "page" in row]
    assert [detail["why"] for detail in details] == ["too-often", "too-often"]


def test_a_number_never_given_is_no_choice(jan: Recipient) -> None:
    """A token for a stream that these records do not know changes nothing."""
    with jan.database.transaction() as connection, pytest.raises(LookupError):
        choose(connection, jan.keyring, 9999, bytes(16), Choice(), "page", NOW)
    with jan.database.reading() as connection, pytest.raises(LookupError):
        look(connection, jan.keyring, 9999, bytes(16), NOW)


def test_an_objection_shows_as_out_of_everything(jan: Recipient) -> None:
    """By whatever way it came, what the page says is what RCPT does."""
    with jan.database.transaction() as connection:
        add(connection, jan.keyring, JAN, Draft(Reason.OBJECTION, "acme", "recipient", "mail"), NOW)
        key = jan.keyring.loose_key(JAN)
        found = look(connection, jan.keyring, jan.weekly.number, key, NOW)
    assert found.in_force == InForce(is_out_wide=True)


def test_a_newer_consent_is_in_force_proven_and_of_that_list(
    jan: Recipient, database: Database, keyring: Keyring
) -> None:
    """Only double opt-in counts, later than the moment asked about; an ended one no more."""
    key = keyring.exact_key(JAN)

    def has_agreed(at: float, number: int = jan.weekly.number) -> bool:
        with database.reading() as connection:
            return has_agreed_since(connection, keyring, number, key, at)

    def agree(level: Level) -> int:
        row = {"key": key, "scope": jan.weekly.number, "level": int(level)}
        with database.transaction() as connection:
            made = connection.execute(insert(consents), {**row, "given_at": int(NOW)})
            assert made.inserted_primary_key is not None
            entry = int(made.inserted_primary_key[0])
            index.put(connection, key, jan.weekly.number, int(level), entry)
        return entry

    agree(Level.SINGLE)
    assert not has_agreed(NOW - 1)
    entry = agree(Level.DOUBLE)
    assert (has_agreed(NOW - 1), has_agreed(NOW)) == (True, False)
    assert not has_agreed(NOW - 1, jan.monthly.number)
    with database.transaction() as connection:
        index.take(connection, key, jan.weekly.number, int(Level.DOUBLE), entry)
    assert not has_agreed(NOW - 1)
