"""DKIM keys: made, loaded from PEM, and shown as the TXT record that publishes them.

RSA of 2048 to 4096 bits (RFC 8301 section 3.2; a longer one would hold the event loop) and Ed25519
(RFC 8463). Raises ConfigurationError for any other key and for a domain or selector that is no
name. Reads and writes no file.
"""

from __future__ import annotations

import re
from base64 import b64encode
from enum import StrEnum
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from gateway.errors import ConfigurationError

PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

RSA_BITS = 2048
MAX_RSA_BITS = 4096
KEYS_CACHED = 4096
TXT_STRING = 255
"""Octets of one character-string in a TXT record (RFC 1035 section 3.3)."""

_LABEL = r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


class KeyKind(StrEnum):
    """The key types, by their names in the `k=` tag."""

    RSA = "rsa"
    ED25519 = "ed25519"


def new_key(kind: KeyKind) -> bytes:
    """A fresh private key as unencrypted PKCS #8 PEM."""
    key: PrivateKey
    match kind:
        case KeyKind.RSA:
            key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
        case KeyKind.ED25519:
            key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@lru_cache(KEYS_CACHED)
def load_key(pem: bytes) -> PrivateKey:
    """The private key in `pem`, or ConfigurationError saying what is wrong with it.

    Checking an RSA key takes some 30 ms and holds the interpreter, so a reload checks only what
    it has not seen.
    """
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise ConfigurationError("the DKIM key is encrypted; store it without a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError("the DKIM key is not a private key in PEM form") from None
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigurationError("the DKIM key is neither RSA nor Ed25519")
    if not RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise ConfigurationError(
            f"the DKIM key has {key.key_size} bits; take {RSA_BITS} (at most {MAX_RSA_BITS})"
        )
    return key


def dns_record(pem: bytes) -> str:
    """The TXT record's data (RFC 6376 section 3.6.1) as quoted strings of at most 255 octets."""
    text = _record_text(load_key(pem))
    parts = [text[at : at + TXT_STRING] for at in range(0, len(text), TXT_STRING)]
    return " ".join(f'"{part}"' for part in parts)


def zone_line(pem: bytes, domain: str, selector: str) -> str:
    """The whole record in zone-file form (RFC 1035 section 5.1)."""
    check_name(domain, "domain")
    check_name(selector, "selector")
    return f"{selector}._domainkey.{domain}. IN TXT ( {dns_record(pem)} )"


def check_name(name: str, what: str) -> None:
    """Raise ConfigurationError unless `name` is lower-case labels (A-labels) as DNS has them."""
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!a} is no {what}: lower-case letters, digits, hyphens and dots (A-labels)"
        )


def _record_text(key: PrivateKey) -> str:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        kind = KeyKind.ED25519
    else:
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        kind = KeyKind.RSA
    return f"v=DKIM1; k={kind}; p={b64encode(public).decode('ascii')}"
