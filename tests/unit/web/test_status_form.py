"""The status page's form reader: whole forms in any pieces, and no room for who has no pass."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.types import Message

from gateway.uploads.picture import MAX_OCTETS
from gateway.web.status.form import FORM_OCTETS, THROWN_AWAY, Form, TooLarge, read_form


class Body:
    """A request whose body comes in pieces; `taken` counts those asked for."""

    def __init__(self, pieces: list[bytes], kind: str = "multipart/form-data; boundary=x") -> None:
        self.taken = 0
        self._pieces: Iterator[bytes] = iter(pieces)
        headers = [(b"content-type", kind.encode("latin-1"))]
        scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
        self.request = Request(scope, self._receive)

    async def _receive(self) -> Message:
        self.taken += 1
        piece = next(self._pieces, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}


def part(name: str, octets: bytes, file: str | None = None) -> bytes:
    """One part of a form as browsers write it."""
    named = f'form-data; name="{name}"' + (f'; filename="{file}"' if file is not None else "")
    head = f"--x\r\nContent-Disposition: {named}\r\n\r\n"
    return head.encode() + octets + b"\r\n"


def holder(fields: object) -> bool:
    """Whether a form comes from who may send files."""
    return isinstance(fields, dict) and fields.get("pass") == ["good"]


@given(
    st.dictionaries(st.sampled_from(["do", "text", "key"]), st.text(max_size=30)),
    st.binary(min_size=1, max_size=200),
    st.integers(1, 50),
)
async def test_a_form_reads_the_same_in_any_pieces(
    fields: dict[str, str], octets: bytes, size: int
) -> None:
    """Fields and file come out as they were sent, wherever the network cut them."""
    if b"\r\n--x" in b"\r\n" + octets:
        return
    sent = part("pass", b"good")
    sent += b"".join(part(name, text.encode()) for name, text in fields.items())
    sent += part("file", octets, "a b.png") + b"--x--\r\n"
    pieces = [sent[start : start + size] for start in range(0, len(sent), size)]
    form = await read_form(Body(pieces).request, holder)
    said = {name: [text] for name, text in fields.items()} | {"pass": ["good"]}
    assert form == Form(said, octets, "a b.png")


@pytest.mark.parametrize("before", [b"", part("pass", b"bad")])
async def test_without_a_pass_no_file_is_read(before: bytes) -> None:
    """Not even a small one, and not one whose pass comes after it; a field has 64 KiB at most."""
    for sent in (
        [before, part("file", b"x", "a.png"), b"--x--\r\n"],
        [before, part("file", b"x", "a.png"), part("pass", b"good"), b"--x--\r\n"],
        [before, part("text", bytes(FORM_OCTETS)), b"--x--\r\n"],
    ):
        with pytest.raises(TooLarge):
            await read_form(Body(sent).request, holder)


async def test_with_a_pass_a_file_has_ten_megabytes() -> None:
    """Exactly so many are read, one octet more is not; of what never ends no more is taken than is
    thrown away."""
    piece = bytes(1 << 16)
    head = part("pass", b"good") + part("file", b"", "a.png")[:-2]
    whole = [piece] * (MAX_OCTETS // len(piece)) + [bytes(MAX_OCTETS % len(piece))]
    form = await read_form(Body([head, *whole, b"\r\n--x--\r\n"]).request, holder)
    assert form.file is not None
    assert len(form.file) == MAX_OCTETS
    with pytest.raises(TooLarge) as refusal:
        await read_form(Body([head, *whole, b"1\r\n--x--\r\n"]).request, holder)
    assert refusal.value.fields == {"pass": ["good"]}
    endless = Body([head, *[piece] * 10_000])
    with pytest.raises(TooLarge):
        await read_form(endless.request, holder)
    assert endless.taken * len(piece) < THROWN_AWAY + 3 * len(piece)


async def status_of(sent: bytes) -> int:
    """How the form in this body would be answered."""
    try:
        await read_form(Body([sent]).request, holder)
    except HTTPException as error:
        return error.status_code
    except TooLarge:
        return 413
    return 200


@given(st.binary(max_size=300))
async def test_garbage_is_no_form(octets: bytes) -> None:
    """Whatever comes is a form, a bad request, or a file that may not be sent; nothing else."""
    assert await status_of(octets) in (200, 400)
    assert await status_of(b"--x\r\n" + octets) in (200, 400)
    assert await status_of(part("file", octets, "a")) in (400, 413)
