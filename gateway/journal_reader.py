"""Reading the journal: all of it, the latest lines, what is written from now on, or one ref.

Takes the journal's folder, where every process has its own files, and gives `Event`s merged by
time. Lines that are torn or are no events are passed over, for a process may be killed at any
octet. Changes nothing. Raises OSError when the folder cannot be read.
"""

from __future__ import annotations

import calendar
import heapq
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import orjson

from gateway.events import Event
from gateway.refs import ref_time

_FIELDS = frozenset(Event.__dataclass_fields__)
_BLOCK = 65_536
_HORIZON = 3600.0
"""Seconds after a ref was made within which its events are looked for first."""


def parse(line: bytes) -> Event | None:
    """The event of one line, or None when it is no whole event."""
    try:
        record = orjson.loads(line)
        known = {name: value for name, value in record.items() if name in _FIELDS}
        event = Event(**known)
    except (orjson.JSONDecodeError, AttributeError, TypeError):
        return None
    is_whole = isinstance(event.at, int | float) and isinstance(event.detail, dict)
    return event if is_whole and isinstance(event.kind, str) else None


def read_events(folder: Path, *, newest_first: bool = False) -> Iterator[Event]:
    """Every event of every process, by time."""
    streams = [
        _events_of(files[::-1] if newest_first else files, newest_first)
        for files in _by_process(folder).values()
    ]
    return heapq.merge(*streams, key=lambda event: event.at, reverse=newest_first)


def find(folder: Path, ref: str) -> list[Event]:
    """All events of a transaction or session, by time. ValueError if `ref` is malformed."""
    made = ref_time(ref)
    near: list[Path] = []
    far: list[Path] = []
    for files in _by_process(folder).values():
        began = 0.0
        for path in files:
            ended = _ended(path)
            (near if ended >= made - 1 and began <= made + _HORIZON else far).append(path)
            began = ended
    # A clock that was set back can put a ref into any file, so the others are the second choice.
    found = _with_ref(near, ref) or _with_ref(far, ref)
    return sorted(found, key=lambda event: event.at)


def follow(folder: Path, *, wait: Callable[[], None]) -> Iterator[Event]:
    """Events as they are written from now on, for ever; `wait` is called when there are none.

    Rotation and processes that start later are followed too.
    """
    tails: dict[str, _Tail] = {}
    for path in _current(folder):
        tails[path.name] = _Tail(path, from_end=True)
    try:
        while True:
            for path in _current(folder):
                if path.name not in tails:
                    tails[path.name] = _Tail(path, from_end=False)
            fresh = [event for tail in tails.values() for event in tail.read()]
            yield from sorted(fresh, key=lambda event: event.at)
            if not fresh:
                wait()
    finally:
        for tail in tails.values():
            tail.close()


class _Tail:
    """One file that grows, and is now and then replaced by a new one of the same name."""

    def __init__(self, path: Path, from_end: bool) -> None:
        self._path = path
        self._file: BinaryIO = path.open("rb")
        self._torn = b""
        if from_end:
            self._file.seek(0, os.SEEK_END)

    def read(self) -> Iterator[Event]:
        """The events written since the last call."""
        yield from self._read_open_file()
        if self._is_replaced():
            yield from self._read_open_file()  # what came between reading and the rotation
            self._file.close()
            self._file = self._path.open("rb")
            self._torn = b""
            yield from self._read_open_file()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _read_open_file(self) -> Iterator[Event]:
        if os.fstat(self._file.fileno()).st_size < self._file.tell():
            self._file.seek(0, os.SEEK_END)  # a half-written line was taken back
            self._torn = b""
        *lines, self._torn = (self._torn + self._file.read()).split(b"\n")
        for line in lines:
            if event := parse(line):
                yield event

    def _is_replaced(self) -> bool:
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        except FileNotFoundError:
            return False  # in the middle of a rotation; the next call sees the new file


def _current(folder: Path) -> list[Path]:
    return [path for path in _files(folder) if "-" not in path.name]


def _files(folder: Path) -> list[Path]:
    """The journal's files; none before the first start. Unlike glob, it tells of what is wrong."""
    try:
        return [path for path in folder.iterdir() if path.suffix == ".jsonl"]
    except FileNotFoundError:
        return []


def _by_process(folder: Path) -> dict[str, list[Path]]:
    """Each process's files, oldest first; the one being written is the last."""
    processes: dict[str, list[Path]] = {}
    for path in sorted(_files(folder), key=lambda path: ("-" not in path.name, path.name)):
        processes.setdefault(path.stem.partition("-")[0], []).append(path)
    return processes


def _ended(path: Path) -> float:
    """When a rotated file ended (Unix seconds); never, for the one being written."""
    stamp = path.stem.partition("-")[2]
    try:
        return calendar.timegm(time.strptime(stamp[:15], "%Y%m%dT%H%M%S")) + 1.0
    except ValueError:
        return float("inf")


def _with_ref(files: list[Path], ref: str) -> list[Event]:
    needle = ref.encode()
    found: list[Event] = []
    for path in files:
        with path.open("rb") as file:
            events = (parse(line) for line in file if needle in line)
            found.extend(event for event in events if event and _belongs(event, ref))
    return found


def _belongs(event: Event, ref: str) -> bool:
    return ref in (event.ref.partition(".")[0], event.session)


def _events_of(files: list[Path], newest_first: bool) -> Iterator[Event]:
    for path in files:
        for line in _backwards(path) if newest_first else _forwards(path):
            if event := parse(line):
                yield event


def _forwards(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


def _backwards(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        first = b""
        while position:
            size = min(_BLOCK, position)
            position = file.seek(position - size)
            first, *lines = (file.read(size) + first).split(b"\n")
            yield from reversed(lines)
        yield first
