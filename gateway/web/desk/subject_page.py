"""The page of one subject request, and reading a person's address out of a form."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request, Response

from gateway.errors import AddressSyntaxError
from gateway.message.address import parse_mailbox
from gateway.records.subject_requests import RequestKind, find_request
from gateway.web.desk.gate import CHANGES, DECIDES, Staff
from gateway.web.desk.pages import Problem, page
from gateway.web.desk.parts import DeskParts
from gateway.web.desk.subject_texts import TEXTS
from gateway.words import Address
from suppression.address import a_label


def show_request(
    request: Request, parts: DeskParts, staff: Staff, number: int, refused: str = ""
) -> Response:
    """The page of one request."""
    try:
        with parts.database.reading() as connection:
            one = find_request(connection, parts.keyring, number)
    except LookupError:
        raise Problem(HTTPStatus.NOT_FOUND) from None
    return page(
        request,
        "subject",
        TEXTS,
        one=one,
        kinds=RequestKind,
        tenants=sorted(parts.tenants),
        refused=refused,
        may_change=staff.may(*CHANGES),
        may_erase=staff.may(*DECIDES),
    )


def person_of(text: str) -> Address | None:
    """The person with this address, None when it is none."""
    try:
        address = parse_mailbox(text)
        a_label(address.domain)
    except AddressSyntaxError:
        return None
    return address
