"""Digests that others made are recognised, and found for every address they may be of."""

from hashlib import new

import pytest

from gateway.message.address import parse_mailbox
from suppression.hashes import (
    Digest,
    HashKind,
    domain_look_up_keys,
    entry_key,
    look_up_keys,
    read_digest,
)
from suppression.keys import Generation, Keyring

KEYRING = Keyring([Generation.fresh(0)])


def _digest(kind: HashKind, text: str) -> Digest:
    return Digest(kind, new(kind.algorithm, text.encode()).digest())


def _is_found(kind: HashKind, listed: str, mailed: str, is_loose: bool = False) -> bool:
    key = entry_key(KEYRING, _digest(kind, listed), is_loose)
    return key in look_up_keys(KEYRING, parse_mailbox(mailed), [kind])


@pytest.mark.parametrize("kind", HashKind)
def test_a_digest_is_read_in_either_case(kind: HashKind) -> None:
    """Length tells the algorithm, the column whether it is of a domain."""
    digest = _digest(kind, "x.example")
    assert read_digest(digest.octets.hex(), kind.is_domain) == digest
    assert read_digest(digest.octets.hex().upper(), kind=kind) == digest


@pytest.mark.parametrize(
    ("text", "kind", "problem"),
    [
        ("d41d8cd98f00b204e9800998ecf8427e", None, "MD5"),
        ("da39a3ee5e6b4b0d3255bfef95601890afd80709", None, "SHA-1"),
        ("jan@x.example", HashKind.SHA256, "no digest"),
        ("ab" * 64, HashKind.SHA256, "is sha512"),
    ],
)
def test_what_is_no_digest_of_the_kind_is_refused(
    text: str, kind: HashKind | None, problem: str
) -> None:
    """The older algorithms, and a list that is not what it is said to be, get a clear word."""
    with pytest.raises(ValueError, match=problem):
        read_digest(text, kind=kind)


@pytest.mark.parametrize("text", ["jan@x.example", "x.example", "", "ab" * 31, "gg" * 32])
def test_addresses_and_domains_are_no_digests(text: str) -> None:
    """What is not 64 or 128 hex digits is left to be read as something else."""
    assert read_digest(text) is None


@pytest.mark.parametrize("kind", [HashKind.SHA256, HashKind.SHA512])
@pytest.mark.parametrize(
    ("listed", "mailed", "is_exact", "is_loose"),
    [
        ("jan@x.example", "Jan@X.Example", True, True),
        ("john@x.example", '"john"@x.example', True, True),
        ('"john"@x.example', '"John"@x.example', True, True),
        ("a@münchen.example", "a@xn--mnchen-3ya.example", True, True),
        ("a@xn--mnchen-3ya.example", "a@MÜNCHEN.example", True, True),
        ("u@gmail.com", "u+news@gmail.com", False, True),
        ("jankowalski@gmail.com", "Jan.Kowalski+x@GoogleMail.com", False, True),
        ("jan.kowalski@gmail.com", "Jan.Kowalski+x@gmail.com", False, True),
        ("a.b@workspace.example", "ab@workspace.example", False, False),
        ("jan@x.example", "ann@x.example", False, False),
    ],
)
def test_an_address_is_found_by_the_digest_of_its_spellings(
    kind: HashKind, listed: str, mailed: str, is_exact: bool, is_loose: bool
) -> None:
    """Case, quoting and IDN spelling never matter; tags and dots only where entries are loose."""
    assert _is_found(kind, listed, mailed) is is_exact
    assert _is_found(kind, listed, mailed, is_loose=True) is is_loose


@pytest.mark.parametrize("kind", [HashKind.SHA256_DOMAIN, HashKind.SHA512_DOMAIN])
def test_a_domain_covers_what_is_under_it(kind: HashKind) -> None:
    """Subdomains and either spelling of an IDN are found, parents and neighbours are not."""
    assert _is_found(kind, "firma.example", "a@mail.FIRMA.example", is_loose=True)
    assert _is_found(kind, "münchen.example", "a@xn--mnchen-3ya.example", is_loose=True)
    assert not _is_found(kind, "mail.firma.example", "a@firma.example", is_loose=True)
    key = entry_key(KEYRING, _digest(kind, "firma.example"), is_loose=True)
    assert key in domain_look_up_keys(KEYRING, "firma.example", [kind])


def test_kinds_and_generations_are_kept_apart() -> None:
    """A digest of one kind is none of another; an older generation of the keyring is asked, too."""
    address = parse_mailbox("jan@x.example")
    digest = _digest(HashKind.SHA256, "jan@x.example")
    as_domain = Digest(HashKind.SHA256_DOMAIN, digest.octets)
    assert entry_key(KEYRING, digest, False) != entry_key(KEYRING, as_domain, False)
    assert entry_key(KEYRING, digest, False) != entry_key(KEYRING, digest, True)
    rotated = Keyring([Generation.fresh(1), KEYRING.current])
    old = set(look_up_keys(KEYRING, address, list(HashKind)))
    assert old < set(look_up_keys(rotated, address, list(HashKind)))
