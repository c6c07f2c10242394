"""The opt-out log's file: one line a record, append-only, each line chained to the one before.

A line is `<number> <body> <digest>`, the digest SHA-256 in hex over the digest before it (32
octets) and `<number> <body>`; a body is JSON without a newline. `append` returns when the lines are
on the disk, or leaves the file as it was. Appending and cutting are for who holds the database's
write lock. Raises StoreUnavailable when the file cannot be read or written, and `LogBroken` when
it is not what it was.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from gateway.errors import StoreUnavailable

_DIGEST_CHARACTERS = 64


class LogBroken(StoreUnavailable):
    """The log is missing, shorter than it was, or not the one the database knows."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record ends: its number, its digest, and the file's octets up to there."""

    number: int
    digest: bytes
    octets: int

    def __str__(self) -> str:
        return f"{self.number} {self.digest.hex()} {self.octets}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """The position that `str` gave."""
        number, digest, octets = text.split()
        return cls(int(number), bytes.fromhex(digest), int(octets))


START = Position(0, bytes(32), 0)
"""Before the first record."""


class LogFile:
    """The file at `path`, opened afresh by each call, so that a disk mounted late is seen."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def size(self) -> int:
        """The file's octets; 0 when it is not there."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise self._unavailable(error) from error

    def append(self, after: Position, bodies: Sequence[str]) -> Position:
        """Write a record for each body behind `after`, the last there is; where the last ends."""
        lines = bytearray()
        end = after
        for body in bodies:
            end, line = _following(end, body)
            lines += line
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        try:
            if after == START:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                flags |= os.O_CREAT
            file = os.open(self.path, flags, 0o600)
            try:
                if os.fstat(file).st_size != after.octets:
                    raise LogBroken(f"{self.path}: somebody else writes to it")
                _write(file, bytes(lines), after.octets)
            finally:
                os.close(file)
            if after == START:
                _sync_folder(self.path.parent)
        except OSError as error:
            raise self._unavailable(error) from error
        return end

    def holds(self, position: Position) -> bool:
        """Whether the record that the database noted is where it was."""
        if position == START:
            return True
        ending = position.digest.hex().encode() + b"\n"
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, position.octets - len(ending)))
                return file.read(len(ending)) == ending
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._unavailable(error) from error

    def records(self, after: Position = START) -> Iterator[tuple[Position, str]]:
        """Each whole record behind `after` and where it ends; LogBroken at one that does not fit.

        A last line without its end was cut short by a crash before its commit; it is left out.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(after.octets)
                for line in file:
                    if not line.endswith(b"\n"):
                        return
                    after, body = self._checked(after, line)
                    yield after, body
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._unavailable(error) from error

    def cut(self, end: Position) -> None:
        """Drop what a crash left behind the last whole record."""
        try:
            os.truncate(self.path, end.octets)
        except OSError as error:
            raise self._unavailable(error) from error

    def _checked(self, before: Position, line: bytes) -> tuple[Position, str]:
        try:
            body = line[: -_DIGEST_CHARACTERS - 2].decode().partition(" ")[2]
        except UnicodeDecodeError:
            body = ""
        following, expected = _following(before, body)
        if line != expected:
            raise LogBroken(f"{self.path}: record {following.number} is not what was written")
        return following, body

    def _unavailable(self, error: OSError) -> StoreUnavailable:
        return StoreUnavailable(f"opt-out log {self.path}: {error.strerror or error}")


def _following(before: Position, body: str) -> tuple[Position, bytes]:
    """The position and the line of the record with `body` behind `before`."""
    number = before.number + 1
    content = f"{number} {body}".encode()
    digest = sha256(before.digest + content).digest()
    line = b"%b %b\n" % (content, digest.hex().encode())
    return Position(number, digest, before.octets + len(line)), line


def _write(file: int, lines: bytes, before: int) -> None:
    rest = memoryview(lines)
    try:
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fdatasync(file)
    except OSError:
        # Also after a failed flush: its pages count as written, only new ones are tried again.
        with suppress(OSError):
            os.ftruncate(file, before)
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
