"""Pictures drawn anew: only what can be seen comes out, and hostile files come to nothing."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from gateway.uploads import drawing, picture
from gateway.uploads.drawing import draw
from gateway.uploads.intake import UNSCANNED, take
from gateway.uploads.picture import MAX_OCTETS, Refused, Why, redraw

SECRET = b"SECRET-c0ffee"
RED, BLUE = (200, 10, 10), (10, 10, 200)


def two_halves(size: tuple[int, int] = (64, 48)) -> Image.Image:
    """Red on the left, blue on the right."""
    made = Image.new("RGB", size, RED)
    made.paste(BLUE, (size[0] // 2, 0, *size))
    return made


def saved(kind: str, **options: object) -> bytes:
    """The picture as a file of that kind."""
    file = io.BytesIO()
    two_halves().save(file, kind, **options)
    return file.getvalue()


def loaded_png() -> bytes:
    """A PNG with a comment, a profile, EXIF data and a zip appended."""
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", SECRET.decode())
    texts.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    return saved("PNG", pnginfo=texts, exif=exif, icc_profile=SECRET) + b"PK\3\4" + SECRET


def loaded_jpeg(orientation: int = 1) -> bytes:
    """A JPEG with EXIF data (place and camera), a comment, a profile and a script appended."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x0110] = SECRET.decode()
    exif.get_ifd(0x8825)[1] = SECRET.decode()
    made = saved("JPEG", exif=exif, comment=SECRET, icc_profile=SECRET, quality=95)
    return made + b"<?php " + SECRET


def chunk(name: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of(width: int, height: int, data: bytes) -> bytes:
    """A PNG that says it has this size, whatever its data holds."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("octets", "word"),
    [
        (loaded_png(), "png"),
        (loaded_jpeg(), "jpeg"),
        (saved("WEBP", exif=b"Exif\0\0" + SECRET, xmp=SECRET, lossless=True) + SECRET, "png"),
    ],
    ids=["png", "jpeg", "webp"],
)
def test_what_is_hidden_in_a_picture_is_gone(octets: bytes, word: str) -> None:
    """Comments, profiles, places, previews and what was appended do not come out; what can be seen
    does."""
    assert SECRET in octets
    said, made = draw(octets)
    assert said == word
    assert SECRET not in made
    with Image.open(io.BytesIO(made)) as again:
        assert set(again.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert not again.getexif()
        left, right = again.getpixel((5, 5)), again.getpixel((60, 40))
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)
    assert max(abs(a - b) for a, b in zip((*left, *right), (*RED, *BLUE), strict=True)) < 12


def test_a_turned_picture_stands_upright() -> None:
    """The orientation that EXIF said is kept, though EXIF is not."""
    said, made = draw(loaded_jpeg(orientation=6))
    assert said == "jpeg"
    with Image.open(io.BytesIO(made)) as again:
        assert again.size == (48, 64)


def test_only_the_first_of_many_pictures_is_kept_and_nothing_shines_through() -> None:
    """An animation becomes its first picture; what is transparent becomes white."""
    file = io.BytesIO()
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    clear.save(file, "PNG", save_all=True, append_images=[Image.new("RGBA", (8, 8), "black")])
    said, made = draw(file.getvalue())
    assert said == "png"
    with Image.open(io.BytesIO(made)) as again:
        assert getattr(again, "n_frames", 1) == 1
        assert again.convert("RGB").getpixel((1, 1)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"GIF89a" + bytes(50), "type"),
        (b"%PDF-1.7\n", "type"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "type"),
        (b"<!doctype html><script>alert(1)</script>", "type"),
        (b"RIFF\x10\0\0\0AVI LIST", "type"),
        (b"MZ" + saved("PNG"), "type"),
        (b"\x89PNG\r\n\x1a\n", "broken"),
        (saved("PNG")[:-40], "broken"),
        (saved("JPEG")[:200], "broken"),
        (png_of(64, 48, b"no deflate"), "broken"),
        (b"\xff\xd8\xff" + b"<script>" * 50, "broken"),
        (b"RIFF\xff\xff\xff\x7fWEBPVP8 ", "broken"),
        (png_of(50_000, 50_000, zlib.compress(b"")), "pixels"),
        (png_of(7000, 7000, zlib.compress(bytes(1000))), "pixels"),
        (png_of(30_000, 1, zlib.compress(bytes(90_001))), "pixels"),
    ],
)
def test_what_is_no_picture_comes_to_nothing(octets: bytes, why: str) -> None:
    """By content, not by name: other kinds, broken files, files cut short, and bombs."""
    assert draw(octets) == (why, b"")


@given(st.binary(max_size=300), st.sampled_from(list(drawing.KINDS.values())))
def test_no_octets_break_the_drawing(octets: bytes, magic: bytes) -> None:
    """Whatever follows a picture's first octets, a word is said."""
    assert draw(magic + octets)[0] in ("type", "broken", "pixels")


def test_a_program_that_hides_in_a_picture_dies() -> None:
    """Octets that are a picture and something else too come out as a picture only."""
    for hidden in (b"<script>alert(1)</script>", b"PK\x05\x06", b"%PDF-1.4", b"<?php eval"):
        exif = Image.Exif()
        exif[0x010E] = hidden.decode("latin-1")
        for octets in (saved("JPEG", comment=hidden, exif=exif), saved("PNG") + hidden):
            assert hidden in octets
            assert hidden not in draw(octets)[1]


async def test_the_process_that_draws_gives_the_picture_or_says_why() -> None:
    """End to end with the limits of the process; a bomb and a broken file end it, not us."""
    noise = Image.frombytes("RGB", (300, 200), Random(1).randbytes(180_000))
    file = io.BytesIO()
    noise.save(file, "WEBP", lossless=True)
    upload = await take(file.getvalue(), "C:\\fake\\..\\li\u202esta\0.webp", None)
    assert (upload.media_type, upload.name, upload.scanned) == (
        "image/png",
        "lista.webp",
        UNSCANNED,
    )
    with Image.open(io.BytesIO(upload.octets), formats=["PNG"]) as again:
        assert again.tobytes() == noise.tobytes()
    with pytest.raises(Refused) as refusal:
        await redraw(png_of(7000, 7000, zlib.compress(bytes(1000))))
    assert refusal.value.why is Why.PIXELS


def runs(pid_file: Path) -> bool:
    """Whether the process that wrote its number there still runs."""
    return pid_file.exists() and Path(f"/proc/{pid_file.read_text()}").exists()


@pytest.mark.parametrize(
    ("program", "seconds"),
    [
        ("import os; os.abort()", 10.0),
        ("raise SystemExit(3)", 10.0),
        (
            "import os\nopen(__file__ + '.pid', 'w').write(str(os.getpid()))\nwhile 1: pass",
            0.5,
        ),
    ],
    ids=["dies", "fails", "hangs"],
)
async def test_a_decoder_that_dies_or_hangs_was_given_a_broken_picture(
    program: str, seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end, with or without a signal, and its silence are answers; nothing stays running."""
    path = tmp_path / "decoder.py"
    path.write_text(program)
    monkeypatch.setattr(picture, "_PROGRAM", str(path))
    with pytest.raises(Refused) as refusal:
        await redraw(saved("PNG"), seconds)
    assert refusal.value.why is Why.BROKEN
    assert not runs(tmp_path / "decoder.py.pid")


@pytest.mark.parametrize(
    ("octets", "why"),
    [(b"", Why.EMPTY), (b"\x89PNG" + bytes(MAX_OCTETS), Why.SIZE), (b"hello", Why.TYPE)],
)
async def test_sizes_are_looked_at_first(octets: bytes, why: Why) -> None:
    """Nothing, too much and what is no picture is refused before any process is begun."""
    with pytest.raises(Refused) as refusal:
        await take(octets, "list.png", None)
    assert refusal.value.why is why
