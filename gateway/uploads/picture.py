"""Has a picture drawn anew in a process of its own; see `gateway.uploads.drawing`.

`redraw` takes the octets of an upload, gives a `Picture`, and raises Refused for what is no picture
of a kind that is taken, is broken or has too many pixels. A drawing process that dies or takes too
long was given a broken picture.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gateway.errors import ConsentryError
from gateway.uploads import drawing

MAX_OCTETS = drawing.MAX_OCTETS
SECONDS = 15.0
_TYPES = {"png": "image/png", "jpeg": "image/jpeg"}
_PROGRAM = str(Path(drawing.__file__))


class Why(StrEnum):
    """Why an upload was not taken."""

    EMPTY = "empty"
    SIZE = "size"
    """More than MAX_OCTETS."""
    TYPE = "type"
    """No PNG, JPEG or WebP by its content."""
    BROKEN = "broken"
    PIXELS = "pixels"
    VIRUS = "virus"


class Refused(ConsentryError):
    """An upload was not taken; `found` is the scanner's name for what it found."""

    def __init__(self, why: Why, found: str = "") -> None:
        super().__init__(f"the upload is not taken: {why}")
        self.why = why
        self.found = found


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture made by us: PNG or JPEG."""

    media_type: str
    octets: bytes


async def redraw(octets: bytes, seconds: float = SECONDS) -> Picture:
    """The same picture with nothing in it but what can be seen."""
    if not octets:
        raise Refused(Why.EMPTY)
    if len(octets) > MAX_OCTETS:
        raise Refused(Why.SIZE)
    if drawing.kind_of(octets) is None:
        raise Refused(Why.TYPE)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        _PROGRAM,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    try:
        async with asyncio.timeout(seconds):
            said, _ = await process.communicate(octets)
    except TimeoutError:
        raise Refused(Why.BROKEN) from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    word, _, made = said.partition(b"\n")
    if process.returncode or not word:
        raise Refused(Why.BROKEN)
    if word.decode() in _TYPES:
        return Picture(_TYPES[word.decode()], made)
    raise Refused(Why(word.decode()))
