"""Following the journal so that each of its lines counts once: the places reached, in the records.

`next_stretch` gives the lines of the SMTP workers' files that were not followed yet, oldest file
first; `move` notes them as followed, in the transaction that has their effects. A file is known by
its first event and its number of lines, which neither rotation nor an erasure (it rewrites files
line by line) changes: so whatever is killed when, every line has its effects once. A node that has
followed nothing yet begins an hour ago (`begin`). Raises OSError, and StoreUnavailable when
somebody else has moved the place meanwhile.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import orjson
from sqlalchemy import Connection, delete, insert, select

from gateway.errors import StoreUnavailable
from gateway.events import Event
from gateway.journal_reader import parse
from gateway.records.tables import meta

SLICE_OCTETS = 65_536
"""Followed in one transaction: some hundred messages."""
HISTORY = 3600.0
"""Seconds before the first start whose lines are followed: older ones are from before it could."""
MARK_OCTETS = 256
_NAMES = "followed:"
_FIRST = 16
"""Digits of the digest that a file is known by."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far a node has followed one file: so many lines, the last event in them of `at` (Unix
    seconds). `mark` is a digest of the octets before `octets`, which with the inode saves counting
    the lines; `ended` is the change time (ns) of a file that is finished and followed to its end,
    and `name` what it is called from then on."""

    first: str
    node: str
    lines: int = 0
    at: float = 0.0
    octets: int = 0
    inode: int = 0
    mark: str = ""
    ended: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Whole lines to be followed next, from a place on record (None: none yet) to another."""

    before: Place | None
    after: Place
    lines: tuple[bytes, ...] = ()


@dataclass(slots=True)
class _File:
    """An open file with the place on record, and the one to go on from."""

    path: Path
    octets: BinaryIO
    status: os.stat_result
    is_finished: bool
    stored: Place | None = None
    place: Place = field(default_factory=lambda: Place("", ""))


def begin(connection: Connection, folder: Path, node: str, now: float) -> None:
    """On the first look of a node: everything older than an hour counts as followed."""
    places = _places(connection)
    if any(place.node == node for place in places.values()):
        return
    begun = []
    for file in _files(folder, node, places):
        if file.stored is not None:  # the node has another name than it had
            return
        begun.append(_after(file, *_skip(file, lambda event: event.at < now - HISTORY)))
    for place in begun:
        if place.lines:
            _put(connection, place)


def next_stretch(connection: Connection, folder: Path, node: str) -> Stretch | None:
    """The next lines, or the end of a file; None when all is followed."""
    for file in _files(folder, node, _places(connection)):
        file.octets.seek(file.place.octets)
        octets = file.octets.read(SLICE_OCTETS)
        if len(octets) == SLICE_OCTETS:
            octets += file.octets.readline()
        if not file.is_finished:
            octets = octets[: octets.rfind(b"\n") + 1]
        if not octets and not file.is_finished:
            continue
        lines = _split(octets)
        after = _after(file, file.place.lines + len(lines), file.place.octets + len(octets), lines)
        if after != file.stored:
            return Stretch(file.stored, after, lines)
    return None


def move(connection: Connection, folder: Path, stretch: Stretch) -> None:
    """From now on the stretch counts as followed. Raises StoreUnavailable when its beginning is no
    longer the place on record; the caller's transaction must then end."""
    name = _NAMES + stretch.after.first
    stored = connection.scalar(select(meta.c.value).where(meta.c.name == name))
    if (None if stored is None else _read(stored)) != stretch.before:
        raise StoreUnavailable("the journal is followed by another process, too")
    _put(connection, stretch.after)
    if stretch.after.ended:
        _forget_gone(connection, folder, stretch.after.node)


# ---- files --------------------------------------------------------------------------------------


def _files(folder: Path, node: str, places: Mapping[str, Place]) -> Iterator[_File]:
    """The workers' files that may hold more than was followed, by when they ended."""
    by_inode = {place.inode: place for place in places.values() if place.node == node}
    for path in sorted(folder.glob("smtp[.-]*jsonl"), key=_age):
        with suppress(FileNotFoundError):  # rotated or pruned just now
            status = path.stat()
            known = by_inode.get(status.st_ino)
            if known is not None and _is_followed(path, status, known):
                continue
            with path.open("rb") as octets:
                # What was opened counts: the name may lead elsewhere by now.
                file = _File(path, octets, os.fstat(octets.fileno()), _is_finished(path))
                if _find(file, node, by_inode, places):
                    yield file


def _age(path: Path) -> tuple[bool, str]:
    return not _is_finished(path), path.stem.partition("-")[2]


def _is_finished(path: Path) -> bool:
    return "-" in path.name


def _is_followed(path: Path, status: os.stat_result, place: Place) -> bool:
    if _is_finished(path):
        return (place.ended, place.octets) == (status.st_ctime_ns, status.st_size)
    return not place.ended and place.octets == status.st_size


def _find(
    file: _File, node: str, by_inode: Mapping[int, Place], places: Mapping[str, Place]
) -> bool:
    """Where to go on; False when there is no event yet."""
    known = by_inode.get(file.status.st_ino)
    if known is not None and _stands(file, known):
        file.stored = file.place = known
        return True
    first = _first(file)
    if not first:
        return False
    stored = file.stored = places.get(first)
    if stored is None:
        file.place = Place(first, node)
        return True
    if _stands(file, stored):
        # Of a node that has another name now, or beside the place of a deleted file whose inode
        # this one has got.
        file.place = replace(stored, node=node)
        return True
    if stored.inode == file.status.st_ino:
        # Its end was lost, with the power or for want of room; what came since was not followed.
        lines, octets = _skip(file, lambda event: event.at <= stored.at)
    else:
        lines, octets = _skip(file, lines=stored.lines)
    file.place = replace(stored, node=node, lines=lines, octets=octets)
    return True


def _stands(file: _File, place: Place) -> bool:
    """Whether what was followed is still before the place."""
    return place.octets > 0 and _mark(file, place.octets) == place.mark


def _first(file: _File) -> str:
    """What a file is known by: process, time and names of its first event, which no erasure
    changes; "" while there is none."""
    file.octets.seek(0)
    process = file.path.stem.partition("-")[0]
    for line in file.octets:
        if (event := parse(line)) is not None and line.endswith(b"\n"):
            told = orjson.dumps([process, event.at, event.kind, event.session, event.ref])
            return hashlib.blake2b(told, digest_size=_FIRST).hexdigest()
    return ""


def _skip(
    file: _File, is_old: Callable[[Event], bool] | None = None, lines: int = sys.maxsize
) -> tuple[int, int]:
    """How many lines, and how many octets, there are before the first event that is not old; of the
    first `lines` lines at most."""
    count = octets = 0
    file.octets.seek(0)
    while count < lines and (line := file.octets.readline()):
        event = None if is_old is None else parse(line)
        if event is not None and is_old is not None and not is_old(event):
            break
        count, octets = count + 1, octets + len(line)
    return count, octets


def _after(file: _File, lines: int, octets: int, read: Sequence[bytes] = ()) -> Place:
    """The place with so many lines and octets before it, the last of them those that were read."""
    is_ended = file.is_finished and octets >= file.status.st_size
    times = (event.at for line in reversed(read) if (event := parse(line)) is not None)
    return replace(
        file.place,
        lines=lines,
        at=next(times, file.place.at),
        octets=octets,
        inode=file.status.st_ino,
        mark=_mark(file, octets),
        ended=file.status.st_ctime_ns if is_ended else 0,
        name=file.path.name if is_ended else "",
    )


def _mark(file: _File, octets: int) -> str:
    start = max(0, octets - MARK_OCTETS)
    read = os.pread(file.octets.fileno(), octets - start, start)
    return hashlib.blake2b(read, digest_size=8).hexdigest()


def _split(octets: bytes) -> tuple[bytes, ...]:
    """The lines. A line feed ends one and nothing else: what a crash has torn may hold anything."""
    return tuple(octets.removesuffix(b"\n").split(b"\n")) if octets else ()


# ---- places -------------------------------------------------------------------------------------


def _places(connection: Connection) -> dict[str, Place]:
    """Every node's, by what their files are known by: a node may have another name by now."""
    row = meta.c
    stored = select(row.value).where(row.name.startswith(_NAMES))
    found = (_read(value) for value in connection.execute(stored).scalars())
    return {place.first: place for place in found}


def _read(value: str) -> Place:
    return Place(**orjson.loads(value))


def _put(connection: Connection, place: Place) -> None:
    name = _NAMES + place.first
    connection.execute(delete(meta).where(meta.c.name == name))
    value = orjson.dumps(asdict(place)).decode()
    connection.execute(insert(meta), {"name": name, "value": value})


def _forget_gone(connection: Connection, folder: Path, node: str) -> None:
    """Drop the places of finished files that were deleted; a rewritten one keeps its name."""
    for place in _places(connection).values():
        if place.node == node and place.ended and not (folder / place.name).exists():
            connection.execute(delete(meta).where(meta.c.name == _NAMES + place.first))
