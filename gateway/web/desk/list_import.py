"""Importing a list on the desk: staged and compared first, brought in once staff have seen that.

`stage` reads an upload into a staged file of keys and sealed addresses (`gateway.records.staging`)
and says what the import would change; `bring_in` does it with what is staged. Nothing of the upload
itself is kept. Both block, on a connection of their own, so that the web process's
writer goes on meanwhile. Raise `Refused`, ImportRunning, StoreUnavailable, and LookupError when
what was staged is no longer there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO

from gateway.config.scopes import all_scopes, is_scope
from gateway.records.bulk import Tally
from gateway.records.database import Database
from gateway.records.list_diff import Diff
from gateway.records.opening import open_records
from gateway.records.staging import FOLDER, Staging
from gateway.records.suppression_import import ListFile, import_suppressions, staging_for
from gateway.records.suppressions import Draft
from gateway.web.desk.entry_acts import OF_LEADS
from gateway.web.desk.parts import DeskParts
from suppression.dialects import part_of
from suppression.foreign_lists import Format, read_foreign, recognise_text
from suppression.listfile import BadRow, Row, as_text, read_rows
from suppression.masking import mask

SHOWN_BAD = 50
"""Lines not taken that the page names."""
_START = 1 << 16


@dataclass(frozen=True, slots=True)
class Wish:
    """What to import: the list, the entry to make of its rows, and whether it is a new edition.

    `is_leads` says that a lead or operator imports it, `dialect` whose list it is ("" for our own
    form).
    """

    file: ListFile
    draft: Draft
    is_edition: bool
    is_leads: bool
    dialect: str = ""


@dataclass(frozen=True, slots=True)
class Staged:
    """What an import would do: counts, what changes by reason and scope, lines not taken."""

    wish: Wish
    tally: Tally
    changes: list[dict[str, object]]
    bad: list[BadRow]


def stage(
    parts: DeskParts,
    upload: BinaryIO,
    name: str,
    draft: Draft,
    is_edition: bool,
    is_leads: bool,
) -> Staged:
    """Read an upload, and compare it with what is in force."""
    digest = sha256()
    upload.seek(0)
    while block := upload.read(1 << 20):
        digest.update(block)
    diff, bad = Diff(), list[BadRow]()

    def on_bad(row: BadRow) -> None:
        if len(bad) < SHOWN_BAD:
            bad.append(BadRow(row.line, mask(row.problem)))

    with as_text(upload) as text, _beside(parts) as database:
        dialect = recognise_text(text.read(_START))
        text.seek(0)
        file = ListFile(name, digest.hexdigest())
        wish = Wish(file, draft, is_edition, is_leads, dialect or "")
        with _staging(parts, wish) as staging:
            if dialect is None:
                rows = read_rows(text, staging.lacks)
            else:
                rows = read_foreign(
                    text, Format(dialect, part_of(name), draft.scope), staging.lacks
                )
            tally = import_suppressions(
                database,
                parts.keyring,
                rows if is_leads else _others(rows),
                draft,
                wish.file,
                parts.clock(),
                is_scope=lambda scope: is_scope(parts.tenants, scope),
                staging=staging,
                on_bad=on_bad,
                dry_run=True,
                diff=diff,
                is_edition=is_edition,
                in_two=True,
            )
    return Staged(wish, tally, diff.lines(), bad)


def bring_in(parts: DeskParts, wish: Wish) -> Tally:
    """Import what was staged."""
    staging = _staging(parts, wish)
    if staging.path is None or not staging.path.exists():
        raise LookupError("the list is not staged any more; upload it again")
    with _beside(parts) as database, staging as opened:
        return import_suppressions(
            database,
            parts.keyring,
            (),
            wish.draft,
            wish.file,
            parts.clock(),
            is_scope=lambda scope: is_scope(parts.tenants, scope),
            staging=opened,
            is_edition=wish.is_edition,
            in_two=True,
        )


def _others(rows: Iterable[Row | BadRow]) -> Iterator[Row | BadRow]:
    """The rows without those that say of themselves to be what leads import."""
    for row in rows:
        if isinstance(row, Row) and row.reason in OF_LEADS:
            yield BadRow(row.line, f"{row.reason} is for leads and operators to import")
        else:
            yield row


def _staging(parts: DeskParts, wish: Wish) -> Staging:
    """The staged file of exactly this wish, begun or not."""
    scopes = " ".join(all_scopes(parts.tenants))
    meaning = f"desk {wish.dialect} {wish.is_edition} {wish.is_leads} {scopes}"
    folder = parts.loaded.config.state_dir / FOLDER
    return staging_for(folder, parts.keyring, wish.draft, wish.file, meaning, parts.clock())


@contextmanager
def _beside(parts: DeskParts) -> Iterator[Database]:
    config = parts.loaded.config
    database = open_records(config)
    try:
        yield database
    finally:
        database.close()
