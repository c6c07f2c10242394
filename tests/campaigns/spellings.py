"""People, the many spellings of their addresses, and what the rules say about each.

An oracle that shares no code with the gateway: a spelling is *made* from a person by known steps,
so which spellings are one address is known without normalising anything. `Person(n)` is one of five
kinds (Gmail, ASCII, internationalised domain, non-ASCII local part, local part with a space);
`VARIANTS` are 200 of the 576 combinations of case, quoting, composition, domain form, tag and dots.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Mapping
from enum import StrEnum
from itertools import product
from typing import NamedTuple

COUNT = 200
DOMAINS = 997


class Variant(NamedTuple):
    """One way to write an address; the last three make another *exact* address of it."""

    case: str
    quoting: str
    composition: str
    other_domain: bool
    tag: str
    dots: int


_CASES: Mapping[str, Callable[[str], str]] = {
    "lower": str.lower,
    "upper": str.upper,
    "title": str.title,
    "mixed": lambda text: "".join(c.upper() if n % 2 else c.lower() for n, c in enumerate(text)),
}
_ALL = [
    Variant(*parts)
    for parts in product(
        _CASES,
        ("bare", "quoted", "escaped"),
        ("NFC", "NFD"),
        (False, True),
        ("", "+x", "+News.2026", "+a+b"),
        (0, 1, 2),
    )
]
VARIANTS: list[Variant] = random.Random(4).sample(_ALL, COUNT)


class Kind(StrEnum):
    """What is special about a person's address."""

    GMAIL = "gmail"
    ASCII = "ascii"
    DOMAIN = "idn"
    LOCAL = "local"
    SPACE = "space"


class Person(NamedTuple):
    """One mailbox owner."""

    number: int

    @property
    def kind(self) -> Kind:
        """Which of the five."""
        return list(Kind)[self.number % len(Kind)]

    @property
    def local(self) -> str:
        """The local part, lower case, composed, without tag or dots."""
        match self.kind:
            case Kind.LOCAL:
                return f"łucjaé{self.number}ñ"
            case Kind.SPACE:
                return f"jan {self.number}"
            case _:
                return f"jan{self.number}"

    @property
    def domain(self) -> str:
        """The domain, lower case, composed; people share it with a thousand others."""
        match self.kind:
            case Kind.GMAIL:
                return "gmail.com"
            case Kind.DOMAIN:
                return f"żółw{self.number % DOMAINS}.test"
            case _:
                return f"inbox{self.number % DOMAINS}.test"

    def spelt(self, variant: Variant) -> str:
        """The address as this variant writes it."""
        case = _CASES[variant.case]
        local = _dotted(self.local, variant.dots) + variant.tag
        local = unicodedata.normalize(variant.composition, case(local))
        if variant.quoting != "bare" or self.kind is Kind.SPACE:
            escape = "\\" if variant.quoting == "escaped" and local[0].isascii() else ""
            local = f'"{escape}{local}"'
        domain = self.domain
        if self.kind is Kind.GMAIL and variant.other_domain:
            domain = "googlemail.com"
        if self.kind is Kind.DOMAIN and variant.other_domain:
            # Python's own codec (RFC 3490); for these letters the same as RFC 5891's.
            return f"{local}@{case(domain.encode('idna').decode())}"
        return f"{local}@{unicodedata.normalize(variant.composition, case(domain))}"

    def exact(self, variant: Variant) -> tuple[object, ...]:
        """What two spellings share when they are one exact address."""
        is_google = self.kind is Kind.GMAIL and variant.other_domain
        return (self.number, variant.tag.lower(), variant.dots, is_google)

    def loose(self, variant: Variant) -> tuple[object, ...]:
        """What two spellings share when they may belong to one person."""
        return (self.number, 0 if self.kind is Kind.GMAIL else variant.dots)


def _dotted(local: str, dots: int) -> str:
    """No dot, one after the first letter, or one after each of the first three."""
    if dots == 0:
        return local
    return local[0] + "." + local[1:] if dots == 1 else ".".join(local[:3]) + "." + local[3:]


class Stream(NamedTuple):
    """One flow of mail, as far as the rules tell them apart."""

    tenant: str
    name: str
    is_marketing: bool
    is_verified: bool


STREAMS = (
    Stream("acme", "weekly", True, False),
    Stream("acme", "orders", False, True),
    Stream("acme", "bills", False, False),
    Stream("beta", "offers", True, False),
)


class Entry(NamedTuple):
    """One suppression in a list: as what, where, and under which spelling it was given."""

    reason: str
    scope: str
    variant: int


LOOSE = {"protected", "complaint", "objection", "erasure"}
SCOPES = {
    "protected": ("*",),
    "robinson": ("*",),
    "unsubscribe": ("acme", "acme/weekly", "beta/offers"),
    "objection": ("acme", "beta"),
    "erasure": ("acme", "beta"),
    "complaint": ("acme", "beta"),
    "hard_bounce": ("acme", "beta"),
    "manual": ("*", "acme", "acme/weekly"),
}
"""The scopes that the campaign uses of those that each reason allows."""


def stops(person: Person, entry: Entry, variant: int, stream: Stream) -> bool:
    """Whether `entry` keeps `stream` from mailing `person` under spelling `variant`."""
    given, asked = VARIANTS[entry.variant], VARIANTS[variant]
    form = person.loose if entry.reason in LOOSE else person.exact
    if form(given) != form(asked):
        return False
    if entry.scope not in ("*", stream.tenant, f"{stream.tenant}/{stream.name}"):
        return False
    match entry.reason:
        case "hard_bounce" | "manual":
            return True
        case "protected" | "complaint" | "erasure":
            return stream.is_marketing or not stream.is_verified
        case _:
            return stream.is_marketing
