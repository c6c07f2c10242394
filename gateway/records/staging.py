"""The staged file of one import: its rows, keyed and sealed, in runs that are each sorted.

What was read and sealed is not done again: a named file outlives an interrupted import, and the
next one of that name reads only the blocks of lines that it lacks. It holds keys, ciphertext and
secrets, never a plain address; the lines that were not taken are sealed too. It is `0600`, and some
later import removes it after `KEPT_SECONDS`. What a crash left of an unfinished block is found by
its checksum and cut off. Memory stays flat: one block while reading, a hundred rows of each while
merging. Raises ImportRunning when another process has the file, StoreUnavailable when the disk
fails.

Format: `_HEAD`, then a frame for each block: `_FRAME`, the sealed lines not taken, and chunks of
`_CHUNK`, the lengths of its records (two octets each), the records in order. A record is `_FIXED`
and, where the address is known, secret and sealed text.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from heapq import merge
from itertools import accumulate, pairwise
from math import inf
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self
from zlib import crc32

from gateway.errors import ConsentryError, StoreUnavailable
from suppression.keys import Keyring, Sealed
from suppression.listfile import BadRow

KEPT_SECONDS = 7 * 86_400
"""How long what an interrupted import has read waits for the next try."""
FOLDER, SUFFIX = "imports", ".staged"
"""Where they are, in the state folder, and how their names end."""
_HEAD = struct.Struct(">12sq")  # mark, when the import began
_MARK = b"consentry-2\n"
_FRAME = struct.Struct(">II")  # CRC-32 and octets of what follows
_BLOCK = struct.Struct(
    ">IIIII"
)  # number, lines read, whole domains, rows, octets of lines not taken
_CHUNK = struct.Struct(">IH")  # octets that follow, rows
_CHUNK_ROWS = 100
# Key, scope, code, group, what is left to _LAST (0: never ends), made, source.
_FIXED = struct.Struct(">16siHIqqI")
_ALIKE = 26
"""Octets of key, scope, code and group."""
_SECRET = slice(_FIXED.size, _FIXED.size + 17)
_LAST = 1 << 62


class ImportRunning(ConsentryError):
    """Another process is at the same import."""


class Staged(NamedTuple):
    """One row to merge; `code` is a suppression's code or a consent's level.

    Rows alike in key, scope, code and `group` are one. `source` is the number of where it is from;
    `secret` and `sealed` are the encrypted address, None when only the key is known.
    """

    key: bytes
    scope: int
    code: int
    at: int
    ends: int | None
    secret: bytes | None
    sealed: bytes | None
    source: int = 0
    group: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """What became of one block of lines: read, whole domains among them, and those not taken."""

    number: int
    read: int
    domains: int
    bad: tuple[BadRow, ...] = ()


class Staging:
    """The staged file, open for one import; without a path it has no name and does not stay."""

    def __init__(self, keyring: Keyring, now: float, path: Path | None = None) -> None:
        self.path = path
        self.began = int(now)
        """When the import began, the first time that it was tried."""
        self.blocks: dict[int, Block] = {}
        """What is staged."""
        self._keyring = keyring
        self._waiting: list[bytes] = []
        self._runs: list[tuple[int, int]] = []

    def __enter__(self) -> Self:
        with _as_unavailable():
            self._file = TemporaryFile() if self.path is None else _open(self.path)
            try:
                self._restore()
            except BaseException:
                self._file.close()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Let the file go; it stays for another try until it is removed."""
        with suppress(OSError):  # of a block that could not be written, which is told already
            self._file.close()

    def remove(self) -> None:
        """All of it is in force: the file is not needed any more."""
        if self.path is not None:
            with _as_unavailable():
                self.path.unlink(missing_ok=True)

    def lacks(self, block: int) -> bool:
        """Whether a block of lines is still to be read."""
        return block not in self.blocks

    def add(
        self,
        key: bytes,
        scope: int,
        code: int,
        at: int,
        ends: int | None,
        sealed: Sealed | None,
        source: int = 0,
        group: int = 0,
    ) -> None:
        """Take one row into the block that is being read."""
        left = 0 if ends is None else _LAST - ends
        record = _FIXED.pack(key, scope, code, group, left, at, source)
        self._waiting.append(record if sealed is None else record + sealed.secret + sealed.data)

    def end_block(self, block: Block) -> None:
        """Sort and write what was added since the last one."""
        records = self._waiting
        records.sort()
        parts = [b""]
        if block.bad:
            told = json.dumps([(row.line, row.problem) for row in block.bad])
            sealed = self._keyring.seal(told)
            parts = [sealed.secret + sealed.data]
        head = _BLOCK.pack(block.number, block.read, block.domains, len(records), len(parts[0]))
        for start in range(0, len(records), _CHUNK_ROWS):
            some = records[start : start + _CHUNK_ROWS]
            data = struct.Struct(f">{len(some)}H").pack(*map(len, some)) + b"".join(some)
            parts += (_CHUNK.pack(len(data), len(some)), data)
        body = b"".join((head, *parts))
        with _as_unavailable():
            start = self._file.tell()
            self._file.write(_FRAME.pack(crc32(body), len(body)) + body)
            self._file.flush()
        self._note(block, start + _FRAME.size, body)
        records.clear()

    def rows(self) -> Generator[Staged]:
        """Every row in order of key, scope, code; of several alike, the one that ends last."""
        alike = b""
        for record in merge(*(self._records(*run) for run in self._runs)):
            if record[:_ALIKE] == alike:
                continue
            alike = record[:_ALIKE]
            key, scope, code, group, left, at, source = _FIXED.unpack_from(record)
            ends = _LAST - left if left else None
            secret, sealed = record[_SECRET], record[_SECRET.stop :]
            yield Staged(key, scope, code, at, ends, secret or None, sealed or None, source, group)

    # ---- the file ---------------------------------------------------------------------------

    def _restore(self) -> None:
        """Find what an earlier try has staged; cut off what is not whole."""
        head = self._file.read(_HEAD.size)
        if len(head) == _HEAD.size and head.startswith(_MARK):
            self.began = _HEAD.unpack(head)[1]
            while self._restore_block():
                pass
        else:
            self._file.seek(0)
            self._file.write(_HEAD.pack(_MARK, self.began))
        self._file.truncate()

    def _restore_block(self) -> bool:
        """Read one block; False, and back where it began, when it is not whole."""
        start = self._file.tell()
        with suppress(struct.error, ValueError):
            checksum, octets = _FRAME.unpack(self._file.read(_FRAME.size))
            body = self._file.read(octets)
            if len(body) == octets and crc32(body) == checksum:
                number, read, domains, _, bad = _BLOCK.unpack_from(body)
                told = self._told(body[_BLOCK.size : _BLOCK.size + bad])
                self._note(Block(number, read, domains, told), start + _FRAME.size, body)
                return True
        self._file.seek(start)
        return False

    def _told(self, sealed: bytes) -> tuple[BadRow, ...]:
        if not sealed:
            return ()
        told = json.loads(self._keyring.open(Sealed(sealed[:17], sealed[17:])))
        return tuple(BadRow(line, problem) for line, problem in told)

    def _note(self, block: Block, start: int, body: bytes) -> None:
        self.blocks[block.number] = block
        bad = _BLOCK.unpack_from(body)[4]
        self._runs.append((start + _BLOCK.size + bad, start + len(body)))

    def _records(self, start: int, end: int) -> Iterator[bytes]:
        """The records of one run, read a chunk at a time."""
        file = self._file.fileno()
        while start < end:
            octets, rows = _CHUNK.unpack(os.pread(file, _CHUNK.size, start))
            data = os.pread(file, octets, start + _CHUNK.size)
            start += _CHUNK.size + octets
            lengths = struct.Struct(f">{rows}H").unpack_from(data)
            for begin, stop in pairwise(accumulate(lengths, initial=2 * rows)):
                yield data[begin:stop]


def remove_staged(folder: Path, before: float = inf) -> None:
    """Remove the staged files not written to since `before` (Unix seconds), or all of them.

    All when somebody's data are erased: their address lies there, too, as long as an import may be
    resumed. One that is running goes on, but could not be resumed.
    """
    for path in folder.glob(f"*{SUFFIX}"):
        with suppress(OSError):
            if path.stat().st_mtime < before:
                path.unlink()


def _open(path: Path) -> BinaryIO:
    """The file of that name, made if need be, this process's alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    remove_staged(path.parent, time.time() - KEPT_SECONDS)
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise ImportRunning("the same list is being imported by another process") from None
    if not os.fstat(file.fileno()).st_nlink:  # that process has just come to its end
        file.close()
        return _open(path)
    return file


@contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"the staged rows of an import: {error.strerror}") from error
