"""Draws a picture anew: reads one on standard input, writes another on standard output.

A program of its own, run by `gateway.uploads.picture` and never imported: whatever a hostile file
does to the decoder, it does to a process that holds nothing, is limited in memory, time and files,
and ends. What comes out is made of pixels alone: no metadata, profile, comment or appended data.
The first line of the output is a word: `png` or `jpeg` with the octets after it, else why not:
`type`, `pixels` or `broken`.
"""

from __future__ import annotations

import io
import resource
import sys
import warnings
from contextlib import suppress

from PIL import Image, ImageOps

MEMORY = 1 << 30
CPU_SECONDS = 10
MAX_PIXELS = 40_000_000
"""A screen of 7680 x 4320 has 33 million."""
MAX_SIDE = 20_000
MAX_OCTETS = 10_000_000
KINDS = {"PNG": b"\x89PNG\r\n\x1a\n", "JPEG": b"\xff\xd8\xff", "WEBP": b"RIFF"}


def kind_of(octets: bytes) -> str | None:
    """Which of the kinds taken these octets begin like."""
    found = next((kind for kind, magic in KINDS.items() if octets.startswith(magic)), None)
    return None if found == "WEBP" and octets[8:12] != b"WEBP" else found


def draw(octets: bytes) -> tuple[str, bytes]:
    """The word, and the new picture's octets if there is one."""
    kind = kind_of(octets)
    if kind is None:
        return "type", b""
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        with Image.open(io.BytesIO(octets), formats=(kind,)) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
                return "pixels", b""
            picture.load()
            upright: Image.Image = picture
            with suppress(Exception):  # broken metadata turns nothing
                upright = ImageOps.exif_transpose(picture)
            pixels = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return "pixels", b""
    except Exception:  # whatever a decoder raises about a file, the file is no picture
        return "broken", b""
    if pixels.mode == "RGBA":
        ground = Image.new("RGB", pixels.size, "white")
        ground.paste(pixels, mask=pixels.getchannel("A"))
        pixels = ground
    # Made of the pixels alone: nothing else that was read can come along.
    clean = Image.frombytes("RGB", pixels.size, pixels.tobytes())
    if kind != "JPEG":
        made = io.BytesIO()
        clean.save(made, "PNG", compress_level=4)
        if made.tell() <= MAX_OCTETS:
            return "png", made.getvalue()
    for quality in (90, 60):
        made = io.BytesIO()
        clean.save(made, "JPEG", quality=quality)
        if made.tell() <= MAX_OCTETS:
            return "jpeg", made.getvalue()
    return "pixels", b""


def main() -> int:
    """Limit this process, then draw."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    word, octets = draw(sys.stdin.buffer.read())
    sys.stdout.buffer.write(word.encode() + b"\n" + octets)
    return 0


if __name__ == "__main__":
    sys.exit(main())
