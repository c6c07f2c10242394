"""One person's lines in the journal: counting them, and masking the addresses in them.

By default events hold address keys only; where `journal.addresses` is on, plain addresses stand in
them too. `count_lines` finds lines by key. `mask_addresses` has the writing processes begin new
files (`begin_files`), then rewrites each finished file that holds a matching address, whole or not
at all: a new file beside it, flushed to the disk, takes its name. Lines keep their order and all
else that is in them. Raises OSError when a file cannot be read or written, and ControlError when a
process is there and does not answer.
"""

from __future__ import annotations

import asyncio
import fcntl
import mmap
import os
import re
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp

import orjson

from gateway.control import ControlError, ask
from gateway.errors import AddressSyntaxError
from gateway.journal import rotated_name
from gateway.journal_reader import parse
from gateway.message.address import parse_mailbox
from gateway.processes import JOURNAL_FOLDER, processes_in
from gateway.words import Address
from suppression.masking import mask

_WORD = re.compile(r"""(?:"(?:[^"\\]|\\.){0,64}"@)?[^\s<>()\[\]{},;:"]+""")
"""What may be an address when it has an @; `parse_mailbox` judges it. Linear in the text."""

IsMeant = Callable[[Address], bool]
"""Whether an address in the journal is one to mask."""


@dataclass(frozen=True, slots=True)
class Lines:
    """How often one kind of event names a person, and when first and last (Unix seconds)."""

    kind: str
    tenant: str
    count: int
    first: float
    last: float


def count_lines(folder: Path, keys: Collection[bytes], tenant: str = "") -> list[Lines]:
    """The events that name any of `keys`, by kind and tenant; of one tenant only if asked."""
    needle = re.compile(b"|".join(re.escape(key.hex().encode()) for key in keys))
    found: dict[tuple[str, str], Lines] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for line in _lines_with(path, needle):
            event = parse(line)
            if event is None or (tenant and event.tenant != tenant):
                continue
            same = (event.kind, event.tenant)
            known = found.get(same, Lines(*same, 0, event.at, event.at))
            found[same] = Lines(
                *same, known.count + 1, min(known.first, event.at), max(known.last, event.at)
            )
    return [found[same] for same in sorted(found)]


def mask_addresses(state_dir: Path, is_meant: IsMeant, since: float = 0.0) -> int:
    """Mask every address that `is_meant` in files written after `since`; how many lines changed.

    Blocks; what is written after the call has begun is not looked at.
    """
    folder = state_dir / JOURNAL_FOLDER
    for stale in folder.glob(".*.jsonl.*"):  # of a run that was killed
        stale.unlink(missing_ok=True)
    if not any(_may_hold(path, since) for path in folder.glob("*.jsonl")):
        return 0
    begin_files(state_dir)
    finished = [path for path in sorted(folder.glob("*-*.jsonl")) if _may_hold(path, since)]
    return sum(_rewrite(path, is_meant) for path in finished)


def begin_files(state_dir: Path) -> None:
    """Have each process begin a new journal file; where none runs, finish its file ourselves."""
    for process in processes_in(state_dir):
        path = state_dir / JOURNAL_FOLDER / f"{process.journal}.jsonl"
        if not path.stat().st_size:
            continue
        try:
            asyncio.run(ask(state_dir / process.socket, "rotate"))
        except ControlError as error:
            if not error.is_away or not _finish(path, process.journal):
                raise


def _finish(path: Path, process: str) -> bool:
    """Give a file that nobody writes its final name; False when somebody holds its lock."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        path.rename(rotated_name(path.parent, process, time.time_ns()))
    return True


def _may_hold(path: Path, since: float) -> bool:
    """Whether the file was written after `since` and has an address at all."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not status.st_size or status.st_mtime < since:
                return False
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as octets:
                return octets.find(b"@") >= 0
    except FileNotFoundError:  # the process has pruned it meanwhile
        return False


def _lines_with(path: Path, needle: re.Pattern[bytes]) -> Iterator[bytes]:
    """Each line of the file that `needle` is found in, once."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        if not os.fstat(file.fileno()).st_size:
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as octets:
            end = 0
            while match := needle.search(octets, end):
                start = octets.rfind(b"\n", end, match.start()) + 1 or end
                end = octets.find(b"\n", match.end())
                end = len(octets) if end < 0 else end + 1
                yield octets[start:end]


def _rewrite(path: Path, is_meant: IsMeant) -> int:
    """Mask in one finished file; how many lines changed. Leaves it alone when there are none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0
    descriptor, name = mkstemp(prefix=f".{path.name}.", dir=path.parent)
    changed = 0
    try:
        with open(descriptor, "wb") as out, path.open("rb") as file:
            for line in file:
                fresh = _masked(line, is_meant) if b"@" in line else line
                changed += fresh is not line
                out.write(fresh)
            out.flush()
            os.fsync(out.fileno())
        if changed and path.exists():
            os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns))
            os.replace(name, path)
            _sync(path.parent)
            return changed
    finally:
        Path(name).unlink(missing_ok=True)
    return 0


def _masked(line: bytes, is_meant: IsMeant) -> bytes:
    """The line with every address that `is_meant` masked; the very same object when none is."""
    has_changed = False

    def shown(found: re.Match[str]) -> str:
        nonlocal has_changed
        try:
            if "@" not in found[0] or not is_meant(parse_mailbox(found[0])):
                return found[0]
        except AddressSyntaxError:
            return found[0]
        has_changed = True
        return mask(found[0])

    def walk(value: object) -> object:
        match value:
            case str():
                return _WORD.sub(shown, value) if "@" in value else value
            case dict():
                return {name: walk(inner) for name, inner in value.items()}
            case list():
                return [walk(inner) for inner in value]
            case _:
                return value

    try:
        fresh = walk(orjson.loads(line))
    except orjson.JSONDecodeError:  # torn by a crash: nobody reads it, so nothing is lost with it
        return mask(line.decode(errors="replace")).encode()
    return orjson.dumps(fresh, option=orjson.OPT_APPEND_NEWLINE) if has_changed else line


def _sync(folder: Path) -> None:
    """Make a rename survive a power cut."""
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
