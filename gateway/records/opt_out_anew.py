"""Beginning a new opt-out log in the place of one that is lost or broken, knowingly.

`begin_anew` sets the old file aside and writes everything the database has in force into a new one,
with what can still be read of the old one's erasures, in one transaction that is audited with the
reason. What only the old log knew (opt-outs after a backup that is restored without it) is lost;
who decides that must say why. Raises StoreUnavailable.
"""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import Connection

from gateway.records import audit, opt_outs
from gateway.records.database import Database, connect
from gateway.records.opt_out_file import START, Position
from gateway.records.opt_out_log import (
    OptOutLog,
    complete,
    give_up,
    note_baseline,
)
from gateway.records.opt_outs import Begun, Erased
from gateway.records.store import Place


def begin_anew(place: Place, log: Path, node: str, actor: str, why: str) -> Path | None:
    """Put a new log in the place of `log`; where the old file lies now, None if there was none.

    No process of this node may run meanwhile.
    """
    new = _NewLog(log, "" if isinstance(place, Path) else node, actor, why)
    opened = connect(place, new)
    try:
        with opened.transaction(is_long=True):
            pass  # all of it happens at the transaction's ends
    finally:
        opened.close()
    return new.aside


def go_without(database: Database, node: str, actor: str, why: str) -> bool:
    """Have restored records wait no longer for the log of another node; whether they did.

    What only that log knew is lost. Audited with the reason.
    """
    with database.transaction(is_long=True) as connection:
        if not give_up(connection, node):
            return False
        audit.append(
            connection,
            at=time.time(),
            actor=actor,
            action="opt-outs.given-up",
            detail={"node": node, "why": why},
        )
        complete(connection)
    return True


class _NewLog(OptOutLog):
    """Takes no heed of the file that is there, but begins one."""

    def __init__(self, path: Path, node: str, actor: str, why: str) -> None:
        super().__init__(path, node)
        self._actor = actor
        self._why = why
        self.aside: Path | None = None

    def agree(self, connection: Connection) -> Position:
        """Set the old file aside and note what the new one begins with."""
        now = time.time()
        carried = list(self._erasures())
        noted = self.forget(connection)
        if self.file.size():
            stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
            self.aside = self.file.path.with_name(f"{self.file.path.name}.until-{stamp}")
            self.file.path.rename(self.aside)
        else:
            self.file.path.unlink(missing_ok=True)
        opt_outs.note(connection, Begun(int(now), self._why))
        note_baseline(connection)
        for erased in carried:
            opt_outs.note(connection, erased)
        audit.append(
            connection,
            at=now,
            actor=self._actor,
            action="opt-outs.begun-anew",
            detail={
                "why": self._why,
                "seen": 0 if noted is None else noted.number,
                "erasures_kept": len(carried),
            },
        )
        return START

    def _erasures(self) -> list[Erased]:
        """Every erasure that is still legible, whatever the chain says."""
        if not self.file.size():
            return []
        found = []
        with self.file.path.open("rb") as file:
            for line in file:
                try:
                    record = opt_outs.decode(line.decode().split(" ", 1)[1].rsplit(" ", 1)[0])
                except (ValueError, IndexError):
                    continue
                if isinstance(record, Erased):
                    found.append(record)
        return found
