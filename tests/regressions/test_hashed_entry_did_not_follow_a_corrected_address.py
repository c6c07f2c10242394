"""A corrected address lost the protection that the old one had by a hashed list."""

from __future__ import annotations

import io
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.message.address import parse_mailbox
from gateway.records.database import open_database
from gateway.records.keyring import open_keyring
from gateway.records.rights import rectify
from gateway.records.suppression_import import ListFile, import_suppressions
from gateway.records.suppressions import Draft, add, find
from suppression.listfile import read_rows
from suppression.standing import Reason

NOW = 1_800_000_000.0
OLD, NEW = parse_mailbox("jan@firma.example"), parse_mailbox("jan@dom.example")


@pytest.mark.parametrize(("column", "follows"), [("email_sha256", True), ("domain_sha256", False)])
def test_what_a_digest_stops_follows(column: str, follows: bool, tmp_path: Path) -> None:
    """An entry about the address goes with the person; one about the domain stays with it."""
    database = open_database(tmp_path / "consentry.db")
    keyring = open_keyring(database, tmp_path / "keyring.json")
    text = OLD.text if column.startswith("email") else OLD.domain
    import_suppressions(
        database,
        keyring,
        read_rows(io.StringIO(f"{column}\n{sha256(text.encode()).hexdigest()}\n", newline="")),
        Draft(Reason.PROTECTED, "*", "operator", "list"),
        ListFile("list.csv", "ab" * 32),
        NOW,
        is_scope=("*",).__contains__,
    )
    with database.transaction() as connection:
        draft = Draft(Reason.UNSUBSCRIBE, "acme", "recipient", "page")
        add(connection, keyring, OLD, draft, NOW)
        rectify(connection, keyring, OLD, NEW, "", "operator", NOW + 1)
        reasons = {entry.reason for entry in find(connection, keyring, NEW)}
    assert (Reason.PROTECTED in reasons) is follows
    assert Reason.UNSUBSCRIBE in reasons
    database.close()
