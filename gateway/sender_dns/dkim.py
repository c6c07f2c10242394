"""Whether the key that signs is the one that is published (RFC 6376 section 3.6.1, RFC 8463).

`judge` takes the TXT records at the selector's name and the signing key, and gives a finding.
Pure; only the key's public half is used.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.message.dkim_keys import PrivateKey
from gateway.sender_dns.findings import Finding
from gateway.sender_dns.tags import read_tags
from gateway.sender_dns.texts import Say

_WHITE = re.compile(r"\s+")


def key_name(domain: str, selector: str) -> str:
    """Where a selector's record stands (section 3.6.2.1)."""
    return f"{selector}._domainkey.{domain}"


def judge(name: str, records: Sequence[str], key: PrivateKey) -> Finding:
    """What the TXT `records` at `name` say of `key`."""
    match records:
        case []:
            return Finding(name, Say.DKIM_MISSING)
        case [record]:
            pass
        case _:
            return Finding(name, Say.DKIM_SEVERAL, records[0])
    try:
        tags = read_tags(record)
        published = b64decode(_WHITE.sub("", tags.get("p", "")), validate=True)
    except NoBase64:
        return Finding(name, Say.DKIM_BROKEN, record, {"why": "p="})
    except ValueError as error:
        return Finding(name, Say.DKIM_BROKEN, record, {"why": str(error)})
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        return Finding(name, Say.DKIM_BROKEN, record, {"why": "v="})
    if "p" not in tags:
        return Finding(name, Say.DKIM_BROKEN, record, {"why": "p="})
    if not published:
        return Finding(name, Say.DKIM_REVOKED, record)
    kind, forms = _published_forms(key)
    if tags.get("k", "rsa") != kind or published not in forms:
        return Finding(name, Say.DKIM_OTHER_KEY, record)
    if "sha256" not in _words(tags.get("h", "sha256")):
        return Finding(name, Say.DKIM_UNUSABLE, record, {"why": f"h={tags['h']}"})
    if not _words(tags.get("s", "*")) & {"*", "email"}:
        return Finding(name, Say.DKIM_UNUSABLE, record, {"why": f"s={tags['s']}"})
    if "y" in _words(tags.get("t", "")):
        return Finding(name, Say.DKIM_TESTING, record)
    return Finding(name, Say.DKIM_OK, record)


def _words(value: str) -> set[str]:
    return {word.strip() for word in value.split(":")}


def _published_forms(key: PrivateKey) -> tuple[str, set[bytes]]:
    """The `k=` of a key and the octets that its `p=` may hold: an RSA key stands there with or
    without the frame that names its algorithm."""
    public = key.public_key()
    if isinstance(key, Ed25519PrivateKey):
        return "ed25519", {public.public_bytes(Encoding.Raw, PublicFormat.Raw)}
    framed, bare = PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1
    return "rsa", {public.public_bytes(Encoding.DER, form) for form in (framed, bare)}
