"""Moving the records from a SQLite file to PostgreSQL, or back, for good.

`move` copies everything in one transaction of the target, counts every table, walks every hash
chain there, and only then retires the old place: a SQLite file is set aside, a database loses its
identity, so that no process can go on with records that have moved. Interrupted before that, the
old place is as it was. Raises TransferFailed, StoreUnavailable and OSError.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from gateway.config.records import PostgresSettings
from gateway.records import audit, chains, opt_out_log, postgresql, sqlite, transfer
from gateway.records.opt_out_log import OptOutLog
from gateway.records.store import ANY, Place, Store, as_unavailable

ACTION = "records.moved"


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved: rows of each table, chains that hold, and where the old file lies now."""

    rows: dict[str, int]
    chains: tuple[chains.Chain, ...]
    aside: Path | None


def move(
    source: Place,
    target: Place,
    log: Path,
    node: str,
    actor: str,
    *,
    progress: transfer.Progress,
    walked: Callable[[str, int], None] = lambda _chain, _records: None,
) -> Moved:
    """Move all records. No process of any node may run meanwhile; `log` is this node's opt-outs.

    The target must be empty: no file, or a database without rows.
    """
    now = time.time()
    with ExitStack() as stack, as_unavailable(ANY):
        old = _open_old(stack, source)
        before, after = ("", node) if isinstance(source, Path) else (node, "")
        with old.engine.begin() as reading, old.unhurried(reading):
            _check_log(reading, OptOutLog(log, before), source)
            new = _open_new(stack, target)
            with new.engine.begin() as writing, new.unhurried(writing):
                rows = transfer.pour(reading, writing, progress=progress)
                transfer.rename(writing, before, after)
                found = tuple(chains.verify(writing, OptOutLog(log, after), (), walked))
                if bad := [chain.name for chain in found if chain.bad is not None]:
                    raise transfer.TransferFailed(f"{', '.join(bad)}: the chain does not hold")
                detail = {"from": old.name, "to": new.name, "rows": sum(rows.values())}
                audit.append(writing, at=now, actor=actor, action=ACTION, detail=detail)
            if not isinstance(source, Path):
                postgresql.retire(reading)
        aside = _retire(source, target, log, new, now)
    return Moved(rows, found, aside)


def _open_old(stack: ExitStack, source: Place) -> Store:
    if isinstance(source, Path):
        if not source.exists():
            raise transfer.TransferFailed(f"{source}: there are no records")
        sqlite.prepare(source)
        return _opened(stack, sqlite.open_store(source))
    return _opened(stack, postgresql.open_as_it_is(source))


def _open_new(stack: ExitStack, target: Place) -> Store:
    if isinstance(target, PostgresSettings):
        return _opened(stack, postgresql.open_as_it_is(target))
    if target.exists() and target.stat().st_size:
        raise transfer.TransferFailed(f"{target}: is there already; the target must be empty")
    sqlite.bring_up_to_date(target)
    return _opened(stack, sqlite.open_store(target))


def _check_log(connection: Connection, log: OptOutLog, source: Place) -> None:
    """What the log has and the records lack would be lost: let the gateway bring it in first."""
    others = opt_out_log.positions(connection).keys() - {log.node}
    if opt_out_log.owing(connection) or not log.is_in_step(connection):
        raise transfer.TransferFailed(
            f"{log.file.path}: the records lack some of it; run `consentry audit verify` with the "
            "old configuration first"
        )
    if isinstance(source, Path) and others:
        raise transfer.TransferFailed(f"{source}: knows the logs of other nodes")


def _retire(source: Place, target: Place, log: Path, new: Store, now: float) -> Path | None:
    if isinstance(target, Path):
        postgresql.marker_of(log).unlink(missing_ok=True)
        sqlite.prepare(target)
    else:
        postgresql.note_identity(log, new.identity)
    if not isinstance(source, Path):
        return None
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    aside = source.with_name(f"before-move-{stamp}")
    aside.mkdir(mode=0o700)
    for tail in ("", "-wal", "-shm"):
        own = source.with_name(source.name + tail)
        if own.exists():
            own.rename(aside / own.name)
    return aside


def _opened(stack: ExitStack, store: Store) -> Store:
    stack.callback(store.engine.dispose)
    return store
