"""Reads the text of a PDF that fpdf2 wrote, by its fonts' own tables, as a reader copies it.

Knows only what such a file holds: Flate streams, two-octet codes, and one ToUnicode table a font.
"""

from __future__ import annotations

import re
import zlib

_OBJECT = re.compile(rb"\n(\d+) 0 obj\n(.*?)\nendobj", re.DOTALL)
_STREAM = re.compile(rb"(.*?)stream\n(.*)\nendstream", re.DOTALL)
_SHOWN = re.compile(rb"/(F\d+) [\d.]+ Tf|\(((?:[^\\()]|\\.)*)\) ?Tj", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def text_of(pdf: bytes) -> str:
    """Every shown string in the order of the pages, a line each."""
    objects = {int(number): body for number, body in _OBJECT.findall(pdf)}
    fonts = {
        name.decode(): _table(objects, objects[int(number)])
        for body in objects.values()
        for name, number in re.findall(rb"/(F\d+) (\d+) 0 R", body)
    }
    lines = []
    for body in objects.values():
        if b"/Type /Page\n" not in body:
            continue
        content = re.search(rb"/Contents (\d+) 0 R", body)
        assert content is not None
        table: dict[int, str] = {}
        for font, shown in _SHOWN.findall(_stream(objects[int(content[1])])):
            if font:
                table = fonts[font.decode()]
                continue
            octets = re.sub(rb"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), shown, flags=re.DOTALL)
            codes = [octets[at] << 8 | octets[at + 1] for at in range(0, len(octets), 2)]
            lines.append("".join(table[code] for code in codes))
    return "\n".join(lines)


def _stream(body: bytes) -> bytes:
    found = _STREAM.match(body)
    assert found is not None
    return zlib.decompress(found[2]) if b"/FlateDecode" in found[1] else found[2]


def _table(objects: dict[int, bytes], font: bytes) -> dict[int, str]:
    number = re.search(rb"/ToUnicode (\d+) 0 R", font)
    assert number is not None
    pairs = re.findall(rb"<([0-9A-Fa-f]+)> <([0-9A-Fa-f]+)>\n", _stream(objects[int(number[1])]))
    return {int(code, 16): bytes.fromhex(text.decode()).decode("utf-16-be") for code, text in pairs}
