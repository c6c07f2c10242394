"""The file of the change mark was made by stretching it, and changed through its mapping. Where the
disk was full, the first commit after that (on tmpfs already the first look) was no error that could
be answered with a 4xx: the kernel ended the process with SIGBUS."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable
from gateway.records.changes import ChangeMark
from gateway.records.database import open_database


def test_the_file_has_its_block_from_the_beginning(tmp_path: Path) -> None:
    """Nothing has to be found for it later: it is data, not a hole."""
    path = tmp_path / "records.db"
    path.touch()
    ChangeMark(path).close()
    with (tmp_path / "records.db-mark").open("rb") as file:
        assert os.lseek(file.fileno(), 0, os.SEEK_DATA) == 0


async def test_a_mark_that_cannot_be_written_is_trouble_with_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is told that it is done, by a command or by the service; later it works again."""

    def full(_file: int, _octets: bytes, _at: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    database = open_database(tmp_path / "records.db")
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with pytest.raises(StoreUnavailable), database.transaction():
            pass
        with pytest.raises(StoreUnavailable):
            await database.write(lambda _: None)
    with database.transaction():
        pass
    assert await database.write(lambda _: 1) == 1
    database.close()


def test_a_closed_mark_writes_into_no_other_file(tmp_path: Path) -> None:
    """The number of its file is another file's by then."""
    path = tmp_path / "records.db"
    path.touch()
    mark = ChangeMark(path)
    mark.close()
    with (tmp_path / "other").open("w+b") as other:
        with pytest.raises(OSError, match="Bad file descriptor"):
            mark.change()
        assert other.read() == b""
    mark.close()
