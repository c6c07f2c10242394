"""A command that root ran on the service's records, before the service had made its change mark,
left a mark that the service could not open: it did not start any more, or deferred all mail."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.records.changes import ChangeMark

NOBODY = 65534


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for others")
def test_the_mark_belongs_to_whom_the_database_belongs(tmp_path: Path) -> None:
    """Made anew or found, as SQLite does with the files of its own."""
    path = tmp_path / "records.db"
    path.touch()
    os.chown(path, NOBODY, NOBODY)
    mark = tmp_path / "records.db-mark"
    for _ in ("made", "found"):
        ChangeMark(path).close()
        assert (mark.stat().st_uid, mark.stat().st_gid) == (NOBODY, NOBODY)
        os.chown(mark, 0, 0)
