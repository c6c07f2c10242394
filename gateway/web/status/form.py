"""Reads what a status page's form sends, as it comes in: fields, and at most one file, in memory.

Until the fields say that the sender may (a pass comes before the file), a body has 64 KiB, so that
nobody without a code fills the memory. Raises TooLarge (the rest of the body was read and thrown
away, so that the browser shows the answer), and HTTPException for what is no form (400) or takes
more than 55 s (408).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from gateway.errors import ConsentryError
from gateway.uploads.picture import MAX_OCTETS

FORM_OCTETS = 65_536
BODY_SECONDS = 55.0
MAX_FIELDS = 1000
THROWN_AWAY = 4 * MAX_OCTETS
"""Octets of a body too large that are still read."""
_SLICE = 16_384
Fields = Mapping[str, list[str]]


class TooLarge(ConsentryError):
    """More than may be sent."""

    def __init__(self, fields: Fields) -> None:
        super().__init__("the form is too large")
        self.fields = fields


@dataclass(slots=True)
class Form:
    """What was sent. `file` is None when no file was chosen."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    file: bytes | None = None
    file_name: str = ""

    def first(self, name: str) -> str:
        """A field's first value, "" when it is not there."""
        return self.fields.get(name, [""])[0]


async def read_form(request: Request, may_send_files: Callable[[Fields], bool]) -> Form:
    """The form in the body of a POST; `may_send_files` is asked when a file begins."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise HTTPException(HTTPStatus.BAD_REQUEST)
    reader = _Reader(may_send_files)
    try:
        parser = MultipartParser(boundary, reader.callbacks())  # type: ignore[arg-type]
        async with asyncio.timeout(BODY_SECONDS):
            count = 0
            async for chunk in request.stream():
                # In slices: what may follow a file's head is known once the head was read.
                for start in range(0, len(chunk), _SLICE):
                    part = chunk[start : start + _SLICE]
                    count += len(part)
                    reader.is_too_large |= count > FORM_OCTETS + reader.room
                    if not reader.is_too_large:
                        parser.write(part)
                if count > THROWN_AWAY:
                    break
        if not reader.is_too_large:
            parser.finalize()
    except TimeoutError:
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from None
    except (ClientDisconnect, FormParserError, UnicodeDecodeError):
        raise HTTPException(HTTPStatus.BAD_REQUEST) from None
    if reader.is_too_large:
        raise TooLarge(reader.form.fields)
    if not reader.is_whole:
        raise HTTPException(HTTPStatus.BAD_REQUEST)
    return reader.form


class _Reader:
    """Takes the parser's pieces of one form."""

    def __init__(self, may_send_files: Callable[[Fields], bool]) -> None:
        self.form = Form()
        self.room = 0
        """Octets that the body may have beyond FORM_OCTETS."""
        self.is_too_large = False
        self.is_whole = False
        """Whether the form's end has come."""
        self._may = may_send_files
        self._header = [b"", b""]
        self._options: dict[bytes, bytes] = {}
        self._data = bytearray()
        self._parts = 0

    def callbacks(self) -> dict[str, Callable[..., None]]:
        """What the parser is to call."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._head(0, data[start:end]),
            "on_header_value": lambda data, start, end: self._head(1, data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": lambda data, start, end: self._take(data[start:end]),
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _finish(self) -> None:
        self.is_whole = True

    def _begin(self) -> None:
        self._header, self._options = [b"", b""], {}
        self._data = bytearray()
        self._parts += 1
        if self._parts > MAX_FIELDS:
            raise FormParserError("too many fields")

    def _head(self, place: int, octets: bytes) -> None:
        self._header[place] += octets

    def _end_header(self) -> None:
        name, value = self._header
        self._header = [b"", b""]
        if name.strip().lower() == b"content-disposition":
            self._options = parse_options_header(value)[1]

    def _end_headers(self) -> None:
        if self._is_file and self.form.file is None and self._may(self.form.fields):
            self.room = MAX_OCTETS

    def _take(self, octets: bytes) -> None:
        self._data += octets
        if self._is_file and len(self._data) > self.room:
            self.is_too_large = True
            self._data.clear()

    def _end(self) -> None:
        if self._is_file:
            if self._data and self.form.file is None:
                self.form.file = bytes(self._data)
                self.form.file_name = self._options[b"filename"].decode("utf-8", "replace")
        else:
            name = self._options.get(b"name", b"").decode()
            self.form.fields.setdefault(name, []).append(self._data.decode())
        self._data = bytearray()

    @property
    def _is_file(self) -> bool:
        return b"filename" in self._options
