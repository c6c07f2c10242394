"""DKIM signatures (RFC 6376; Ed25519: RFC 8463), relaxed/relaxed, for one or many copies.

Takes a stamped header section, the body's hash and the signers of the header From domain; gives
each copy's whole header section, signatures on top, to be sent as it is. What the copies share is
canonicalised and hashed once. Fields that a reader acts on are named once more than they occur, so
that adding one breaks the signature. Raises SigningFailed; chooses no key and has no clock.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.errors import HeaderSyntaxError, SigningFailed
from gateway.message.body import collapse
from gateway.message.dkim_keys import PrivateKey, check_name
from gateway.message.header import Field, HeaderView
from gateway.message.stamp import Stamped
from gateway.message.trace_fields import TRACE_FIELDS
from gateway.message.unsubscribe_fields import UNSUBSCRIBE, UNSUBSCRIBE_POST

BACKDATED = 60
"""Seconds that `t=` lies back, so that a verifier with a slow clock does not see the future."""
VALIDITY = 14 * 86_400
"""Seconds until `x=`: longer than a next hop keeps mail in its queue."""

OVERSIGNED = (
    *(b"from", b"to", b"cc", b"subject", b"date", b"message-id", b"reply-to"),
    *(b"mime-version", b"content-type", b"content-transfer-encoding", b"list-id"),
    *(UNSUBSCRIBE, UNSUBSCRIBE_POST),
)
"""Named once more than they occur. So are `TRACE_FIELDS`, but only where they occur: who passes
unmarked mail of ours on may ask for its reports (RFC 9477 section 3.1.3)."""
SIGNED = (
    *(b"sender", b"in-reply-to", b"references", b"auto-submitted", b"precedence"),
    *(b"list-help", b"list-subscribe", b"list-owner", b"list-post", b"list-archive"),
    *(b"resent-from", b"resent-sender", b"resent-to", b"resent-cc", b"resent-date"),
    b"resent-message-id",
)
"""Signed where present (RFC 6376 section 5.4.1), but another may be added."""
_SIGNABLE = frozenset((*OVERSIGNED, *TRACE_FIELDS, *SIGNED))

_PADDING = PKCS1v15()
_PREHASHED = Prehashed(SHA256())
_FOLD = b"\r\n\t"
_LINE = 72
_LONG = 8_192
"""Octets from which splitting a value into words would take milliseconds."""


@dataclass(frozen=True, slots=True)
class Signer:
    """One key of a domain. `domain` and `selector` are lower-case A-labels."""

    domain: str
    selector: str
    key: PrivateKey

    def __post_init__(self) -> None:
        check_name(self.domain, "domain")
        check_name(self.selector, "selector")

    @property
    def algorithm(self) -> str:
        """The `a=` tag."""
        kind = "ed25519" if isinstance(self.key, Ed25519PrivateKey) else "rsa"
        return f"{kind}-sha256"

    def sign(self, digest: bytes) -> bytes:
        """Sign a SHA-256 digest; RSA lets other threads run meanwhile."""
        try:
            if isinstance(self.key, Ed25519PrivateKey):
                return self.key.sign(digest)
            return self.key.sign(digest, _PADDING, _PREHASHED)
        except Exception as error:
            # Whatever goes wrong in a key must end as a 451, never as unsigned mail.
            raise SigningFailed(f"the key {self.selector} of {self.domain} did not sign") from error


class Signatures:
    """Signs the copies of one message; holds what they share. Usable from any thread.

    Each copy brings the fields that `stamped.own` names. Without signers (a domain with
    `dkim: none`) the copies come out unsigned.
    """

    __slots__ = ("_drafts", "_hash", "_own", "_shared")

    def __init__(
        self, signers: Sequence[Signer], stamped: Stamped, body_hash: bytes, now: float
    ) -> None:
        self._shared = stamped.shared
        self._own = stamped.own
        self._hash = sha256()
        self._drafts: list[tuple[Signer, bytes, bytes]] = []
        if not signers:
            return
        fields = stamped.shared.fields
        # Unsigned names are blanked: what is remembered of a header section has so few forms.
        present = [field.name if field.name in _SIGNABLE else b"" for field in fields]
        names, order = _chosen(tuple(present), stamped.own)
        self._hash.update(b"".join([canonical(fields[place]) for place in order]))
        for signer in signers:
            draft = _draft(signer, names, body_hash, int(now))
            # What is hashed in the end: the field in relaxed form with an empty b= and no CRLF.
            hashed = b"dkim-signature:" + b" ".join(draft.split()[1:])
            self._drafts.append((signer, draft, hashed))

    def copy_header(self, own: Sequence[Field] = ()) -> bytes:
        """One copy's header section with the empty line; `own` are its own fields.

        Raises SigningFailed when a key fails or `own` is not what the message was stamped for.
        """
        brought = [field.raw for field in own]
        return b"".join((self.fields(own), self._shared.octets, *brought, b"\r\n"))

    def fields(self, own: Sequence[Field] = ()) -> bytes:
        """The copy's DKIM-Signature fields alone."""
        if tuple([field.name for field in own]) != self._own:
            raise SigningFailed("a copy's own fields are not what the message was stamped for")
        shared_and_own = self._hash
        if own:
            shared_and_own = self._hash.copy()
            shared_and_own.update(b"".join([canonical(field) for field in own]))
        signed = []
        for signer, draft, hashed in self._drafts:
            whole = shared_and_own.copy()
            whole.update(hashed)
            signature = b64encode(signer.sign(whole.digest()))
            lines = [signature[at : at + _LINE] for at in range(0, len(signature), _LINE)]
            signed.append(b"%b%b\r\n" % (draft, _FOLD.join(lines)))
        return b"".join(signed)


def sign(signers: Sequence[Signer], header: bytes, body_hash: bytes, now: float) -> bytes:
    """The DKIM-Signature fields to put on top of a single `header`; SigningFailed on any fault."""
    try:
        view = HeaderView.parse(header)
    except HeaderSyntaxError as error:
        raise SigningFailed(f"the header section cannot be signed: {error}") from error
    return Signatures(signers, Stamped(view), body_hash, now).fields()


def canonical(field: Field) -> bytes:
    """A field in relaxed form (RFC 6376 section 3.4.2), with its CRLF."""
    value = field.raw[len(field.name) + 1 :]
    if len(value) > _LONG:
        value = collapse(value.replace(b"\r\n", b"")).strip()
    else:
        # split() cuts at CR, LF, space and tab; HeaderView lets no other whitespace in.
        value = b" ".join(value.split())
    return b"%b:%b\r\n" % (field.name, value)


@lru_cache(maxsize=256)
def _chosen(present: tuple[bytes, ...], own: tuple[bytes, ...]) -> tuple[bytes, tuple[int, ...]]:
    """The value of `h=` for fields of these names, and the places of those it stands for, in the
    order of hashing.

    Instances of one name are taken from the bottom up (section 5.4.2); a mention that is left over
    stands for nothing. What each copy brings is hashed after all that is shared.
    """
    found: dict[bytes, list[int]] = {}
    for place in reversed(range(len(present))):
        found.setdefault(present[place], []).append(place)
    names: list[bytes] = []
    for name in OVERSIGNED + TRACE_FIELDS:
        if name not in own and (name in found or name in OVERSIGNED):
            names += [name] * (len(found.get(name, ())) + 1)
    for name in SIGNED:
        names += [name] * len(found.get(name, ()))
    order = [place for name in dict.fromkeys(names) for place in found.get(name, ())]
    return _folded((*names, *own, *own)), tuple(order)


def _draft(signer: Signer, names: bytes, body_hash: bytes, now: int) -> bytes:
    """The DKIM-Signature field (section 3.5) up to and with `b=`."""
    return (
        b"DKIM-Signature: v=1; a=%b; c=relaxed/relaxed; d=%b; s=%b;\r\n"
        b"\tt=%d; x=%d; bh=%b;\r\n"
        b"\th=%b;\r\n"
        b"\tb="
    ) % (
        signer.algorithm.encode("ascii"),
        signer.domain.encode("ascii"),
        signer.selector.encode("ascii"),
        now - BACKDATED,
        now + VALIDITY,
        b64encode(body_hash),
        names,
    )


def _folded(names: Sequence[bytes]) -> bytes:
    """Names with colons between them, in lines."""
    lines = [b""]
    for name in names:
        if len(lines[-1]) + len(name) > _LINE:
            lines.append(b"")
        lines[-1] += name + b":"
    return _FOLD.join(lines)[:-1]
