"""Pages of long lists: opaque cursors that nobody can make up or use for another list.

A cursor is the position of the last thing seen and a tag (HMAC-SHA-256, 12 octets) over the listing
it belongs to, as base64url. Raises Problem INVALID for any other text. A page may hold fewer things
than asked for, even none, and still have a `next`: one call looks through a bounded part only.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hmac import compare_digest
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from gateway.web.api.errors import INVALID, Flaw, Problem
from gateway.web.api.parts import Caller
from suppression.keys import Keyring, Mac

T = TypeVar("T")
DEFAULT_LIMIT, MAX_LIMIT = 100, 500
_PURPOSE = b"api-cursor\0"
_TAG_OCTETS = 12

Limit = Annotated[
    int, Query(ge=1, le=MAX_LIMIT, description="How many things one page holds at most.")
]
CursorText = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=200,
        description="`next` of the page before; only for the same list and filters.",
    ),
]


class Page(BaseModel, Generic[T]):
    """A part of a list, oldest first."""

    items: list[T]
    next: str | None = Field(description="Pass it as `cursor` for what follows; null at the end.")


class Listing:
    """One list as one caller asks for it: `filters` are its parameters but cursor and limit."""

    def __init__(
        self, keyring: Keyring, caller: Caller, path: str, filters: Mapping[str, object]
    ) -> None:
        named = [path, caller.tenant, *(f"{name}={filters[name]}" for name in sorted(filters))]
        self._name = "\0".join(named).encode()
        self._macs = [Mac(generation.token) for generation in keyring.generations.values()]

    def after(self, text: str | None) -> int:
        """The position that a cursor names; 0, before everything, without one."""
        if text is None:
            return 0
        try:
            octets = urlsafe_b64decode(text.encode())
        except ValueError:
            octets = b""
        position, tag = octets[:8], octets[8:]
        # Encoded anew, because several texts decode to the same octets.
        if urlsafe_b64encode(octets).decode() != text or not any(
            compare_digest(self._tag(mac, position), tag) for mac in self._macs
        ):
            flaw = Flaw("is not a cursor of this list", parameter="cursor")
            raise Problem(INVALID, errors=[flaw])
        return int.from_bytes(position, "big")

    def next(self, position: int | None) -> str | None:
        """The cursor for what follows `position`; None stays None."""
        if position is None:
            return None
        octets = position.to_bytes(8, "big")
        return urlsafe_b64encode(octets + self._tag(self._macs[0], octets)).decode()

    def _tag(self, mac: Mac, position: bytes) -> bytes:
        return mac(_PURPOSE + position + self._name)[:_TAG_OCTETS]
