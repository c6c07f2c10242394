"""Whose mail a message says it is: the domains of From, Sender and their Resent- kin. Pure.

And on which of the tenant's names a block of a transaction's sender falls.
"""

from __future__ import annotations

from functools import lru_cache

from gateway.errors import AddressSyntaxError, HeaderSyntaxError
from gateway.message.header import HeaderView
from gateway.message.mailbox_list import mailboxes
from policies.terms import TenantTerms
from policies.transaction import Transaction
from suppression.address import a_label, suffixes

MAX_RESENT = 100


class AuthorError(Exception):
    """From or Sender cannot be read as one author; the text is for the customer."""


def author_domains(view: HeaderView) -> list[str]:
    """The A-label domains of the one From address, of the one Sender address where there is one,
    and of whoever resent the message (RFC 5322 section 3.6.6; any number of times)."""
    domains = [*_domains(view, b"from", least=1), *_domains(view, b"sender")]
    for name in (b"resent-from", b"resent-sender"):
        if name in view:
            domains += _domains(view, name, most=MAX_RESENT)
    return domains


def blockable(t: Transaction) -> list[str]:
    """The registered names a block of this transaction's sender falls on; with the empty sender,
    where nothing tells them apart, all of the tenant's."""
    if t.mail_from is None:
        return sorted({name.removeprefix("*.") for name in t.tenant.domains})
    return [_registered(t.tenant, a_label(t.mail_from.domain))]


def _registered(tenant: TenantTerms, domain: str) -> str:
    """The domain itself, or the parent under whose `*.` entry it is registered: a block on one
    name below it would be dodged with the next."""
    if domain in tenant.domains:
        return domain
    return next((name for name in suffixes(domain) if f"*.{name}" in tenant.domains), domain)


def _domains(view: HeaderView, name: bytes, least: int = 0, most: int = 1) -> list[str]:
    try:
        found = [domain for field in view.all(name) for domain in _read(field.value)]
    except (AddressSyntaxError, HeaderSyntaxError) as error:
        raise AuthorError(f"{name.decode().capitalize()}: {error}") from error
    if not least <= len(found) <= most:
        shown = name.decode().capitalize()
        wanted = "exactly one address" if most == 1 else f"at most {most} addresses"
        raise AuthorError(f"{shown} must name {wanted}, not {len(found)}")
    return found


@lru_cache(maxsize=256)
def _read(value: bytes) -> tuple[str, ...]:
    """The domains in one field's body. A mailing has one author and several policies ask."""
    return tuple(a_label(mailbox.domain) for mailbox in mailboxes(value))
