"""Address identity: the forms under which two spellings count as one address.

Takes a parsed `Address`, gives text to be keyed by `suppression.keys`; the address that is
delivered to is never changed. *Exact*: domain as lower-case A-label, local part unquoted, NFC and
case-folded. *Loose*: additionally the `+tag` is cut, and at Gmail (whose two domains are one) dots
are dropped. A loose form may only make us send less. Raises AddressSyntaxError for a domain that
is no valid IDN (RFC 5891) or only maps to one.
"""

from __future__ import annotations

from unicodedata import normalize

import idna

from gateway.errors import AddressSyntaxError
from gateway.words import Address

GMAIL = "gmail.com"
_GMAIL_DOMAINS = frozenset({GMAIL, "googlemail.com"})
MAX_PARENTS = 8
"""Parent domains looked up at most, shortest kept: bounds the work a hostile name can cause."""


def a_label(domain: str) -> str:
    """`domain` in lower case with every U-label as its A-label (RFC 5890).

    Only case and composition may differ from the U-label. Whatever else UTS 46 maps (fullwidth
    letters, circled digits, what cannot be seen) is refused: what is sent is what was checked.
    """
    if domain.isascii():
        return domain.lower()
    try:
        name = idna.encode(domain, uts46=True)
    except idna.IDNAError as error:
        raise AddressSyntaxError(f"domain is not a valid internationalised name: {error}") from None
    text = name.decode("ascii")
    if not _is_spelt(domain, name):
        raise AddressSyntaxError(f"domain only stands for another name; write it as {text}")
    return text


def exact_form(address: Address) -> str:
    """`local@domain` such that spellings of one mailbox agree; tags and dots still count."""
    return f"{_local_form(address.local)}@{a_label(address.domain)}"


def loose_form(address: Address) -> str:
    """The exact form without its tag, and at Gmail without dots, under `gmail.com`."""
    return loosen(exact_form(address))


def loosen(exact: str) -> str:
    """The loose form of an exact form."""
    local, _, domain = exact.rpartition("@")
    # A local part that is nothing but a tag (`+x`) is kept: cutting it would leave no address.
    base = local.partition("+")[0] or local
    if domain in _GMAIL_DOMAINS:
        base = base.replace(".", "") or base
        domain = GMAIL
    return f"{base}@{domain}"


def suffixes(domain: str) -> list[str]:
    """`domain` (A-label) and its parents of two labels or more: an entry on one covers it."""
    names = [domain]
    parent = domain.partition(".")[2]
    while "." in parent:
        names.append(parent)
        parent = parent.partition(".")[2]
    return names if len(names) <= MAX_PARENTS + 1 else [domain, *names[-MAX_PARENTS:]]


def _is_spelt(domain: str, name: bytes) -> bool:
    """Whether `domain` is `name` without any mapping but of case and composition."""
    # Letter by letter: of a whole word `lower` would make a final sigma, which is another letter.
    lower = "".join(map(str.lower, domain))
    try:
        return idna.encode(normalize("NFC", lower), strict=True) == name
    except idna.IDNAError:
        return False


def _local_form(local: str) -> str:
    if local.startswith('"') and local.endswith('"') and len(local) >= 2:
        local = _unquote(local[1:-1])
    if local.isascii():
        return local.lower()
    # Canonical caseless matching (Unicode 3.13, D145), written composed.
    return normalize("NFC", normalize("NFD", local).casefold())


def _unquote(content: str) -> str:
    """The content of a quoted-string with its quoted-pairs resolved (RFC 5321 4.1.2)."""
    if "\\" not in content:
        return content
    characters = iter(content)
    return "".join(next(characters, "") if c == "\\" else c for c in characters)
