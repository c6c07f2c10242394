"""Reading a small form: its body within limits, and the few fixed words that it may say.

Nothing a person writes freely is taken from a form of ours, so a form is read as a set of (name,
value) pairs in lower case. Bodies over 16 KiB are 413, bodies that take longer than 10 s are 408,
both as HTTPException; a body that is no form says nothing.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from urllib.parse import parse_qsl

from fastapi import Request
from python_multipart import parse_form
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

MAX_BODY = 16_384
BODY_SECONDS = 10.0
Said = frozenset[tuple[str, str]]
"""What a form says."""


async def read_form(request: Request) -> Said:
    """What the body of a POST says."""
    return said(request.headers.get("content-type", ""), await _read(request))


def said(content_type: str, body: bytes) -> Said:
    """What a form in `multipart/form-data` (RFC 7578) or urlencoded says.

    What is not called multipart is read as urlencoded: some senders of a one-click request leave
    the type out, and the person wants to be unsubscribed all the same.
    """
    if not content_type.lower().lstrip().startswith("multipart/"):
        pairs = parse_qsl(body.decode("latin-1"))
        return frozenset((_word(name), _word(value)) for name, value in pairs)
    found: list[Field] = []
    headers = {"Content-Type": content_type.encode("latin-1", "replace")}
    try:
        parse_form(headers, _Once(body), found.append, None)
    except FormParserError:
        return frozenset()
    return frozenset((_word(field.field_name), _word(field.value)) for field in found)


def _word(text: str | bytes | None) -> str:
    text = text.decode("latin-1") if isinstance(text, bytes) else text or ""
    return text.strip().lower()


class _Once:
    """A body in memory, as the form parser wants to read it."""

    def __init__(self, body: bytes) -> None:
        self._rest = body

    def read(self, size: int = -1) -> bytes:
        """The next octets, empty at the end."""
        size = len(self._rest) if size < 0 else size
        block, self._rest = self._rest[:size], self._rest[size:]
        return block


async def _read(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    except TimeoutError:
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from None
    except ClientDisconnect:
        raise HTTPException(HTTPStatus.BAD_REQUEST) from None
    return bytes(body)
