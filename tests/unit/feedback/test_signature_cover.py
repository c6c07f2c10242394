"""What a valid signature must cover to count, with signatures of a program that covers less."""

from __future__ import annotations

from functools import cache

import dkim
import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.feedback.signatures import Keys, read_signed
from gateway.message.dkim_keys import KeyKind, dns_record, new_key

NOW = 1_800_000_000.0
LOOP = "loops.isp.test"
MAIL = b"From: fbl@loops.isp.test\r\nSubject: complaint\r\nX-Other: x\r\n\r\na report\r\n"


@cache
def key() -> tuple[bytes, str]:
    """A private key as dkimpy wants it, and its record."""
    pem = new_key(KeyKind.RSA)
    private = load_pem_private_key(pem, None).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    return private, "".join(dns_record(pem).split('" "')).strip('"')


def counts(covered: list[bytes], added: bytes = b"", *, length: bool = False) -> bool:
    """Whether the signature counts that covers these fields, of a mail with a field added since."""
    private, record = key()
    made = dkim.sign(
        MAIL, b"s1", LOOP.encode(), private, include_headers=covered, length=length,
        canonicalize=(b"relaxed", b"relaxed"),
    )  # fmt: skip
    keys = Keys()
    keys.put(f"s1._domainkey.{LOOP}", [record], NOW)
    return read_signed(added + made + MAIL, {LOOP}, keys, NOW).valid is not None


def test_from_and_subject_are_enough() -> None:
    """The least that counts, also once a server on the way has added a field."""
    assert counts([b"from", b"subject"])
    assert counts([b"from", b"subject"], b"Received: by x.test\r\n")


@pytest.mark.parametrize(
    ("covered", "added"),
    [
        ([b"from", b"x-other"], b""),
        ([b"from", b"subject"], b"Subject: another\r\n"),
        ([b"from", b"subject"], b"From: fbl@loops.isp.test\r\n"),
    ],
)
def test_less_is_nothing(covered: list[bytes], added: bytes) -> None:
    """A Subject that is not covered, or one more than the signer knew: valid, and no evidence."""
    assert not counts(covered, added)


def test_a_body_that_may_grow_is_nothing() -> None:
    """With `l=` anybody adds a report below what was signed."""
    assert not counts([b"from", b"subject"], length=True)
