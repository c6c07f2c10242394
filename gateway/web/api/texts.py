"""What callers may write: addresses, scopes, notes and row numbers, with their JSON Schema.

An address is read in the handler, not here: in a batch a wrong one concerns its own item only.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import Field

from gateway.errors import AddressSyntaxError
from gateway.message.address import parse_mailbox
from gateway.web.api.errors import Problem, invalid
from gateway.words import Address
from suppression.listfile import read_target

_LINE = r"^[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]*$"
_NAME = r"[a-z0-9][a-z0-9-]{0,62}"
SCOPE = rf"^(\*|{_NAME}(/{_NAME})?)$"
STREAM = rf"^{_NAME}/{_NAME}$"

Line = Annotated[str, Field(min_length=1, max_length=500, pattern=_LINE)]
"""One line for the records; addresses in it are masked before it is stored."""
Mailbox = Annotated[
    str,
    Field(
        min_length=1,
        max_length=254,
        description="An address.",
        examples=["jan@example.org"],
        json_schema_extra={"format": "email"},
    ),
]
Target = Annotated[
    str,
    Field(
        min_length=1,
        max_length=254,
        description="An address, or a whole domain with its subdomains.",
        examples=["jan@example.org"],
        json_schema_extra={"format": "email-or-domain"},
    ),
]
ScopeText = Annotated[
    str,
    Field(
        pattern=SCOPE,
        max_length=127,
        description="`*` for all tenants, a tenant, or tenant/stream.",
        examples=["acme/weekly"],
    ),
]
StreamText = Annotated[
    str, Field(pattern=STREAM, description="The stream: tenant/stream.", examples=["acme/weekly"])
]
Number = Annotated[int, Path(ge=1, le=2**63 - 1, description="Its number.")]


def mailbox(text: str, pointer: str = "#/address") -> Address:
    """The address; Problem INVALID that says what is wrong with it."""
    try:
        return parse_mailbox(text)
    except AddressSyntaxError as error:
        raise _wrong(pointer, error) from None


def target(text: str, pointer: str = "#/address") -> Address | str:
    """The address, or the domain as A-label; Problem INVALID."""
    try:
        return read_target(text)
    except AddressSyntaxError as error:
        raise _wrong(pointer, error) from None


def _wrong(pointer: str, error: Exception) -> Problem:
    return invalid(pointer, str(error))
