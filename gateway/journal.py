"""The journal: one JSON line per event, in `<folder>/<process>.jsonl`, rotated by size.

`emit` encodes and buffers; the lines are written together, 50 ms later or when 64 KiB have come
together. Each process writes its own file and holds a lock on it. A write that fails makes
`is_writable` False (then mail gets 452 [STORAGE]), cuts off what was half written and is tried
again every second; what no longer fits the backlog meanwhile is dropped and counted. Raises
`JournalUnwritable` only while being opened. All calls come from the event loop's thread.
Reading is done by `gateway.journal_reader`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson

from gateway.errors import JournalUnwritable
from gateway.events import Emit, Event

WRITE_DELAY = 0.05
"""Seconds a line may wait for company."""
WRITE_BYTES = 65_536
"""Octets that are written without waiting."""
RETRY_DELAY = 1.0
"""Seconds between attempts while the disk is full or away."""
BACKLOG_BYTES = 4_194_304
"""Octets kept in memory while nothing can be written."""


class Journal:
    """Writes the events of one process (`smtp` or `web`) and hands them to `observers`."""

    def __init__(
        self,
        folder: Path,
        process: str,
        max_bytes: int,
        keep_files: int,
        observers: Sequence[Emit] = (),
    ) -> None:
        self.is_writable = True
        self.dropped = 0
        """Events lost because nothing could be written for too long."""
        self._folder = folder
        self._process = process
        self._path = folder / f"{process}.jsonl"
        self._max_bytes = max_bytes
        self._keep_files = keep_files
        self._observers = tuple(observers)
        self._lines: list[bytes] = []
        self._pending = 0
        self._reported_drops = 0
        self._timer: asyncio.TimerHandle | None = None
        self._file = -1
        self._size = 0
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._open()
        except BlockingIOError as error:
            raise JournalUnwritable(f"{self._path}: another process writes it") from error
        except OSError as error:
            raise JournalUnwritable(f"{self._path}: {error.strerror}") from error

    def emit(self, event: Event) -> None:
        """Take one event. Never blocks for long and never raises."""
        for observe in self._observers:
            observe(event)
        if not self.is_writable and self._pending >= BACKLOG_BYTES:
            self.dropped += 1
            return
        line = encode(event)
        self._lines.append(line)
        self._pending += len(line)
        if self._timer is None:
            self._write_soon(WRITE_DELAY)
        elif self._pending >= WRITE_BYTES and self.is_writable:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered now; a failure shows in `is_writable`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._lines:
            return
        try:
            self._write(b"".join(self._lines))
        except OSError:
            self.is_writable = False
            self._write_soon(RETRY_DELAY)
            return
        self._lines.clear()
        self._pending = 0
        self.is_writable = True
        if self.dropped > self._reported_drops:
            lost, self._reported_drops = self.dropped - self._reported_drops, self.dropped
            self.emit(Event("journal.recovered", time.time(), detail={"dropped": lost}))

    def rotate(self) -> None:
        """Begin a new file, unless this one is empty. Raises `JournalUnwritable`."""
        self.flush()
        if not self.is_writable or self._file < 0:
            raise JournalUnwritable(f"{self._path}: cannot be written now")
        try:
            if self._size:
                self._rotate()
        except OSError as error:
            raise JournalUnwritable(f"{self._path}: {error.strerror}") from error

    async def answer_rotate(self, _request: Mapping[str, object]) -> object:
        """The control verb `rotate`."""
        self.rotate()
        return {}

    def close(self) -> None:
        """Write the rest and let go of the file."""
        self.flush()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write_soon(self, delay: float) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            if self.is_writable:  # outside a loop nobody would come back later
                self.flush()
        else:
            self._timer = loop.call_later(delay, self.flush)

    def _write(self, data: bytes) -> None:
        if self._file < 0:
            self._open()
        elif self._size and self._size + len(data) > self._max_bytes:
            self._rotate()
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            # A torn line would swallow the next one; the lock makes sure nobody else appended.
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise
        self._size += len(data)

    def _open(self) -> None:
        file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            size = os.fstat(file).st_size
            if size and os.pread(file, 1, size - 1) != b"\n":
                os.write(file, b"\n")  # the last process was killed in the middle of a line
                size += 1
        except OSError:
            os.close(file)
            raise
        self._file = file
        self._size = size

    def _rotate(self) -> None:
        rotated = rotated_name(self._folder, self._process, time.time_ns())
        os.rename(self._path, rotated)
        os.close(self._file)
        self._file = -1
        self._open()
        try:
            # Unlinking a big file can take longer than the loop may be held.
            asyncio.get_running_loop().run_in_executor(None, self._prune)
        except RuntimeError:
            self._prune()

    def _prune(self) -> None:
        rotated = sorted(self._folder.glob(f"{self._process}-*.jsonl"))
        for path in rotated[: max(0, len(rotated) - self._keep_files)]:
            with contextlib.suppress(OSError):
                path.unlink()


def rotated_name(folder: Path, process: str, now_ns: int) -> Path:
    """A free name for a full file, telling when it ended: `smtp-20250131T235959123456Z.jsonl`."""
    microseconds = now_ns // 1000
    while True:
        seconds, fraction = divmod(microseconds, 1_000_000)
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds))
        path = folder / f"{process}-{stamp}{fraction:06d}Z.jsonl"
        if not path.exists():
            return path
        microseconds += 1


def encode(event: Event) -> bytes:
    """One event as one line. What JSON cannot hold is written as text, so it never raises."""
    record: dict[str, object] = {"at": event.at, "kind": event.kind}
    if event.session:
        record["session"] = event.session
    if event.ref:
        record["ref"] = event.ref
    if event.tenant:
        record["tenant"] = event.tenant
    if event.stream:
        record["stream"] = event.stream
    if event.mailing:
        record["mailing"] = event.mailing
    if event.config:
        record["config"] = event.config
    if event.tag:
        record["tag"] = event.tag
    if event.domain:
        record["domain"] = event.domain
    if event.detail:
        record["detail"] = event.detail
    try:
        return orjson.dumps(record, _as_text, orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # lone surrogates, or keys that are no strings
        readable = {name: ascii(value) for name, value in record.items() if name != "at"}
        return orjson.dumps({"at": event.at, **readable}, None, orjson.OPT_APPEND_NEWLINE)


def _as_text(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else ascii(value)
