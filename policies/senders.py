"""Whose mail a message says it is: the domains of its From and Sender fields. Pure."""

from __future__ import annotations

from functools import lru_cache

from gateway.errors import AddressSyntaxError, HeaderSyntaxError
from gateway.message.header import HeaderView
from gateway.message.mailbox_list import mailboxes
from suppression.address import a_label


class AuthorError(Exception):
    """From or Sender cannot be read as one author; the text is for the customer."""


def author_domains(view: HeaderView) -> list[str]:
    """The A-label domains of the one From address and, where present, the one Sender address."""
    return [*_domains(view, b"from", least=1), *_domains(view, b"sender", least=0)]


def _domains(view: HeaderView, name: bytes, least: int) -> list[str]:
    try:
        found = [domain for field in view.all(name) for domain in _read(field.value)]
    except (AddressSyntaxError, HeaderSyntaxError) as error:
        raise AuthorError(f"{name.decode().capitalize()}: {error}") from error
    if not least <= len(found) <= 1:
        shown = name.decode().capitalize()
        raise AuthorError(f"{shown} must name exactly one address, not {len(found)}")
    return found


@lru_cache(maxsize=256)
def _read(value: bytes) -> tuple[str, ...]:
    """The domains in one field's body. A mailing has one author and several policies ask."""
    return tuple(a_label(mailbox.domain) for mailbox in mailboxes(value))
