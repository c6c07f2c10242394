"""What the commands on records share: opening the database and lists to read.

Takes the configuration, gives the open database with its keyring, or ends the command with what to
do. Lists are counted and hashed before they are read, so that progress has an end and the audit
trail names the exact file.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, TextIO

import typer

from gateway.commands.shared import fail, open_config, show
from gateway.config.load import Loaded
from gateway.config.scopes import all_scopes, is_scope
from gateway.errors import AddressSyntaxError, ConfigurationError
from gateway.records import opening
from gateway.records.bulk import Tally
from gateway.records.database import Database
from gateway.records.keyring import open_keyring
from gateway.records.list_diff import Diff
from gateway.records.suppression_import import ListFile, no_such
from gateway.words import Address
from suppression.foreign_lists import Format, read_foreign
from suppression.hashes import HashKind
from suppression.keys import Keyring
from suppression.listfile import BadRow, Row, as_text, read_rows, read_target


@dataclass(frozen=True, slots=True)
class Records:
    """The open records of one configuration."""

    loaded: Loaded
    database: Database
    keyring: Keyring

    def check_scope(self, scope: str) -> None:
        """End the command when there is no such scope."""
        if not self.is_scope(scope):
            fail(no_such(scope))

    def is_scope(self, scope: str) -> bool:
        """Whether `scope` is `*` or names a configured tenant or stream."""
        return is_scope(self.loaded.tenants, scope)

    def scopes(self) -> list[str]:
        """Every scope text that names a configured tenant or stream, in order."""
        return all_scopes(self.loaded.tenants)


@contextmanager
def open_records(config: Path | None) -> Iterator[Records]:
    """The records that the configuration names, closed at the end."""
    loaded = open_config(config)
    database = opening.open_records(loaded.config)
    try:
        try:
            keyring = open_keyring(database, loaded.config.keyring)
        except ConfigurationError as error:
            fail(str(error))
        yield Records(loaded, database, keyring)
    finally:
        database.close()


def target_of(text: str) -> Address | str:
    """An address or a domain from the command line."""
    try:
        return read_target(text)
    except AddressSyntaxError as error:
        fail(str(error))


def when(seconds: float | None) -> datetime | None:
    """An instant as the tables show it."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


@dataclass(frozen=True, slots=True)
class OpenList:
    """A list to import: what the audit trail names, about how many lines, and its text."""

    file: ListFile
    lines: int
    text: TextIO

    def rows(
        self,
        is_wanted: Callable[[int], bool] = lambda _block: True,
        form: Format | None = None,
        hashed: HashKind | None = None,
    ) -> Iterator[Row | BadRow]:
        """Its rows, once; of the blocks (`suppression.listfile.block_of`) that are wanted."""
        if form is not None:
            return read_foreign(self.text, form, is_wanted)
        return read_rows(self.text, is_wanted, hashed)


@contextmanager
def open_list(path: Path) -> Iterator[OpenList]:
    """A list, read twice: counted and hashed first. What comes from a pipe is kept meanwhile."""
    with ExitStack() as stack:
        try:
            file: BinaryIO = stack.enter_context(path.open("rb"))
            if not path.is_file():
                spool = stack.enter_context(TemporaryFile())
                shutil.copyfileobj(file, spool)
                spool.seek(0)
                file = spool
            digest, lines = sha256(), 0
            while block := file.read(1 << 20):
                digest.update(block)
                lines += block.count(b"\n")
        except OSError as error:
            fail(f"{path}: cannot be read: {error.strerror}")
        with as_text(file) as text:
            yield OpenList(ListFile(path.name, digest.hexdigest()), lines, text)


def show_tally(tally: Tally, dry_run: bool, as_json: bool, diff: Diff | None = None) -> None:
    """What an import did, or would do; status 1 when lines were not taken or there were none.

    With a `diff` also what would change by reason and scope.
    """
    row: dict[str, object] = {
        "read": tally.read,
        "would_add" if dry_run else "added": tally.added,
        "already_in_force": tally.known,
        "not_taken": tally.bad,
        "whole_domains": tally.domains,
    }
    if tally.gone:
        row["would_lift" if dry_run else "lifted"] = tally.gone
    changes = [] if diff is None else diff.lines()
    if changes and as_json:
        row["changes"] = changes
    show([row], as_json)
    if changes and not as_json:
        show(changes, as_json)
    if not tally.read:
        fail("there was no address in the list", status=1)
    if tally.bad:
        raise typer.Exit(1)
