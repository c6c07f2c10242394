"""Of two manual entries made in one second, a replayed lift took the first, whoever had set it."""

from __future__ import annotations

from pathlib import Path

from gateway.message.address import parse_mailbox
from gateway.records.backup import make_backup, put_back
from gateway.records.database import open_database
from gateway.records.keyring import open_keyring
from gateway.records.suppressions import Draft, add, entries, lift
from suppression.precedence import Lifter
from suppression.standing import Reason

NOW = 1_800_000_000.0
JAN = parse_mailbox("jan@firma.example")


def test_a_restore_lifts_what_was_lifted(tmp_path: Path) -> None:
    """The tenant lifted its own short entry; the operator's, which never ends, stands afterwards
    as it stood before."""
    path = tmp_path / "consentry.db"
    database = open_database(path)
    keyring = open_keyring(database, tmp_path / "keyring.json")
    backup, _ = make_backup(path, tmp_path / "backups", NOW)
    with database.transaction() as connection:
        for setter, ends in (("operator", None), ("tenant", NOW + 60)):
            draft = Draft(Reason.MANUAL, "acme", setter, "list", ends_at=ends)
            entry, _ = add(connection, keyring, JAN, draft, NOW)
        lift(connection, entry, Lifter.TENANT, "acme", "a mistake", NOW + 1)
    database.close()
    put_back(backup, path, "node", NOW)
    database = open_database(path)
    with database.reading() as connection:
        assert [entry.setter for entry in entries(connection, keyring)] == ["operator"]
    database.close()
