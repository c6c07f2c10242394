"""The framing both SMTP sides share: lines in, message data in, dots out. Sans-I/O and strict.

`LineBuffer` cuts a byte stream into lines that end in CRLF and nothing else. `DataReader` takes
what follows DATA up to CRLF.CRLF (RFC 5321 section 4.1.1.4), removes the dots of transparency
(section 4.5.2) and yields line-aligned blocks. A bare CR, a bare LF or a NUL never gets through
either; neither keeps more than a bounded rest in memory, whatever arrives.
"""

from __future__ import annotations

from enum import Enum

COMMAND_LINE = 2048
"""Octets of one command line: 512 of RFC 5321 section 4.5.3.1.4 and what extensions add to it."""
TEXT_LINE = 998
"""Octets of one line of a message without its CRLF (RFC 5322 section 2.1.1)."""
BLOCK = 32_768
"""Octets after which complete lines of message data are handed on."""


class FramingError(Exception):
    """The peer's octets do not form a line; the reader is in step again after the next CRLF."""


class BareLineEnding(FramingError):
    """A CR or LF that is no part of a CRLF, or a NUL."""


class LineTooLong(FramingError):
    """More octets than a line may have."""


class LineBuffer:
    """Cuts what is fed into lines of at most `limit` octets, CRLF not counted."""

    __slots__ = ("_buffer", "_limit", "_skipping", "_to_skip")

    def __init__(self, limit: int = COMMAND_LINE) -> None:
        self._buffer = bytearray()
        self._limit = limit
        self._skipping = False
        self._to_skip = 0

    def __len__(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Add octets as they came from the peer."""
        self._buffer += data

    def next_line(self) -> bytes | None:
        """The next line without its CRLF, or None until more octets are fed.

        Raises a `FramingError` once for each line that is none; what is left of such a line, up to
        its CRLF, is thrown away, so that nothing hidden in it is ever read as a command.
        """
        buffer = self._buffer
        if self._to_skip:
            skipped = min(self._to_skip, len(buffer))
            del buffer[:skipped]
            self._to_skip -= skipped
            if self._to_skip:
                return None
        while True:
            end = buffer.find(b"\n")
            if self._skipping:
                if end < 0:
                    del buffer[: max(0, len(buffer) - 1)]
                    return None
                self._skipping = end == 0 or buffer[end - 1] != 13
                del buffer[: end + 1]
                continue
            if end < 0:
                if len(buffer) > self._limit + 1:
                    self._skipping = True
                    raise LineTooLong
                return None
            if end == 0 or buffer[end - 1] != 13:
                self._skipping = True
                del buffer[: end + 1]
                raise BareLineEnding
            line = bytes(buffer[: end - 1])
            del buffer[: end + 1]
            if len(line) > self._limit:
                raise LineTooLong
            if b"\r" in line or b"\0" in line:
                raise BareLineEnding
            return line

    def skip(self, octets: int) -> None:
        """Throw away the next `octets`, whatever they are, before the next line begins."""
        self._to_skip = octets

    def drain(self) -> bytes:
        """All that is left, and an empty buffer: for the octets behind DATA and STARTTLS."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest


class Flaw(Enum):
    """Why message data cannot be taken; the rest of it is read and thrown away."""

    BARE_LINE_ENDING = "a line ends in a bare CR or LF, or there is a NUL"
    LINE_TOO_LONG = "a line is longer than 998 octets"
    TOO_BIG = "the message is larger than it may be"
    NO_MEMORY = "no memory for the message"


class DataReader:
    """Reads one message's data. `size` counts octets after unstuffing, CRLFs included.

    `done` turns true at CRLF.CRLF; `rest` then holds the octets behind it (the next commands).
    After a `flaw` blocks are no longer handed on, but the end is still looked for.
    """

    __slots__ = ("_buffer", "_has_dots", "_max_size", "_searched", "done", "flaw", "rest", "size")

    def __init__(self, max_size: int) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._has_dots = False
        self._max_size = max_size
        self.done = False
        self.flaw: Flaw | None = None
        self.rest = b""
        self.size = 0

    def feed(self, data: bytes) -> bytes:
        """Take octets; give complete lines, unstuffed and checked, or b"" for the time being."""
        buffer = self._buffer
        buffer += data
        # The buffer always begins at the beginning of a line, so the dot may be its first octet.
        if buffer.startswith(b".\r\n"):
            return self._finish(0, 3)
        end = self._find_end()
        if end >= 0:
            return self._finish(end + 2, end + 5)
        self._searched = max(0, len(buffer) - 4)
        if len(buffer) < BLOCK:
            return b""
        return self._cut(buffer.rfind(b"\r\n") + 2)

    def discard(self, flaw: Flaw) -> None:
        """Throw away what still comes, for a reason the caller has."""
        if self.flaw is None:
            self.flaw = flaw

    def _find_end(self) -> int:
        """Where the first CRLF.CRLF begins, or -1."""
        # Most messages have no line with a dot in front but their last one. `rfind` says so in a
        # third of the time that `find` takes for the end itself, and no dot need be looked for.
        buffer, start = self._buffer, self._searched
        is_last = buffer.endswith(b"\r\n.\r\n")
        last = len(buffer) - 5 if is_last else len(buffer)
        if buffer.rfind(b"\r\n.", start, last) < 0:
            return last if is_last else -1
        self._has_dots = True
        return buffer.find(b"\r\n.\r\n", start)

    def _finish(self, end: int, rest: int) -> bytes:
        self.done = True
        self.rest = bytes(self._buffer[rest:])
        block = self._check(bytes(self._buffer[:end]))
        self._buffer.clear()
        return block

    def _cut(self, end: int) -> bytes:
        buffer = self._buffer
        if end == 1:  # no CRLF in a whole block: what is kept must still show the final dot
            self.discard(Flaw.LINE_TOO_LONG)
            end = len(buffer) - 4
            del buffer[:end]
            # An "a" in front keeps a kept "." from being taken for the first octet of a line.
            buffer[:0] = b"a"
            self._searched = 0
            return b""
        block = bytes(buffer[:end])
        del buffer[:end]
        self._searched = 0
        return self._check(block)

    def _check(self, block: bytes) -> bytes:
        if self.flaw is not None or not block:
            return b""
        # What is left without an octet tells how often it stood there, and the parts between ends
        # how many those are, both faster than counting.
        ends = len(block) - len(block.split(b"\r\n")) + 1
        feeds, returns = len(block.replace(b"\n", b"")), len(block.replace(b"\r", b""))
        if feeds != ends or returns != ends or b"\0" in block:
            self.flaw = Flaw.BARE_LINE_ENDING
            return b""
        if _has_long_line(block):
            self.flaw = Flaw.LINE_TOO_LONG
            return b""
        if block[0] == 46:
            block = block[1:]
        if self._has_dots:
            block = block.replace(b"\r\n.", b"\r\n")
        self.size += len(block)
        if self.size > self._max_size:
            self.flaw = Flaw.TOO_BIG
            return b""
        return block


def _has_long_line(block: bytes) -> bool:
    # Jumps from line end to line end in strides of a whole line: few steps, however long the block.
    # A line may carry one stuffed dot beyond its 998 octets (RFC 5321 section 4.5.3.1.6).
    start, last = 0, len(block)
    while last - start > TEXT_LINE + 2:
        stride = TEXT_LINE + 2 + (block[start] == 46)
        found = block.rfind(b"\n", start, start + stride)
        if found < 0:
            return True
        start = found + 1
    return False


def dot_stuff(block: bytes) -> bytes:
    """`block`, line-aligned, with a dot before each line that begins with one (section 4.5.2)."""
    if block.startswith(b"."):
        block = b"." + block
    return block.replace(b"\r\n.", b"\r\n..") if block.rfind(b"\r\n.") >= 0 else block
