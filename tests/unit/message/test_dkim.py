"""DKIM signatures, judged by dkimpy: valid as sent, broken by any change that matters."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Sequence

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import SigningFailed
from gateway.message.body import RelaxedBodyHash
from gateway.message.dkim import OVERSIGNED, SIGNED, Signatures, Signer, sign
from gateway.message.dkim_keys import KeyKind, dns_record, load_key, new_key
from gateway.message.header import Field, HeaderView
from gateway.message.stamp import Stamped
from gateway.message.trace_fields import (
    TRACE_FIELDS,
    cfbl_address_field,
    cfbl_feedback_id_field,
    consentry_trace_field,
    feedback_id_field,
)
from gateway.message.unsubscribe_fields import unsubscribe_fields

PEMS = {"rsa": new_key(KeyKind.RSA), "ed": new_key(KeyKind.ED25519)}
SIGNERS = [Signer("a.org", selector, load_key(pem)) for selector, pem in PEMS.items()]
NOW = int(time.time())
HEADER = b"From: Joe <joe@a.org>\r\nSubject: hello\r\nDate: today\r\n"
MARKED = (
    HEADER + feedback_id_field("m", "token", "s", "t").raw + cfbl_address_field("f.example").raw
)
PAIR = unsubscribe_fields("https://u.a.org/token", "mailto:u+token@a.org")
OWN = (*PAIR, consentry_trace_field("token"), cfbl_feedback_id_field("token"))

WORDS = st.text("ab:;=\xe9 \t", max_size=12).map(lambda text: text.encode())
VALUES = st.lists(WORDS, min_size=1, max_size=4).map(b"\r\n\t".join)
NAMES = st.sampled_from(
    [*OVERSIGNED[1:], *SIGNED, *TRACE_FIELDS, b"x-other", b"Received", b"SUBJECT", b"List-ID"]
)
FIELDS = st.builds(lambda name, value: name + b":" + value + b"\r\n", NAMES, VALUES)
BODIES = st.lists(WORDS, max_size=8).map(lambda lines: b"".join(x + b"\r\n" for x in lines))


def body_hash(body: bytes) -> bytes:
    """The relaxed hash of `body`."""
    hasher = RelaxedBodyHash()
    hasher.add(body)
    return hasher.digest()


def verdicts(message: bytes, count: int = 2) -> list[bool]:
    """What dkimpy says of each of the `count` signatures on top of `message`."""

    def txt(name: bytes, timeout: int = 5) -> bytes:
        selector = name.partition(b".")[0].decode()
        return dns_record(PEMS[selector])[1:-1].replace('" "', "").encode()

    def verdict(index: int) -> bool:
        try:
            return bool(judge.verify(index, dnsfunc=txt))
        except dkim.ValidationError:  # how a wrong body hash is told
            return False

    judge = dkim.DKIM(message)
    return [verdict(index) for index in range(count)]


def stamped_for(header: bytes, own: Sequence[Field]) -> Stamped:
    """A header section whose copies bring `own`."""
    return Stamped(HeaderView.parse(header), tuple(field.name for field in own))


def signed(header: bytes, body: bytes = b"hello\r\n", own: Sequence[Field] = ()) -> bytes:
    """A whole message as it would be sent."""
    stamped = stamped_for(header, own)
    return Signatures(SIGNERS, stamped, body_hash(body), NOW).copy_header(own) + body


@settings(max_examples=60, deadline=None)
@given(st.lists(FIELDS, max_size=12), BODIES, st.sampled_from([(), PAIR, OWN]))
def test_verifies(fields: list[bytes], body: bytes, own: tuple[Field, ...]) -> None:
    """Folds, repeats, 8-bit, blank and ragged lines: RSA and Ed25519 signatures both hold."""
    named = {field.name for field in own}  # of what a copy brings, stamping leaves no other
    kept = [raw for raw in fields if raw.partition(b":")[0].lower() not in named]
    header = b"From: joe@a.org\r\n" + b"".join(kept)
    assert verdicts(signed(header, body, own)) == [True, True]


@pytest.mark.parametrize("body", [b"", b"\r\n", b"a\r\n\r\n\r\n", b" \t\r\n", b" a  b\t\r\n \r\n"])
def test_verifies_odd_bodies(body: bytes) -> None:
    """Empty bodies, trailing blank lines and runs of whitespace verify."""
    assert verdicts(signed(HEADER, body)) == [True, True]


@pytest.mark.parametrize(
    ("name", "own"),
    [*((name, ()) for name in OVERSIGNED), *((name, OWN) for name in OVERSIGNED + TRACE_FIELDS)],
)
def test_oversigned(name: bytes, own: tuple[Field, ...]) -> None:
    """Adding one more of a field that readers act on, above or below, breaks both signatures."""
    message = signed(MARKED if own else HEADER, own=own)
    added = name.title() + b": x\r\n"
    assert verdicts(message) == [True, True]
    assert verdicts(message.replace(b"From:", added + b"From:", 1)) == [False, False]
    assert verdicts(message.replace(b"\r\n\r\n", b"\r\n" + added + b"\r\n", 1)) == [False, False]


@pytest.mark.parametrize("name", TRACE_FIELDS)
def test_unmarked_mail_may_be_marked_by_others(name: bytes) -> None:
    """Where no such field is ours, whoever passes the mail on may add one: the signatures hold."""
    added = name.title() + b": x\r\nFrom:"
    assert verdicts(signed(HEADER, own=PAIR).replace(b"From:", added, 1)) == [True, True]


@pytest.mark.parametrize("value", [b"=?u?q?b?=\r\n " * 16_000, b"a \t b\r\n\t " * 9_000])
def test_verifies_long_fields(value: bytes) -> None:
    """A subject of 16,000 encoded words or ragged whitespace verifies like a short one."""
    assert verdicts(signed(HEADER.replace(b"hello", value + b" end"))) == [True, True]


def test_changes_break() -> None:
    """A changed subject, body or token breaks both; an unsigned field does not."""
    message = signed(MARKED, own=OWN)
    for old, new in (
        (b"t: hello", b"t: hullo"),
        (b"\r\nhello", b"\r\nhullo"),
        (b"org/token", b"org/tokex"),
        (b"Trace: token", b"Trace: tokex"),
        (b"CFBL-Feedback-ID: token", b"CFBL-Feedback-ID: tokex"),
        (b"m.token", b"m.tokex"),
        (b"fbl@f.example", b"fbl@g.example"),
    ):
        assert old in message
        assert verdicts(message.replace(old, new)) == [False, False]
    assert verdicts(message.replace(b"From:", b"X-Trace: 1\r\nFrom:", 1)) == [True, True]


def test_copies_share_but_differ() -> None:
    """Each copy verifies with its own token, and with no other's."""
    signatures = Signatures(SIGNERS, stamped_for(HEADER, PAIR), body_hash(b"x\r\n"), NOW)
    pairs = [unsubscribe_fields(f"https://u.a.org/{n}", "") for n in range(3)]
    copies = [signatures.copy_header(pair) + b"x\r\n" for pair in pairs]
    for copy, pair in zip(copies, pairs, strict=True):
        assert copy.endswith(HEADER + pair[0].raw + pair[1].raw + b"\r\nx\r\n")
        assert verdicts(copy) == [True, True]
    assert verdicts(copies[0].replace(pairs[0][0].raw, pairs[1][0].raw)) == [False, False]


def test_tags() -> None:
    """Algorithm, canonicalisation, domain, times and names stand in the field; no l=."""
    field = sign(SIGNERS[:1], HEADER, body_hash(b""), NOW)
    assert all(len(line) <= 78 for line in field.split(b"\r\n")[:-1])
    tags = dict(tag.split("=", 1) for tag in re.sub(r"\s", "", field.decode())[15:].split(";"))
    names = tags.pop("h").split(":")
    assert names.count("from") == 2
    assert names.count("list-unsubscribe") == 1
    assert tags.pop("b")
    assert tags == {
        "v": "1",
        "a": "rsa-sha256",
        "c": "relaxed/relaxed",
        "d": "a.org",
        "s": "rsa",
        "t": str(NOW - 60),
        "x": str(NOW + 14 * 86_400),
        "bh": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    }


def test_single_header() -> None:
    """`sign` gives the fields for one header section; a malformed section is not signed."""
    fields = sign(SIGNERS, HEADER, body_hash(b"a\r\n"), NOW)
    assert verdicts(fields + HEADER + b"\r\na\r\n") == [True, True]
    with pytest.raises(SigningFailed):
        sign(SIGNERS, b"nonsense\r\n", body_hash(b""), NOW)


def test_without_signers() -> None:
    """A domain that signs nothing gets its header with the empty line, and its pair."""
    plain = Signatures([], stamped_for(HEADER, ()), bytes(32), NOW)
    assert plain.copy_header() == HEADER + b"\r\n"
    with_own = Signatures([], stamped_for(HEADER, OWN), bytes(32), NOW)
    brought = b"".join(field.raw for field in OWN)
    assert with_own.copy_header(OWN) == HEADER + brought + b"\r\n"


@pytest.mark.parametrize(
    ("needs", "own"),
    [(OWN, ()), ((), OWN), (OWN, PAIR), (PAIR, OWN), (OWN, OWN[::-1]), (OWN, OWN * 2)],
)
def test_never_without_what_is_its_own(needs: tuple[Field, ...], own: tuple[Field, ...]) -> None:
    """A copy that lacks a field of its own, or brings something else, is not made."""
    signatures = Signatures([], stamped_for(HEADER, needs), bytes(32), NOW)
    with pytest.raises(SigningFailed):
        signatures.copy_header(own)


def test_failing_key() -> None:
    """A key that raises ends as SigningFailed, naming the key and nothing secret."""

    class Broken(Ed25519PrivateKey):
        def sign(self, data: bytes) -> bytes:
            raise RuntimeError("token is gone")

        def public_key(self) -> object: ...
        def private_bytes(self, *args: object) -> bytes: ...
        def private_bytes_raw(self) -> bytes: ...
        def __copy__(self) -> Broken: ...
        def __deepcopy__(self, memo: object) -> Broken: ...

    signers = [SIGNERS[0], dataclasses.replace(SIGNERS[1], key=Broken())]
    with pytest.raises(SigningFailed, match=r"^the key ed of a\.org did not sign$"):
        sign(signers, HEADER, bytes(32), NOW)
