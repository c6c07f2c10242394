"""Asking for consent looked plain keys up only, and mailed people who are on a hashed list."""

from __future__ import annotations

import io
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.message.address import parse_mailbox
from gateway.records.database import open_database
from gateway.records.keyring import open_keyring
from gateway.records.proof_mailing import Letter, Mail, begin
from gateway.records.proofs import Asking, NotAsked, request
from gateway.records.streams import numbering
from gateway.records.suppression_import import ListFile, import_suppressions
from gateway.records.suppressions import Draft
from suppression.listfile import read_rows
from suppression.standing import Reason

NOW = 1_800_000_000.0
JAN = parse_mailbox("Jan@firma.example")


@pytest.mark.parametrize("column", ["email_sha256", "domain_sha256"])
@pytest.mark.parametrize("is_asked_before", [False, True])
def test_nobody_on_a_hashed_list_is_asked(
    column: str, is_asked_before: bool, tmp_path: Path
) -> None:
    """Neither when the request comes after the list, nor when the mail waits to leave."""
    database = open_database(tmp_path / "consentry.db")
    keyring = open_keyring(database, tmp_path / "keyring.json")
    numbering(database)("acme", "weekly")
    asking = Asking("acme", "weekly", JAN, "I want the weekly.", "en", "acme")
    if is_asked_before:
        with database.transaction() as connection:
            proof = request(connection, keyring, asking, NOW)
    text = JAN.domain if column.startswith("domain") else JAN.text.lower()
    listed = f"{column}\n{sha256(text.encode()).hexdigest()}\n"
    import_suppressions(
        database,
        keyring,
        read_rows(io.StringIO(listed, newline="")),
        Draft(Reason.PROTECTED, "*", "operator", "list"),
        ListFile("list.csv", "ab" * 32),
        NOW,
        is_scope=("*", "acme", "acme/weekly").__contains__,
    )
    with database.transaction() as connection:
        if is_asked_before:
            mail = Mail(Letter.QUESTION, "<1@mail.example.com>", "00" * 32)
            assert not begin(connection, keyring, proof.id, mail, False, NOW + 1)
        else:
            with pytest.raises(NotAsked) as refused:
                request(connection, keyring, asking, NOW + 1)
            assert refused.value.tag == "PROTECTED"
    database.close()
