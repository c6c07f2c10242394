"""The intent file: what is about to be sent is on disk before its last octets go out.

A copy's *intent* (ref and entry keys) is one plain write, so it survives `kill -9`; with `fsync`,
`synced()` makes it survive power loss too, many copies for one flush of the disk. Outcomes and
endings ride along with the next write, because losing one only makes a retry more careful: without
its outcome a copy counts as *unknown*. One file, `<folder>/<number>.intents`, grows to 16 MiB; then
a new one starts with all that is still open and the old one is deleted, so `replay()` at start-up
reads one segment whatever the history. Raises `JournalUnwritable` when the disk refuses; the next
write then starts a fresh segment, so a torn record is never followed by another.

One record is one line: CRC-32 in hex, ref, then `?key` intended or unknown, `+key` taken,
`-key` deferred, `!key code enhanced text` refused, or a lone `.` when the ref is over.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from errno import ENOSPC
from pathlib import Path
from zlib import crc32

from gateway.errors import JournalUnwritable
from gateway.relay.outcome import HopReply, Outcome, State
from gateway.reply import MAX_TEXT, clean
from suppression.masking import mask

SEGMENT_OCTETS = 16 * 1024 * 1024
_MARKS = {State.TAKEN: "+", State.DEFERRED: "-", State.UNKNOWN: "?", State.IN_FLIGHT: "?"}
_STATES = {"+": State.TAKEN, "-": State.DEFERRED, "?": State.UNKNOWN, "!": State.REFUSED}

Found = tuple[str, bytes, State, HopReply | None]
"""What a replay finds: ref, entry key, state, and the reply of a refusal."""


class Intents:
    """The intent file of one process. Only `synced` suspends; nothing here is for threads."""

    def __init__(
        self,
        folder: Path,
        fsync: bool = False,
        octets: int = SEGMENT_OCTETS,
        left: Iterable[Path] = (),
    ) -> None:
        """`left` are folders of processes that are no more; what they have open is ours now."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self.fsync = fsync
        self._octets = octets
        own = sorted(folder.glob("*.intents"))
        self._old = [*(file for one in left for file in sorted(one.glob("*.intents"))), *own]
        self._number = int(own[-1].stem) if own else 0
        self._path: Path | None = None
        self._fd = -1
        self._size = 0
        self._full_at = 0
        self._open: dict[str, list[bytes]] = {}
        self._buffer: list[bytes] = []
        self._writes = 0
        self._synced = 0
        self._syncing: asyncio.Task[None] | None = None

    def replay(self) -> list[Found]:
        """What earlier processes left open, oldest first; call it once, before the first write.

        Each found ref stays open until `end(ref)`, so nothing is forgotten if we die again.
        """
        fates: dict[str, dict[bytes, tuple[State, HopReply | None]]] = {}
        for path in self._old:
            for line, ref, items in _records(path.read_bytes()):
                if items == ["."]:
                    fates.pop(ref, None)
                    self._open.pop(ref, None)
                    continue
                self._open.setdefault(ref, []).append(line)
                fates.setdefault(ref, {}).update(_fates(items))
        return [
            (ref, key, state, reply)
            for ref, fate in fates.items()
            for key, (state, reply) in fate.items()
            if state is not State.DEFERRED
        ]

    def intend(self, ref: str, keys: Sequence[bytes]) -> None:
        """Write that copies of `keys` are about to go out. Raises `JournalUnwritable`."""
        self._note(ref, " ".join(["?" + key.hex() for key in keys]))
        try:
            self.flush()
        except JournalUnwritable:
            self._open[ref].pop()
            raise

    def outcome(self, ref: str, keys: Sequence[bytes], outcomes: Sequence[Outcome]) -> None:
        """Note what became of `keys`, one outcome each; written with the next flush."""
        plain = []
        for key, outcome in zip(keys, outcomes, strict=True):
            if outcome.state is State.REFUSED:
                said = outcome.reply
                words = f"{said.code} {said.enhanced or '-'} {mask(clean(said.text))[:MAX_TEXT]}"
                self._note(ref, f"!{key.hex()} {words}")
            else:
                plain.append(_MARKS[outcome.state] + key.hex())
        if plain:
            self._note(ref, " ".join(plain))

    def end(self, ref: str) -> None:
        """Nothing about `ref` matters any more: its 250 was seen, or the records hold it."""
        if self._open.pop(ref, None) is not None:
            self._buffer.append(_line(ref, "."))

    def flush(self) -> None:
        """Write what is buffered. Raises `JournalUnwritable`, and loses nothing by it."""
        try:
            if self._fd < 0 or self._size >= self._full_at:
                self._start_segment()
            elif self._buffer:
                self._append(b"".join(self._buffer))
        except OSError as error:
            self._give_up()
            raise JournalUnwritable(f"{self._folder}: {error.strerror}") from error
        finally:
            self._buffer.clear()

    def close(self) -> None:
        """Write what is buffered and let the file go. Raises `JournalUnwritable`."""
        try:
            self.flush()
        finally:
            self._give_up()

    async def synced(self) -> None:
        """Wait until all that is written is on stable storage; at once without `fsync`.

        Raises `JournalUnwritable`: what was written may then not have survived.
        """
        mine = self._writes
        while self.fsync and self._synced < mine:
            if self._syncing is None:
                self._syncing = asyncio.get_running_loop().create_task(self._sync())
            await asyncio.shield(self._syncing)

    def _note(self, ref: str, text: str) -> None:
        line = _line(ref, text)
        self._open.setdefault(ref, []).append(line)
        self._buffer.append(line)

    def _append(self, data: bytes) -> None:
        written = os.write(self._fd, data)
        if written != len(data):
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        self._size += written
        self._writes += 1

    def _start_segment(self) -> None:
        """Begin a new file with everything still open; the ones before are then of no use."""
        self._give_up()
        path = self._folder / f"{self._number + 1:012d}.intents"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        self._fd, self._size = os.open(path, flags, 0o600), 0
        still_open = [line for lines in self._open.values() for line in lines]
        # Should we die before the old file is deleted, its refs that are over must stay over.
        over = [line for line in self._buffer if line.endswith(b" .\n")]
        self._append(b"".join(still_open + over))
        self._number, self._path = self._number + 1, path
        self._full_at = max(self._octets, 2 * self._size)
        if not self.fsync:
            _delete(self._old)
            self._old = []

    def _give_up(self) -> None:
        """Write no more to the file in use; it goes once a fresh one holds what is still open."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._path is not None:
            self._old.append(self._path)
            self._path = None

    async def _sync(self) -> None:
        """One flush of the disk for all that is written by now."""
        try:
            if self._fd < 0:
                self.flush()
            upto, old, fd = self._writes, self._old, os.dup(self._fd)
            self._old = []
            try:
                await asyncio.to_thread(_sync_all, fd, self._folder)
            except OSError as error:
                self._old = old + self._old
                self._give_up()
                raise JournalUnwritable(f"{self._folder}: {error.strerror}") from error
            finally:
                os.close(fd)
            self._synced = upto
            _delete(old)
        finally:
            self._syncing = None


def _line(ref: str, text: str) -> bytes:
    body = f"{ref} {text}".encode("ascii")
    return b"%08x %b\n" % (crc32(body), body)


def _records(data: bytes) -> Iterator[tuple[bytes, str, list[str]]]:
    """Each whole record: its line, its ref, its items; what does not add up is passed over."""
    for line in data.splitlines(keepends=True):
        body = line[9:-1]
        if line[:9] == b"%08x " % crc32(body) and line.endswith(b"\n"):
            ref, *items = body.decode("ascii").split(" ")
            yield line, ref, items


def _fates(items: list[str]) -> dict[bytes, tuple[State, HopReply | None]]:
    if items[0].startswith("!"):
        code, enhanced, text = int(items[1]), items[2].strip("-"), " ".join(items[3:])
        return {bytes.fromhex(items[0][1:]): (State.REFUSED, HopReply(code, enhanced, text))}
    return {bytes.fromhex(item[1:]): (_STATES[item[0]], None) for item in items}


def _sync_all(fd: int, folder: Path) -> None:
    """Octets and the file's name both: a file without its name is lost by a power cut."""
    os.fdatasync(fd)
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _delete(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()
