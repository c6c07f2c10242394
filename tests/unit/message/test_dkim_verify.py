"""Verifying strangers' signatures: what an independent signer made passes, and nothing else."""

from __future__ import annotations

import time
from base64 import b64encode
from functools import cache

import dkim
import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from gateway.message.dkim_keys import KeyKind, dns_record, new_key
from gateway.message.dkim_verify import Signature, read_key, read_signature, verifies
from gateway.message.header import Field, HeaderView

NOW = time.time()
HEAD = b"From: Feedback <loop@isp.test>\r\nSubject:  a   report \r\n of today\r\nTo: fbl@x.test\r\n"
BODY = b"one  line\t here \r\n\r\nanother\r\n \r\n\r\n\r\n"
COVERED = [b"from", b"subject"]


@cache
def keys(kind: KeyKind) -> tuple[bytes, str]:
    """A private key as dkimpy wants it, and its record."""
    pem = new_key(kind)
    record = "".join(dns_record(pem).split('" "')).strip('"')
    key = load_pem_private_key(pem, None)
    if kind is KeyKind.ED25519:
        raw = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        return b64encode(raw), record
    old = PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(Encoding.PEM, old, NoEncryption()), record


def signed(
    kind: KeyKind = KeyKind.RSA,
    forms: tuple[bytes, bytes] = (b"relaxed", b"relaxed"),
    body: bytes = BODY,
    **options: object,
) -> bytes:
    """A whole mail, signed by dkimpy."""
    private, _ = keys(kind)
    algorithm = b"rsa-sha256" if kind is KeyKind.RSA else b"ed25519-sha256"
    mail = HEAD + b"\r\n" + body
    made: bytes = dkim.sign(
        mail, b"s1", b"isp.test", private, canonicalize=forms, signature_algorithm=algorithm,
        include_headers=COVERED, **options,
    )  # fmt: skip
    return made + mail


def split(mail: bytes) -> tuple[HeaderView, bytes]:
    """Header section and body."""
    head, _, body = mail.partition(b"\r\n\r\n")
    return HeaderView.parse(head + b"\r\n"), body


def read(mail: bytes, now: float = NOW) -> Signature | None:
    """Its signature."""
    field = split(mail)[0].first(b"dkim-signature")
    assert field is not None
    return read_signature(field, now)


def is_valid(mail: bytes, record: str) -> bool:
    """Whether the mail's signature holds under the record."""
    header, body = split(mail)
    signature, key = read(mail), read_key(record)
    return signature is not None and key is not None and verifies(signature, key, header, body)


@pytest.mark.parametrize("kind", KeyKind)
@pytest.mark.parametrize("header_form", [b"relaxed", b"simple"])
@pytest.mark.parametrize("body_form", [b"relaxed", b"simple"])
@pytest.mark.parametrize("body", [BODY, b"", b"\r\n", b"no end of line"])
def test_what_another_program_signed_is_valid_and_every_change_breaks_it(
    kind: KeyKind, header_form: bytes, body_form: bytes, body: bytes
) -> None:
    """In every form; a word more in a covered field or in the body is another mail."""
    mail = signed(kind, (header_form, body_form), body)
    record = keys(kind)[1]
    assert is_valid(mail, record)
    assert not is_valid(mail.replace(b"Subject:", b"Subject: x"), record)
    assert not is_valid(mail + b"x\r\n", record)
    assert not is_valid(mail, keys(KeyKind.RSA if kind is KeyKind.ED25519 else KeyKind.ED25519)[1])


def test_what_is_not_covered_may_change() -> None:
    """A server on the way adds fields; spaces that relaxed forms leave out do not count."""
    record = keys(KeyKind.RSA)[1]
    mail = signed()
    assert is_valid(b"Received: by x.test\r\n" + mail, record)
    assert is_valid(mail.replace(b"one  line\t here \r\n", b"one line here\r\n"), record)
    assert is_valid(mail + b"\r\n\r\n", record)


@pytest.mark.parametrize(
    "change",
    [
        (b"; s=s1", b"; s=s1; l=3"),
        (b"; s=s1", b"; s=s1; d=isp.test"),
        (b"; s=s1", b"; s=.."),
        (b"; s=s1", b""),
        (b"v=1;", b"v=2;"),
        (b"rsa-sha256", b"rsa-sha1"),
        (b"c=relaxed/relaxed", b"c=loose/relaxed"),
        (b"; s=s1", b"; s=s1; x=1"),
        (b"; s=s1", b"; s=s1; t=999999999999"),
        (b"; s=s1", b"; s=s1; q=carrier/pigeon"),
        (b"i=@isp.test", b"i=@other.test"),
        (b"bh=", b"bh=!"),
    ],
)
def test_a_signature_that_cannot_be_used_is_none(change: tuple[bytes, bytes]) -> None:
    """Other versions, weak digests, lengths, tags twice, times past or to come, no names."""
    mail = signed(identity=b"@isp.test")
    assert read(mail) is not None
    assert change[0] in mail
    assert read(mail.replace(*change, 1)) is None


def test_a_signature_ends_with_its_x() -> None:
    """Ten hours late for clocks that are wrong, and no more."""
    made = int(time.time())  # that the signer has, too: of the module's it may be minutes
    mail = signed().replace(b"; s=s1", b"; s=s1; x=%d" % (made + 60))
    assert read(mail, made) is not None
    assert read(mail, made + 20 * 3600) is None


@pytest.mark.parametrize(
    "change",
    [
        ("p=", "q="),
        ("v=DKIM1", "v=DKIM2"),
        ("v=DKIM1", "v=DKIM1; s=tlsrpt"),
        ("v=DKIM1", "v=DKIM1; h=sha1"),
        ("v=DKIM1", "v=DKIM1; t=s:y"),
        ("k=rsa", "k=dsa"),
        ("k=rsa", "k=ed25519"),
        ("p=", "p=AAAA"),
    ],
)
def test_a_record_that_is_no_key_for_mail_is_none(change: tuple[str, str]) -> None:
    """Revoked, for something else, only tested, of another kind or damaged."""
    record = keys(KeyKind.RSA)[1]
    assert read_key(record) is not None
    assert read_key(record.replace(*change, 1)) is None
    assert read_key("v=DKIM1; k=rsa; p=") is None


def test_a_key_for_its_own_domain_only_signs_for_no_subdomain() -> None:
    """The flag `s` of `t=` (RFC 6376 section 3.6.1)."""
    record = keys(KeyKind.RSA)[1]
    mail = signed(identity=b"@mail.isp.test")
    assert is_valid(mail, record)
    assert not is_valid(mail, record.replace("v=DKIM1", "v=DKIM1; t=y:s"))


@given(st.binary(max_size=300), st.text(max_size=200))
def test_nothing_raises(value: bytes, record: str) -> None:
    """Whatever a stranger writes into the field or publishes."""
    field = Field(b"dkim-signature", b"DKIM-Signature:" + value + b"\r\n")
    read_signature(field, NOW)
    read_key(record)


def test_megabytes_of_spaces_take_no_time() -> None:
    """What is quadratic in the length of a run of spaces would stop the whole process."""
    field = read(signed())
    key = read_key(keys(KeyKind.RSA)[1])
    assert field is not None
    assert key is not None
    assert not verifies(field, key, HeaderView(b"", ()), b" " * 5_000_000 + b"x\r\n")
