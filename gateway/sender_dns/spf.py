"""SPF records: their syntax, and which addresses one covers (RFC 7208 sections 3 to 6). Pure.

`read_record` takes the text of a record and gives its terms; ValueError names the term that is
wrong.
`covers` judges an address against a `Policy`, which is a record with everything it names looked up.
Terms that depend on the message (macros) or on a reverse look-up (`ptr`) cover nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

VERSION = "v=spf1"
_TERM = re.compile(r"([+?~-]?)([A-Za-z][A-Za-z0-9._-]*)(:?)(.*)")
_CIDR = re.compile(r"(?:/([0-9]{1,3}))?(?://([0-9]{1,3}))?$")
_MODIFIER = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9._-]*)=(?P<value>\S*)")
_NAMED = {"include", "exists"}
"""Mechanisms that need a domain."""
_LOOKED_UP = {"include", "a", "mx", "ptr", "exists"}
"""Mechanisms that cost a look-up; the modifier `redirect` does too (section 4.6.4)."""
_KNOWN = _LOOKED_UP | {"all", "ip4", "ip6"}


@dataclass(frozen=True, slots=True)
class Term:
    """One mechanism. `value` is a domain (empty: the record's own) or, for ip4 and ip6, nothing:
    `network` has it. `four` and `six` are prefix lengths for looked-up addresses."""

    qualifier: str
    name: str
    value: str = ""
    network: Network | None = None
    four: int = 32
    six: int = 128

    @property
    def costs(self) -> bool:
        """Whether it counts as one of the ten look-ups."""
        return self.name in _LOOKED_UP

    @property
    def has_macro(self) -> bool:
        """Whether what it names depends on the message."""
        return "%" in self.value


@dataclass(frozen=True, slots=True)
class Record:
    """A record's mechanisms in order, and where it redirects to."""

    terms: tuple[Term, ...]
    redirect: str = ""

    @property
    def ends(self) -> str:
        """The qualifier of `all`, or "" when there is none."""
        return next((term.qualifier for term in self.terms if term.name == "all"), "")


@dataclass(frozen=True, slots=True)
class Policy:
    """A record with what each term came to: networks, or the policy that an include names."""

    terms: tuple[tuple[str, Sequence[Network] | Policy], ...]
    redirect: Policy | None = None


def is_record(text: str) -> bool:
    """Whether a TXT record is an SPF record (section 4.5)."""
    return f"{text} "[: len(VERSION) + 1].lower() == f"{VERSION} "


def read_record(text: str) -> Record:
    """The terms of an SPF record; ValueError is the first term that is wrong."""
    terms: list[Term] = []
    modifiers: dict[str, str] = {}
    for word in text[len(VERSION) :].split(" "):
        if not word:
            continue
        modifier = _MODIFIER.fullmatch(word)
        if modifier is not None:
            name = modifier["name"].lower()
            if name in ("redirect", "exp"):
                # Each once, and with a domain (section 6).
                if name in modifiers or not modifier["value"]:
                    raise ValueError(word[:80])
                modifiers[name] = modifier["value"]
            continue
        terms.append(_term(word))
    return Record(tuple(terms), modifiers.get("redirect", ""))


def _term(word: str) -> Term:
    """One mechanism; ValueError is the word itself (section 4.6.1 and the sections it names)."""
    match = _TERM.fullmatch(word)
    broken = ValueError(word[:80])
    if match is None:
        raise broken
    qualifier, name, colon, rest = match[1] or "+", match[2].lower(), match[3], match[4]
    if name in ("ip4", "ip6"):
        return Term(qualifier, name, network=_network(rest, int(name[-1]), broken))
    cidr = _CIDR.search(rest)
    value = rest[: cidr.start()] if cidr is not None else rest
    if name not in _KNOWN or bool(colon) != bool(value) or (name in _NAMED and not value):
        raise broken
    if cidr is None or not cidr[0]:
        lengths = (32, 128)
    elif name in ("a", "mx"):
        lengths = (int(cidr[1] or 32), int(cidr[2] or 128))
    else:
        raise broken
    if lengths[0] > 32 or lengths[1] > 128 or (name == "all" and value):
        raise broken
    return Term(qualifier, name, value, None, *lengths)


def _network(text: str, version: int, broken: ValueError) -> Network:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise broken from None
    if network.version != version or not text[-1:].isalnum():
        raise broken
    return network


def covers(policy: Policy, address: Address) -> bool:
    """Whether `address` may send under the policy: the first term that matches decides."""
    return _result(policy, address) == "+"


def _result(policy: Policy, address: Address) -> str:
    for qualifier, what in policy.terms:
        if isinstance(what, Policy):
            # An include matches only where the record it names says pass (section 5.2).
            if _result(what, address) == "+":
                return qualifier
        elif any(address in network for network in what):
            return qualifier
    return _result(policy.redirect, address) if policy.redirect is not None else "?"


EVERYTHING: tuple[Network, ...] = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
"""What `all` stands for."""
