"""An import in a process of its own that is killed on the way, or runs to its end.

    python -m tests.contract.records.interrupted FOLDER reading|merging|nowhere CALLS

Imports FOLDER/list.csv into FOLDER/consentry.db in blocks of `BLOCK` lines and batches of at most
`BATCH` rows, and gets `kill -9` at the CALLS-th report of its progress. Prints, as JSON, the tally
and how many blocks of lines were parsed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from gateway.records import bulk
from gateway.records.database import open_database
from gateway.records.keyring import open_keyring
from gateway.records.suppression_import import ListFile, import_suppressions, staging_for
from gateway.records.suppressions import Draft
from suppression import listfile
from suppression.standing import Reason

BLOCK, BATCH = 100, 50
NOW = 1_800_000_000.0
DRAFT = Draft(Reason.MANUAL, "acme", "operator", "test")
FILE = ListFile("list.csv", "ab" * 32)


def run(folder: Path, reading: Callable[[], None], merging: Callable[[], None]) -> str:
    """Import the list; what was done, as JSON."""
    listfile.BLOCK_LINES, bulk.MAX_BATCH, bulk.MIN_BATCH = BLOCK, BATCH, BATCH
    parsed: set[int] = set()

    def wanted(block: int) -> bool:
        if staging.lacks(block):
            parsed.add(block)
        return block in parsed

    database = open_database(folder / "consentry.db")
    keyring = open_keyring(database, folder / "keyring.json")
    bad: list[str] = []
    with (
        (folder / "list.csv").open() as lines,
        staging_for(folder / "imports", keyring, DRAFT, FILE, "", NOW) as staging,
    ):
        tally = import_suppressions(
            database,
            keyring,
            listfile.read_rows(lines, wanted),
            DRAFT,
            FILE,
            NOW,
            is_scope="acme".__eq__,
            staging=staging,
            progress=lambda _rows: reading(),
            merging=lambda _rows: merging(),
            on_bad=lambda row: bad.append(f"{row.line}: {row.problem}"),
        )
    database.close()
    return json.dumps({"tally": asdict(tally), "blocks": len(parsed), "bad": bad})


def _after(calls: int) -> Callable[[], None]:
    """A function that kills this process when it is called so many times."""
    left = iter(range(calls - 1))

    def report() -> None:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    return report


def _never() -> None:
    """Nothing happens."""


if __name__ == "__main__":
    killing = _after(int(sys.argv[3]))
    reading = killing if sys.argv[2] == "reading" else _never
    print(run(Path(sys.argv[1]), reading, killing if sys.argv[2] == "merging" else _never))
