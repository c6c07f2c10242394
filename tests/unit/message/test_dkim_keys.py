"""DKIM keys: which are taken, and the record that publishes them."""

from __future__ import annotations

from base64 import b64decode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
)

from gateway.errors import ConfigurationError
from gateway.message.dkim_keys import KeyKind, dns_record, load_key, new_key, zone_line

type_of = {KeyKind.RSA: rsa.RSAPrivateKey, KeyKind.ED25519: Ed25519PrivateKey}


@pytest.mark.parametrize("kind", list(KeyKind))
def test_record_publishes_the_key(kind: KeyKind) -> None:
    """The strings of the record, joined, hold the public half; none is over 255 octets."""
    pem = new_key(kind)
    key = load_key(pem)
    assert isinstance(key, type_of[kind])
    strings = dns_record(pem)[1:-1].split('" "')
    assert all(0 < len(string) <= 255 for string in strings)
    start, published = "".join(strings).split("p=")
    assert start == f"v=DKIM1; k={kind}; "
    if isinstance(key, Ed25519PrivateKey):
        assert b64decode(published) == key.public_key().public_bytes_raw()
    else:
        assert load_der_public_key(b64decode(published)) == key.public_key()


def test_zone_line() -> None:
    """The zone-file form names selector and domain absolutely, and takes only DNS names."""
    pem = new_key(KeyKind.ED25519)
    record = dns_record(pem)
    assert zone_line(pem, "a.org", "s1") == f"s1._domainkey.a.org. IN TXT ( {record} )"
    for domain, selector in (("A.org", "s1"), ("a.org.", "s1"), ("ä.org", "s1"), ("a.org", "")):
        with pytest.raises(ConfigurationError, match="lower-case"):
            zone_line(pem, domain, selector)


def test_refuses_other_keys() -> None:
    """Short RSA, other curves, encrypted and broken files are errors that say so."""
    plain = (Encoding.PEM, PrivateFormat.PKCS8)
    short = rsa.generate_private_key(65537, 1024).private_bytes(*plain, NoEncryption())
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(*plain, NoEncryption())
    locked = Ed25519PrivateKey.generate().private_bytes(*plain, BestAvailableEncryption(b"x"))
    for pem, text in (
        (short, "1024 bits"),
        (curve, "neither RSA nor Ed25519"),
        (locked, "encrypted"),
        (b"nonsense", "PEM"),
    ):
        with pytest.raises(ConfigurationError, match=text):
            load_key(pem)
