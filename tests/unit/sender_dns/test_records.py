"""DKIM, SPF and DMARC records judged as texts, without asking anybody."""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress
from ipaddress import ip_address

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from gateway.message.dkim_keys import KeyKind, dns_record, load_key, new_key
from gateway.sender_dns import dkim, dmarc
from gateway.sender_dns.findings import Finding, Mark
from gateway.sender_dns.spf import EVERYTHING, Policy, covers, is_record, read_record
from gateway.sender_dns.texts import SENTENCES, Say

NAME = "s1._domainkey.acme.test"
PEMS = {kind: new_key(kind) for kind in KeyKind}
RSA, ED = load_key(PEMS[KeyKind.RSA]), load_key(PEMS[KeyKind.ED25519])


def published(kind: KeyKind) -> str:
    """The record of a key, its strings joined as a resolver gives them."""
    return dns_record(PEMS[kind]).replace('" "', "").strip('"')


RECORD = published(KeyKind.RSA)


@pytest.mark.parametrize(
    ("records", "say"),
    [
        ([RECORD], Say.DKIM_OK),
        ([RECORD.replace("v=DKIM1; k=rsa; ", "")], Say.DKIM_OK),
        ([RECORD.replace("p=MII", "p= MI I") + ";"], Say.DKIM_OK),
        ([f"{RECORD}; h=sha1:sha256; s=email; t=s"], Say.DKIM_OK),
        ([], Say.DKIM_MISSING),
        ([RECORD, RECORD], Say.DKIM_SEVERAL),
        (["v=DKIM1; k=rsa; p="], Say.DKIM_REVOKED),
        (["v=DKIM1; k=rsa"], Say.DKIM_BROKEN),
        (["v=DKIM1; p=&&&"], Say.DKIM_BROKEN),
        (["v=DKIM1; p"], Say.DKIM_BROKEN),
        (["k=rsa; k=rsa; p=AA=="], Say.DKIM_BROKEN),
        ([RECORD.replace("v=DKIM1", "v=DKIM2")], Say.DKIM_BROKEN),
        ([RECORD.replace("v=DKIM1; k=rsa;", "k=rsa; v=DKIM1;")], Say.DKIM_BROKEN),
        ([published(KeyKind.ED25519)], Say.DKIM_OTHER_KEY),
        ([RECORD.replace("k=rsa", "k=ed25519")], Say.DKIM_OTHER_KEY),
        ([f"{RECORD}; h=sha1"], Say.DKIM_UNUSABLE),
        ([f"{RECORD}; s=other"], Say.DKIM_UNUSABLE),
        ([f"{RECORD}; t=y:s"], Say.DKIM_TESTING),
    ],
)
def test_a_published_key_is_held_to_the_one_that_signs(records: list[str], say: Say) -> None:
    """RFC 6376 section 3.6.1, tag by tag."""
    assert dkim.judge(NAME, records, RSA).say is say


def test_a_key_may_be_published_in_any_of_its_forms() -> None:
    """An RSA key also without its frame (RFC 6376 section 3.6.1), an Ed25519 key as 32 octets."""
    assert dkim.judge(NAME, [published(KeyKind.ED25519)], ED).say is Say.DKIM_OK
    bare = b64encode(RSA.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)).decode()
    assert dkim.judge(NAME, [f"v=DKIM1; p={bare}"], RSA).say is Say.DKIM_OK


@pytest.mark.parametrize(
    ("text", "address", "is_covered"),
    [
        ("v=spf1 ip4:192.0.2.0/24 -all", "192.0.2.7", True),
        ("v=spf1 ip4:192.0.2.0/24 -all", "192.0.3.7", False),
        ("v=spf1 -ip4:192.0.2.7 ip4:192.0.2.0/24 -all", "192.0.2.7", False),
        ("v=spf1 ~ip4:192.0.2.7 +all", "192.0.2.7", False),
        ("v=spf1 ip6:2001:db8::/32 ?all", "2001:db8::1", True),
        ("v=spf1 ip6:2001:db8::/32 ?all", "192.0.2.7", False),
        ("V=SPF1 IP4:192.0.2.7 -ALL", "192.0.2.7", True),
        ("v=spf1", "192.0.2.7", False),
    ],
)
def test_the_first_term_that_matches_decides(text: str, address: str, is_covered: bool) -> None:
    """RFC 7208 section 4.6.2, for terms that need no look-up."""
    record = read_record(text)
    terms = [(one.qualifier, (one.network,) if one.network else EVERYTHING) for one in record.terms]
    assert covers(Policy(tuple(terms)), ip_address(address)) is is_covered


@pytest.mark.parametrize(
    "term",
    [
        *("ip4:300.0.0.1", "ip4:192.0.2.0/33", "ip4:2001:db8::1", "ip6:192.0.2.1", "ip4", "ip4:"),
        *("include", "include:", "exists", "all:x", "a:", "a/33", "a//129", "mx:", "include:x/24"),
        *("ipv4:192.0.2.1", "-", "redirect=", "redirect=a redirect=b", "exp=a exp=b", "a=b:c mx=%"),
        *("192.0.2.1", "include=x.test all=", "ptr/24", "all/8", "ip4:192.0.2.1/", "+"),
    ],
)
def test_a_faulty_term_is_named(term: str) -> None:
    """Anything that RFC 7208 calls a permanent error; unknown modifiers are none."""
    if "=" in term and "redirect" not in term and "exp" not in term:
        assert read_record(f"v=spf1 {term} -all").ends == "-"
        return
    with pytest.raises(ValueError, match=r"^\S+$"):
        read_record(f"v=spf1 {term} -all")


@pytest.mark.parametrize(
    "term",
    [
        *("a", "a:x.test", "a/24", "a/24//64", "a//64", "a:x.test/24//64", "mx", "mx:x.test/8"),
        *("ptr", "ptr:x.test", "exists:%{ir}.sbl.x.test", "include:_spf.x.test", "?include:x.test"),
        *("a:%{d1r/}.x.test", "redirect=x.test", "exp=why.x.test", "unknown=1"),
    ],
)
def test_a_good_term_is_read(term: str) -> None:
    """Everything that sections 5 and 6 define."""
    assert read_record(f"v=spf1 {term} -all").ends == "-"


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("v=spf1", True), ("v=spf1 a", True), ("v=spf10 a", False), (" v=spf1", False), ("", False)],
)
def test_an_spf_record_is_known_by_its_beginning(text: str, is_one: bool) -> None:
    """RFC 7208 section 4.5."""
    assert is_record(text) is is_one


@given(st.text(max_size=200))
def test_no_record_can_break_the_readers(text: str) -> None:
    """Strangers publish anything: it is read, or named as a fault, and shown with a sentence."""
    with suppress(ValueError):
        read_record(f"v=spf1 {text}")
    for finding in (
        dkim.judge(NAME, [text], RSA),
        dmarc.judge("_dmarc.acme.test", [text], is_below=False, signs_below=False),
    ):
        for language in SENTENCES:
            assert finding.sentence(language)


@pytest.mark.parametrize(
    ("record", "is_below", "signs_below", "say"),
    [
        ("v=DMARC1; p=reject", False, False, Say.DMARC_OK),
        ("v=DMARC1; p=none; rua=mailto:x@acme.test", False, False, Say.DMARC_WATCHES),
        ("v=DMARC1; p=reject; sp=none", True, False, Say.DMARC_WATCHES),
        ("v=DMARC1; p=none; sp=reject", False, False, Say.DMARC_WATCHES),
        ("v=DMARC1; p=quarantine", True, True, Say.DMARC_OK),
        ("v=DMARC1; p=reject; adkim=s", True, True, Say.DMARC_STRICT),
        ("v=DMARC1; p=reject; adkim=s", False, False, Say.DMARC_OK),
        ("v=DMARC1; p=all; rua=mailto:x@acme.test", False, False, Say.DMARC_WATCHES),
        ("v=DMARC1; p=all", False, False, Say.DMARC_BROKEN),
        ("v=DMARC1", False, False, Say.DMARC_BROKEN),
        ("v=DMARC1; p=reject; &", False, False, Say.DMARC_BROKEN),
    ],
)
def test_the_policy_that_holds_is_named(
    record: str, is_below: bool, signs_below: bool, say: Say
) -> None:
    """RFC 7489 section 6.3; a subdomain of the record's goes by `sp=` where there is one."""
    found = dmarc.judge("_dmarc.acme.test", [record], is_below=is_below, signs_below=signs_below)
    assert found.say is say


def test_every_finding_has_a_sentence_and_a_mark() -> None:
    """In both languages, with the same blanks."""
    values = dict.fromkeys(("why", "lookups", "count", "addresses", "policy"), "7")
    for say in Say:
        finding = Finding("x.test", say, values=values)
        assert finding.mark in Mark
        assert all(finding.sentence(language) for language in ("en", "pl"))
