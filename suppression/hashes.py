"""Hashed lists: digests of addresses and domains that somebody else has made.

Their owner hands out SHA-256 or SHA-512 of each lower-cased address, or of each domain, and never
the address. An entry's key is our MAC over the digest, so that the list cannot be tried out against
the database alone. `look_up_keys` gives the keys under which such entries about an address would
stand: of its lower-cased text and its exact form, with the domain as A-label and as U-label; for
entries that may be found loosely also without tag and dots. Raises ValueError for what is none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from hashlib import sha256, sha512

import idna

from gateway.words import Address
from suppression.address import a_label, exact_form, loosen, suffixes
from suppression.keys import Keyring

_HEX = re.compile(r"[0-9A-Fa-f]+")
_ALGORITHMS = {64: "sha256", 128: "sha512"}
_DIGESTS = {"sha256": sha256, "sha512": sha512}
_REFUSED = {32: "MD5", 40: "SHA-1"}


class HashKind(StrEnum):
    """What a digest is of, and by which algorithm."""

    SHA256 = "sha256"
    SHA512 = "sha512"
    SHA256_DOMAIN = "sha256-domain"
    SHA512_DOMAIN = "sha512-domain"

    @property
    def algorithm(self) -> str:
        """As hashlib calls it."""
        return self.value.partition("-")[0]

    @property
    def is_domain(self) -> bool:
        """Whether it is of a whole domain."""
        return self.value.endswith("-domain")


@dataclass(frozen=True, slots=True)
class Digest:
    """One row of a hashed list."""

    kind: HashKind
    octets: bytes


def read_digest(text: str, is_domain: bool = False, kind: HashKind | None = None) -> Digest | None:
    """The digest that `text` is in hex; None when it is none.

    No address and no domain is 64 or 128 hex digits, so a list says by itself that it is hashed.
    With `kind` it must be one of that kind. Raises ValueError for that, and for older algorithms.
    """
    algorithm = _ALGORITHMS.get(len(text)) if _HEX.fullmatch(text) else None
    if algorithm is None:
        if kind is None and not (len(text) in _REFUSED and _HEX.fullmatch(text)):
            return None
        shown = _REFUSED.get(len(text), "no digest") if _HEX.fullmatch(text) else "no digest"
        wanted = kind.algorithm if kind else "sha256 or sha512"
        raise ValueError(f"this is {shown}; a hashed list has {wanted} in hex")
    found = kind or HashKind(f"{algorithm}-domain" if is_domain else algorithm)
    if found.algorithm != algorithm:
        raise ValueError(f"this is {algorithm}, and the list is said to be {found.algorithm}")
    return Digest(found, bytes.fromhex(text))


def entry_key(keyring: Keyring, digest: Digest, is_loose: bool) -> bytes:
    """The key of an entry; `is_loose` for a reason that other spellings are found by."""
    return keyring.labelled_keys(_label(digest.kind, is_loose) + digest.octets)[0]


def look_up_keys(keyring: Keyring, address: Address, kinds: Collection[HashKind]) -> list[bytes]:
    """Every key that an entry of these kinds about `address` may stand under."""
    keys = domain_look_up_keys(keyring, address.domain, kinds)
    of_addresses = [kind for kind in kinds if not kind.is_domain]
    if of_addresses:
        form = exact_form(address)
        local, _, domain = form.rpartition("@")
        exact = {form, f"{address.local.lower()}@{domain}"}
        # The list's owner may have written the dots or the tag; we try both without.
        untagged = local.partition("+")[0] or local
        loose = {*exact, f"{untagged}@{domain}", loosen(form)}
        if "xn--" in domain:
            exact, loose = _both_spellings(exact), _both_spellings(loose)
        for kind in of_addresses:
            keys += _keys(keyring, kind, False, exact)
            keys += _keys(keyring, kind, True, loose)
    return keys


def domain_look_up_keys(keyring: Keyring, domain: str, kinds: Collection[HashKind]) -> list[bytes]:
    """Every key that an entry of these kinds that covers `domain` may stand under."""
    of_domains = [kind for kind in kinds if kind.is_domain]
    if not of_domains:
        return []
    names = [spelling for name in suffixes(a_label(domain)) for spelling in _spellings(name)]
    return [
        key
        for kind in of_domains
        for is_loose in (False, True)
        for key in _keys(keyring, kind, is_loose, names)
    ]


def _keys(keyring: Keyring, kind: HashKind, is_loose: bool, texts: Iterable[str]) -> list[bytes]:
    label, digest = _label(kind, is_loose), _DIGESTS[kind.algorithm]
    return [
        key
        for text in texts
        for key in keyring.labelled_keys(label + digest(text.encode()).digest())
    ]


@cache
def _label(kind: HashKind, is_loose: bool) -> bytes:
    return kind.value.encode() + (b"-loose\0" if is_loose else b"\0")


def _both_spellings(texts: Iterable[str]) -> set[str]:
    parts = [text.rpartition("@") for text in texts]
    return {f"{local}@{name}" for local, _, domain in parts for name in _spellings(domain)}


def _spellings(domain: str) -> list[str]:
    """A domain as A-label, and as U-label when that differs."""
    if "xn--" not in domain:
        return [domain]
    try:
        return [domain, idna.decode(domain)]
    except idna.IDNAError:  # an A-label of a newer IDNA
        return [domain]
