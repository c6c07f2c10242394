"""Verifying a DKIM signature (RFC 6376; Ed25519: RFC 8463) of a stranger's mail.

`read_signature` reads a DKIM-Signature field, `read_key` the text of a key record, and `verifies`
says whether that key has signed this header section and this body. Strict: SHA-256 only and RSA of
1024 to 4096 bits (RFC 8301), no `l=`, no tag twice. Whatever the octets are, the time is linear in
them and nothing raises; what cannot be used is None or False. Asks no DNS.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gateway.message.body import CRLF, RelaxedBodyHash
from gateway.message.dkim import canonical
from gateway.message.header import Field, HeaderView

MIN_RSA_BITS, MAX_RSA_BITS = 1024, 4096
LENIENCE = 36_000
"""Seconds that a signer's clock may be wrong by."""
KEYS_CACHED = 256
_RELAXED, _SIMPLE = b"relaxed", b"simple"
_TAG = re.compile(rb"[A-Za-z][A-Za-z0-9_]*")
_NAME = re.compile(rb"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_MOST_NAME = 253
_MOST_SIGNED = 1_000
"""Names in an `h=`."""

PublicKey = RSAPublicKey | Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class Signature:
    """A DKIM-Signature field whose form is right; `domain` and `selector` in lower case."""

    field: Field
    domain: str
    selector: str
    algorithm: bytes
    """`rsa` or `ed25519`."""
    names: tuple[bytes, ...]
    """The fields it covers, in lower case."""
    body_hash: bytes
    octets: bytes
    header_form: bytes
    body_form: bytes
    identity: str
    """The domain of `i=`, that of `d=` when there is none."""

    @property
    def record(self) -> str:
        """The name of the TXT record with its key."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A published key. `is_exact`: it signs for its own domain only, no subdomain (`t=s`)."""

    key: PublicKey
    is_exact: bool

    @property
    def algorithm(self) -> bytes:
        """The `k=` tag."""
        return b"rsa" if isinstance(self.key, RSAPublicKey) else b"ed25519"


def read_signature(field: Field, now: float) -> Signature | None:
    """What the field says (section 3.5), unless it cannot be used or is past its `x=`."""
    tags = _tags(field.value)
    if tags is None or not {b"v", b"a", b"b", b"bh", b"d", b"h", b"s"} <= tags.keys():
        return None
    kind, _, digest = tags[b"a"].lower().partition(b"-")
    header_form, _, body_form = tags.get(b"c", b"simple/simple").lower().partition(b"/")
    body_form = body_form or _SIMPLE
    domain, selector = tags[b"d"].lower(), tags[b"s"].lower()
    names = tuple(name.strip().lower() for name in tags[b"h"].split(b":", _MOST_SIGNED))
    identity = tags.get(b"i", b"@" + domain).lower().rpartition(b"@")[2]
    signature, body_hash = _unpacked(tags[b"b"]), _unpacked(tags[b"bh"])
    is_usable = (
        tags[b"v"] == b"1"
        and digest == b"sha256"
        and kind in (b"rsa", b"ed25519")
        and {header_form, body_form} <= {_RELAXED, _SIMPLE}
        and b"l" not in tags
        and b"dns/txt" in tags.get(b"q", b"dns/txt").lower().split(b":")
        and _NAME.fullmatch(domain) is not None
        and _NAME.fullmatch(selector) is not None
        and len(selector) + len(domain) + 12 <= _MOST_NAME
        and (identity == domain or identity.endswith(b"." + domain))
        and len(names) <= _MOST_SIGNED
        and _is_in_time(tags, now)
    )
    if not is_usable or signature is None or body_hash is None:
        return None
    return Signature(
        field, domain.decode(), selector.decode(), kind, names, body_hash, signature,
        header_form, body_form, identity.decode("ascii", "replace"),
    )  # fmt: skip


@lru_cache(KEYS_CACHED)
def read_key(text: str) -> KeyRecord | None:
    """The key in a record (section 3.6.1); None for one that was revoked, is not for mail or is
    only being tested: what it signs is to be treated as unsigned."""
    tags = _tags(text.encode("utf-8", "replace"))
    if tags is None or tags.get(b"v", b"DKIM1") != b"DKIM1":
        return None
    octets = _unpacked(tags.get(b"p", b""))
    services = {one.strip() for one in tags.get(b"s", b"*").split(b":")}
    hashes = {one.strip().lower() for one in tags.get(b"h", b"sha256").split(b":")}
    flags = {one.strip().lower() for one in tags.get(b"t", b"").split(b":")}
    if not octets or services.isdisjoint({b"*", b"email"}) or b"sha256" not in hashes:
        return None
    if b"y" in flags:
        return None
    key = _public_key(tags.get(b"k", b"rsa").lower(), octets)
    return None if key is None else KeyRecord(key, b"s" in flags)


def verifies(signature: Signature, record: KeyRecord, header: HeaderView, body: bytes) -> bool:
    """Whether the key made the signature over this header section and body (CRLF lines only)."""
    if record.algorithm != signature.algorithm:
        return False
    if record.is_exact and signature.identity != signature.domain:
        return False
    if _body_hash(signature.body_form, body) != signature.body_hash:
        return False
    digest = _header_hash(signature, header)
    try:
        if isinstance(record.key, RSAPublicKey):
            record.key.verify(signature.octets, digest, PKCS1v15(), Prehashed(SHA256()))
        else:
            record.key.verify(signature.octets, digest)
    except InvalidSignature:
        return False
    return True


# ---- inside -------------------------------------------------------------------------------------


def _tags(value: bytes) -> dict[bytes, bytes] | None:
    """A tag list (section 3.2), or None for what is none."""
    found: dict[bytes, bytes] = {}
    for part in value.removesuffix(b";").split(b";"):
        name, equals, text = part.partition(b"=")
        name = name.strip()
        if not equals or not _TAG.fullmatch(name) or name in found:
            return None
        found[name] = text.strip()
    return found


def _unpacked(text: bytes) -> bytes | None:
    try:
        return b64decode(b"".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def _is_in_time(tags: dict[bytes, bytes], now: float) -> bool:
    made, ends = tags.get(b"t", b"0"), tags.get(b"x")
    if not _is_number(made) or int(made) > now + LENIENCE:
        return False
    return ends is None or (_is_number(ends) and int(ends) >= max(now - LENIENCE, int(made)))


def _is_number(text: bytes) -> bool:
    return text.isdigit() and len(text) <= 12  # section 3.5, the tags t= and x=


def _public_key(kind: bytes, octets: bytes) -> PublicKey | None:
    try:
        if kind == b"ed25519":
            return Ed25519PublicKey.from_public_bytes(octets)
        key = load_der_public_key(octets) if kind == b"rsa" else None
    except (ValueError, UnsupportedAlgorithm):
        return None
    if isinstance(key, RSAPublicKey) and MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        return key
    return None


def _body_hash(form: bytes, body: bytes) -> bytes:
    """Of the whole body (sections 3.4.3 and 3.4.4)."""
    if body and not body.endswith(CRLF):
        body += CRLF
    if form == _SIMPLE:
        return sha256(body.rstrip(CRLF) + CRLF).digest()
    hashed = RelaxedBodyHash()
    if body:
        hashed.add(body)
    return hashed.digest()


def _header_hash(signature: Signature, header: HeaderView) -> bytes:
    """Of the fields that `h=` names, from the bottom up (section 5.4.2), and the signature's own
    without what is in its `b=`."""
    hashed = sha256()
    taken: dict[bytes, int] = {}
    for name in signature.names:
        found = header.all(name)
        taken[name] = place = taken.get(name, 0) + 1
        if place <= len(found):
            hashed.update(_formed(signature.header_form, found[-place]))
    name, raw = signature.field
    parts = raw[len(name) + 1 :].split(b";")
    for place, part in enumerate(parts):
        tag, _, _ = part.partition(b"=")
        if tag.strip() == b"b":
            parts[place] = tag + b"="
    own = Field(name, raw[: len(name) + 1] + b";".join(parts).removesuffix(CRLF) + CRLF)
    hashed.update(_formed(signature.header_form, own).removesuffix(CRLF))
    return hashed.digest()


def _formed(form: bytes, field: Field) -> bytes:
    return canonical(field) if form == _RELAXED else field.raw
