"""The keyring that belongs to a database.

Under another keyring every look-up would miss and everybody would seem mailable. So the database
notes the fingerprint of each generation it was written under, and `open_keyring` refuses a file
that lacks one of them, or a missing file when the database already has entries.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, insert, select

from gateway.errors import ConfigurationError
from gateway.records.database import Database
from gateway.records.tables import meta
from suppression.keys import Keyring

_PREFIX = "keyring:"


def open_keyring(database: Database, path: Path) -> Keyring:
    """The keyring at `path`, made when neither it nor any entry exists yet.

    Raises ConfigurationError when the file is missing, damaged or another database's.
    """
    with database.reading() as connection:
        bound = _bound(connection)
    if not path.exists():
        if bound:
            raise ConfigurationError(
                f"{path}: missing; {database.store.name} was written under it. Restore it from "
                "your backup of the secrets: without it nobody's suppression is recognised"
            )
        try:
            keyring = Keyring.create(path)
        except ConfigurationError:  # another process was quicker
            keyring = Keyring.load(path)
    else:
        keyring = Keyring.load(path)
    marks = {f"{_PREFIX}{number}": mark for number, mark in keyring.fingerprints().items()}
    if bound == marks:
        return keyring
    with database.transaction() as connection:
        bound = _bound(connection)
        if any(marks.get(name) != mark for name, mark in bound.items()):
            raise ConfigurationError(
                f"{path}: is not the keyring that {database.store.name} was written under"
            )
        for name in marks.keys() - bound.keys():
            connection.execute(insert(meta), {"name": name, "value": marks[name]})
    return keyring


def _bound(connection: Connection) -> dict[str, str]:
    rows = connection.execute(select(meta).where(meta.c.name.startswith(_PREFIX)))
    return {row.name: row.value for row in rows}
