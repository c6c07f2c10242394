"""Backups of a database that is in use, and putting one back.

A backup is a folder: `consentry.db`, `manifest.json` and, when asked for, `journal/`. `make_backup`
copies one state of the database a slice at a time, so that the live path does not suffer; `check`
says whether a backup is whole; `put_back` exchanges the database for the one of a backup, keeping
the old one aside, and has the opt-out log replayed. The keyring is in no backup. Neither are
intents and ledger: a copy that counted as taken then may be a new mail now, and would be skipped.
Raises BackupUnusable, and StoreUnavailable or OSError for what the disk refuses.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from gateway.errors import ConsentryError, StoreUnavailable
from gateway.records.opt_out_file import START, LogFile, Position
from gateway.records.schema import HEAD
from gateway.records.store import Place

DATABASE, MANIFEST, JOURNAL = "consentry.db", "manifest.json", "journal"
FORMAT = 2
"""The first had no nodes: only SQLite's records could be backed up."""
SLICE_PAGES = 512
"""2 MiB: some milliseconds of reading and writing."""
PAUSE = 0.01
"""Seconds between two slices, for everybody else."""

Progress = Callable[[int, int], None]
"""Told how many pages of how many are copied."""


class BackupUnusable(ConsentryError):
    """A backup is damaged, of another gateway, or not what its manifest says."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. `opt_outs` and `audit` are how far log and trail had come."""

    format: int
    made_at: int
    schema: str
    opt_outs: str
    audit_number: int
    audit_digest: str
    keyring: dict[str, str]
    files: dict[str, str]
    """SHA-256 in hex of each file, by its path in the backup."""
    nodes: dict[str, str] = field(default_factory=dict)
    """How far the log of each node had come, of records that nodes share."""
    identity: str = ""
    """That of the PostgreSQL database."""

    def seen(self, node: str) -> Position:
        """The last record of a node's opt-out log that the backup contains."""
        noted = self.nodes.get(node, self.opt_outs)
        return Position.parse(noted) if noted else START


def make_backup(
    place: Place,
    folder: Path,
    now: float,
    *,
    journal: Iterable[Path] = (),
    progress: Progress = lambda _done, _of: None,
) -> tuple[Path, Manifest]:
    """Back the database up into a new folder inside `folder`, and check it; where it is."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = time.strftime("consentry-%Y%m%dT%H%M%SZ", time.gmtime(now))
    draft = folder / f".{name}.part"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    try:
        identity = _copy(place, draft / DATABASE, progress)
        files = {DATABASE: _digest(draft / DATABASE)}
        for path in journal:
            (draft / JOURNAL).mkdir(mode=0o700, exist_ok=True)
            shutil.copyfile(path, copy := draft / JOURNAL / path.name)
            copy.chmod(0o600)
            files[f"{JOURNAL}/{path.name}"] = _digest(copy)
        manifest = _describe(draft / DATABASE, files, now, FORMAT, identity)
        text = json.dumps(asdict(manifest), indent=2) + "\n"
        (draft / MANIFEST).touch(mode=0o600)
        (draft / MANIFEST).write_text(text)
        for path in (*(draft / file for file in files), draft / MANIFEST, draft):
            _sync(path)
        check(draft)
        # Two backups within a second keep apart: the second has a number.
        names = (name, *(f"{name}-{number}" for number in range(2, 100)))
        target = next(folder / one for one in names if not (folder / one).exists())
        draft.rename(target)
        _sync(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return target, manifest


def check(folder: Path) -> Manifest:
    """The manifest of a backup that is whole, every octet of it read. Raises BackupUnusable."""
    try:
        content = json.loads((folder / MANIFEST).read_text())
        manifest = Manifest(**content)
    except (OSError, ValueError, TypeError) as error:
        raise BackupUnusable(f"{folder}: has no readable {MANIFEST}: {error}") from error
    if manifest.format > FORMAT or manifest.schema > HEAD:
        raise BackupUnusable(f"{folder}: was made by a newer version of this program")
    for name, digest in manifest.files.items():
        try:
            found = _digest(folder / name)
        except OSError as error:
            raise BackupUnusable(f"{folder / name}: {error.strerror}") from error
        if found != digest:
            raise BackupUnusable(f"{folder / name}: is damaged: not what the manifest says")
    try:
        with closing(_reader(folder / DATABASE)) as connection:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            written = _describe(
                folder / DATABASE,
                manifest.files,
                manifest.made_at,
                manifest.format,
                manifest.identity,
            )
    except sqlite3.Error as error:
        raise BackupUnusable(f"{folder / DATABASE}: {error}") from error
    if verdict != "ok" or written != manifest:
        raise BackupUnusable(f"{folder / DATABASE}: is not what the manifest says: {verdict}")
    return manifest


def lacks(manifest: Manifest, log: Path, node: str) -> str:
    """Why the opt-out log at `log` cannot be replayed over this backup; "" when it can."""
    file = LogFile(log)
    try:
        for _ in file.records():
            pass
    except StoreUnavailable as error:
        return str(error)
    if not file.size():
        return f"{log}: the opt-out log is missing or empty"
    seen = manifest.seen(node)
    if not file.holds(seen):
        return f"{log}: lacks the {seen.number} records that the backup has seen"
    return ""


def put_back(folder: Path, database: Path, node: str, now: float) -> Path | None:
    """Exchange the database for that of a checked backup; where the old one lies, if there was one.

    The standing index is left to be rebuilt and the opt-out log to be replayed by whoever opens it
    next, so that a crash at any moment leaves either the old database or one that catches up. Of
    records that nodes shared, those of `node` alone go on here.
    """
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = database.with_name(f"{database.name}.restoring")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    shutil.copyfile(folder / DATABASE, draft)
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("DELETE FROM meta WHERE name='index:generation'")
        noted = "UPDATE meta SET name='opt-outs:last' WHERE name='opt-outs:last:' || ?"
        connection.execute(noted, (node,))
        connection.execute("DELETE FROM meta WHERE name LIKE 'opt-outs:%:%'")
    _sync(draft)
    aside = None
    own = [database.with_name(database.name + tail) for tail in ("", "-wal", "-shm")]
    if any(path.exists() for path in own):
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        aside = database.with_name(f"before-restore-{stamp}")
        aside.mkdir(mode=0o700)
        for path in own:
            if path.exists():
                path.rename(aside / path.name)
    draft.rename(database)
    _sync(database.parent)
    return aside


def _copy(place: Place, target: Path, progress: Progress) -> str:
    """Copy the records into a file that needs no company; a server's identity, "" of a file's."""
    target.touch(mode=0o600)
    if isinstance(place, Path):
        _copy_database(place, target, progress)
        identity = ""
    else:
        # Imported here: who has SQLite needs nothing of it.
        from gateway.records import server_backup

        identity = server_backup.copy_out(place, target, progress)
    with closing(sqlite3.connect(target)) as writing:
        # One file, without a trace of what is left out.
        writing.execute("PRAGMA journal_mode=DELETE")
        writing.execute("PRAGMA secure_delete=ON")
        writing.execute("DELETE FROM ledger")
        writing.commit()
    return identity


def _copy_database(source: Path, target: Path, progress: Progress) -> None:
    def pause(_status: int, remaining: int, total: int) -> None:
        progress(total - remaining, total)
        time.sleep(PAUSE)

    try:
        with closing(_reader(source)) as reading, closing(sqlite3.connect(target)) as writing:
            # One state from first to last: else every commit meanwhile would start it again.
            reading.execute("BEGIN")
            reading.execute("SELECT count(*) FROM meta").fetchone()
            reading.backup(writing, pages=SLICE_PAGES, progress=pause)
            reading.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{source}: {error}") from error


def _describe(
    database: Path, files: dict[str, str], now: float, version: int, identity: str
) -> Manifest:
    with closing(_reader(database)) as connection:
        meta = dict(connection.execute("SELECT name, value FROM meta").fetchall())
        (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        last = connection.execute(
            "SELECT id, digest FROM audit ORDER BY id DESC LIMIT 1"
        ).fetchone()
    number, digest = last or (0, b"")
    keyring = {
        name.removeprefix("keyring:"): mark
        for name, mark in meta.items()
        if name.startswith("keyring:")
    }
    seen = meta.get("opt-outs:last", "")
    nodes = {
        name.removeprefix("opt-outs:last:"): position
        for name, position in meta.items()
        if name.startswith("opt-outs:last:")
    }
    trail = (number, digest.hex())
    return Manifest(version, int(now), revision, seen, *trail, keyring, files, nodes, identity)


def _reader(path: Path) -> sqlite3.Connection:
    uri = f"file:{quote(str(path))}?mode=ro"
    return sqlite3.connect(uri, uri=True, isolation_level=None)


def _digest(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
