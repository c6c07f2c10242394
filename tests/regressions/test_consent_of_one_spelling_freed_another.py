"""Newer consent of `name+tag` lifted what `name` had said, and `name` was mailed on that list."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.message.address import parse_mailbox
from gateway.records.database import open_database
from gateway.records.keyring import open_keyring
from gateway.records.proofs import supply
from gateway.records.standings import SqliteStandings
from gateway.records.streams import numbering
from gateway.records.suppressions import Draft, add
from gateway.words import Address, StreamKind
from policies.terms import Limits, StreamTerms
from suppression.consent import Evidence, Level
from suppression.precedence import stopping
from suppression.standing import Reason

NOW = 1_800_000_000.0
JAN, TAGGED = parse_mailbox("jan@firma.example"), parse_mailbox("jan+x@firma.example")
IP = "192.0.2.7"


@pytest.mark.parametrize("reason", [Reason.OBJECTION, Reason.ERASURE])
async def test_consent_opens_the_list_to_its_own_spelling(reason: Reason, tmp_path: Path) -> None:
    """The person may come back under another spelling; the one that said no stays unmailed until
    it agrees itself."""
    database = open_database(tmp_path / "consentry.db")
    keyring = open_keyring(database, tmp_path / "keyring.json")
    weekly = StreamTerms(
        "acme", "weekly", numbering(database)("acme", "weekly"), StreamKind.LIST, Limits()
    )
    standings = SqliteStandings(database.path, keyring, lambda: NOW + 300)

    def agrees(address: Address, at: float) -> None:
        evidence = Evidence(Level.DOUBLE, "Yes.", at, IP, "https://x.example/", at, IP)
        with database.transaction() as connection:
            supply(connection, keyring, "acme", "weekly", address, evidence, "en", "acme", at)

    async def refused() -> list[bool]:
        found = await standings.look_up(weekly, [JAN, TAGGED])
        return [stopping(one.matches, weekly) is not None for one in found]

    with database.transaction() as connection:
        add(connection, keyring, JAN, Draft(reason, "acme", "subject", "letter"), NOW)
    assert await refused() == [True, True]
    agrees(TAGGED, NOW + 100)
    assert await refused() == [True, False]
    agrees(JAN, NOW + 200)
    assert await refused() == [False, False]
    standings.close()
    database.close()
