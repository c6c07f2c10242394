"""An Idempotency-Key that was somebody's address stood in the database's files in plain."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.records.database import open_database
from gateway.records.idempotency import Answer, KeyReused, keep, key_marks, marks, recall
from suppression.keys import Generation, Keyring

NEWER, OLDER = (Generation(n, bytes([n]) * 32, bytes([n]) * 32, bytes([n]) * 32) for n in (2, 1))
ADDRESS = "zofia.unmistakable@example.org"


def test_a_key_is_known_again_and_stored_nowhere(tmp_path: Path) -> None:
    """Only a keyed hash of it is on the disk, which is found also after a rotation."""
    before, after = Keyring([OLDER]), Keyring([NEWER, OLDER])
    answer, path = Answer(201, "{}"), tmp_path / "consentry.db"
    database = open_database(path)
    with database.transaction() as connection:
        keep(connection, 1, key_marks(before, ADDRESS), marks(before, b"call"), answer, 1_000.0)
        names = key_marks(after, ADDRESS)
        assert recall(connection, 1, names, marks(after, b"call"), 1_001.0) == answer
        with pytest.raises(KeyReused):
            recall(connection, 1, names, marks(after, b"another"), 1_001.0)
    octets = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    database.close()
    assert key_marks(before, ADDRESS)[0].encode() in octets
    assert ADDRESS.encode() not in octets
