"""The daily purge: records and journal past their time, and erasures made complete.

`purge_all` does it at once and blocks. Two jobs look now and then whether a day has passed, so that
restarts neither skip nor repeat one: `purge_job` for the records, whose mark they keep, tells what
went in an event `records.purged` (the audit trail has the same); `journal_job` for the journal of
this node. Journal files are taken whole, and begun anew early enough for that. Mail that was under
way during an erasure may have written the address into the journal afterwards: it is masked here.
Raises StoreUnavailable, OSError, ControlError.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from gateway.config.model import GatewayConfig
from gateway.events import Emit, Event
from gateway.jobs import Job
from gateway.journal_reader import parse
from gateway.privacy.journal import begin_files, mask_addresses
from gateway.processes import JOURNAL_FOLDER, processes_in
from gateway.records.database import Database
from gateway.records.erasure import erased_keys
from gateway.records.holdings import person_keys
from gateway.records.retention import purge, purged_at
from gateway.words import Address
from policies.ports import Clock
from suppression.keys import Keyring

EVERY = 86_400.0
LOOK_EVERY = 600.0
UNDER_WAY = 2 * EVERY
"""How far back erasures are made complete: longer than any message is under way."""
PARTS = 10
"""A journal file is begun anew when it holds this part of the time it is kept."""


def purge_all(
    database: Database,
    keyring: Keyring,
    config: GatewayConfig,
    now: float,
    actor: str,
    dry_run: bool = False,
) -> dict[str, int]:
    """Remove what is past its time; how many rows, files and lines of what."""
    removed = purge(database, config.retention, now, actor, dry_run)
    return removed | _tidy_journal(database, keyring, config, now, dry_run)


def purge_job(
    database: Database, current: Callable[[], GatewayConfig], emit: Emit, clock: Clock
) -> Job:
    """The job for the records; `current` gives the configuration in force at each run."""

    async def run() -> int:
        now = clock()
        with database.reading() as connection:
            if now - purged_at(connection) < EVERY:
                return 0
        removed = await asyncio.to_thread(purge, database, current().retention, now, "consentry")
        told: dict[str, object] = {name: count for name, count in removed.items() if count}
        emit(Event("records.purged", clock(), detail=told))
        return sum(removed.values())

    return Job("records purged", LOOK_EVERY, run)


def journal_job(
    database: Database, current: Callable[[], tuple[GatewayConfig, Keyring]], clock: Clock
) -> Job:
    """The job for this node's journal; `current` gives what is in force at each run."""

    async def run() -> int:
        now = clock()
        config, keyring = current()
        mark = config.state_dir / JOURNAL_FOLDER / ".purged"
        if now - (mark.stat().st_mtime if mark.exists() else 0.0) < EVERY:
            return 0
        removed = await asyncio.to_thread(_tidy_journal, database, keyring, config, now, False)
        mark.touch(mode=0o600)
        os.utime(mark, (now, now))
        return sum(removed.values())

    return Job("journal purged", LOOK_EVERY, run)


def _tidy_journal(
    database: Database, keyring: Keyring, config: GatewayConfig, now: float, dry_run: bool
) -> dict[str, int]:
    removed = {"journal_files": _prune_journal(config, now, dry_run)}
    if not dry_run and config.journal.addresses:
        removed["journal_lines_masked"] = _complete_erasures(database, keyring, config, now)
    return removed


def _prune_journal(config: GatewayConfig, now: float, dry_run: bool) -> int:
    """Delete files whose last line is past its time; how many."""
    folder = config.state_dir / JOURNAL_FOLDER
    cutoff = config.retention.cutoff("journal", now)
    if cutoff is None or not folder.is_dir():
        return 0
    if not dry_run and any(
        _began(folder / f"{process.journal}.jsonl") < now - config.retention.journal / PARTS
        for process in processes_in(config.state_dir)
    ):
        begin_files(config.state_dir)
    old = [path for path in folder.glob("*-*.jsonl") if _ended(path) < cutoff]
    if not dry_run:
        for path in old:
            path.unlink(missing_ok=True)
    return len(old)


def _complete_erasures(
    database: Database, keyring: Keyring, config: GatewayConfig, now: float
) -> int:
    with database.reading() as connection:
        keys = erased_keys(connection, now - UNDER_WAY)
    if not keys:
        return 0

    def is_erased(address: Address) -> bool:
        # By the keys of each generation: the keyring may have been rotated since.
        return not keys.isdisjoint(person_keys(keyring, address).own)

    return mask_addresses(config.state_dir, is_erased, now - UNDER_WAY)


def _began(path: Path) -> float:
    """When the first line of a file was written, Unix seconds; never, without one."""
    try:
        with path.open("rb") as file:
            event = parse(file.readline())
    except FileNotFoundError:
        return float("inf")
    return float("inf") if event is None else event.at


def _ended(path: Path) -> float:
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return float("inf")
