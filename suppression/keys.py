"""Keys of addresses and domains, and the secrets behind them.

`Keyring` holds generations of secrets that live in a file outside the database. A stored key is
the first 16 octets of HMAC-SHA-256 (RFC 2104) over a purpose and a form of `suppression.address`,
so the database alone tells nobody who is in it. New entries use the current generation; look-ups
try all, because old keys are never rewritten. `seal` encrypts a plain text so that it can be
destroyed without losing the key. Raises ConfigurationError for a file that is missing, open to
others, or damaged.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import ConfigurationError
from gateway.words import Address
from suppression.address import a_label, exact_form, loosen, suffixes

KEY_OCTETS = 16
SECRET_OCTETS = 32
MAX_GENERATION = 63
"""A token has six bits for it."""
_DOMAINS_CACHED = 8192
# Each subject secret makes a key for exactly one text, and one for exactly one content, so the
# nonce may be constant.
_NONCE = bytes(12)


class Mac:
    """HMAC-SHA-256 with its padded key hashed once: a third of the cost of a fresh HMAC."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, secret: bytes) -> None:
        block = secret.ljust(64, b"\0")
        self._inner = sha256(bytes(octet ^ 0x36 for octet in block))
        self._outer = sha256(bytes(octet ^ 0x5C for octet in block))

    def __call__(self, data: bytes) -> bytes:
        """The 32 octets of the MAC over `data`."""
        inner = self._inner.copy()
        inner.update(data)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation of secrets, 32 octets each, known by `id` (0 to 63)."""

    id: int
    address: bytes
    token: bytes
    wrap: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.id <= MAX_GENERATION:
            raise ValueError(f"generation {self.id} is not within 0 to {MAX_GENERATION}")
        if {len(self.address), len(self.token), len(self.wrap)} != {SECRET_OCTETS}:
            raise ValueError(f"a secret has not {SECRET_OCTETS} octets")

    @classmethod
    def fresh(cls, number: int) -> Generation:
        """A generation of random secrets."""
        return cls(number, *(os.urandom(SECRET_OCTETS) for _ in range(3)))


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted text: `data` is nothing without `secret` (17 octets), which lies apart."""

    secret: bytes
    data: bytes


class Keyring:
    """Generations of secrets; the `current` one, the first if not told, makes everything new.

    The others are for look-ups: those before it, and one that is to become current when every
    process knows it.
    """

    def __init__(self, generations: Sequence[Generation], current: int | None = None) -> None:
        if not generations:
            raise ValueError("a keyring has at least one generation")
        first = generations[0].id if current is None else current
        generations = sorted(generations, key=lambda generation: generation.id != first)
        if generations[0].id != first:
            raise ValueError(f"there is no generation {first}")
        self.generations = {generation.id: generation for generation in generations}
        if len(self.generations) != len(generations):
            raise ValueError("two generations have the same id")
        self.current = generations[0]
        self._macs = [Mac(generation.address) for generation in generations]
        self._wraps = {generation.id: Mac(generation.wrap) for generation in generations}
        self._domain_keys = lru_cache(_DOMAINS_CACHED)(self._derive_domain_keys)

    def __repr__(self) -> str:
        return f"Keyring(current={self.current.id}, generations={sorted(self.generations)})"

    # ---- the file ---------------------------------------------------------------------------

    @classmethod
    def create(cls, path: Path) -> Keyring:
        """A new keyring of one generation, written to `path` (0600); never overwrites."""
        keyring = cls([Generation.fresh(0)])
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            _write_new(path, keyring._to_json())
        except FileExistsError:
            raise ConfigurationError(
                f"{path}: exists already, a keyring is never replaced"
            ) from None
        return keyring

    @classmethod
    def load(cls, path: Path) -> Keyring:
        """The keyring in `path`."""
        try:
            if path.stat().st_mode & 0o077:
                raise ConfigurationError(f"{path}: others can read it, run chmod 600")
            content = json.loads(path.read_text())
            generations = [_generation(entry) for entry in content["generations"]]
            return cls(generations, content.get("current"))
        except OSError as error:
            raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(f"{path}: is not a keyring: {error}") from error

    def save(self, path: Path) -> None:
        """Put this keyring in the place of the one in `path`, as a whole or not at all.

        Refuses to lose a generation: whatever was written under it would never be found again.
        """
        lost = Keyring.load(path).generations.items() - self.generations.items()
        if lost:
            raise ConfigurationError(f"{path}: has generation {min(lost)[0]}, which would be lost")
        draft = path.with_name(f"{path.name}.new")
        try:
            draft.unlink(missing_ok=True)
            _write_new(draft, self._to_json())
            draft.replace(path)
            _sync(path.parent)
        except OSError as error:
            raise ConfigurationError(f"{path}: cannot be written: {error.strerror}") from error

    def with_generation(self) -> Keyring:
        """This keyring and one fresh generation more, for look-ups until it is made current."""
        number = max(self.generations) + 1
        if number > MAX_GENERATION:
            raise ConfigurationError(f"a keyring has at most {MAX_GENERATION + 1} generations")
        return Keyring([*self.generations.values(), Generation.fresh(number)], self.current.id)

    def using(self, number: int) -> Keyring:
        """This keyring with generation `number` as the current one. Raises ConfigurationError."""
        if number not in self.generations:
            known = ", ".join(map(str, sorted(self.generations)))
            raise ConfigurationError(f"there is no generation {number}; there are {known}")
        return Keyring(list(self.generations.values()), number)

    def _to_json(self) -> str:
        generations = [
            {
                "id": generation.id,
                "address": b64encode(generation.address).decode(),
                "token": b64encode(generation.token).decode(),
                "wrap": b64encode(generation.wrap).decode(),
            }
            for generation in self.generations.values()
        ]
        content = {"current": self.current.id, "generations": generations}
        return json.dumps(content, indent=2) + "\n"

    def fingerprints(self) -> dict[int, str]:
        """A public mark of each generation, to tell whether a database was written under it."""
        return {
            number: Mac(generation.address)(b"fingerprint\0")[:8].hex()
            for number, generation in self.generations.items()
        }

    def describe(self) -> dict[str, object]:
        """Which generations there are, for `status`: that is how a rotation knows who knows."""
        return {"current": self.current.id, "generations": sorted(self.generations)}

    # ---- keys -------------------------------------------------------------------------------

    def exact_key(self, address: Address) -> bytes:
        """16 octets for the exact form, current generation."""
        return self._macs[0](b"exact\0" + exact_form(address).encode())[:KEY_OCTETS]

    def loose_key(self, address: Address) -> bytes:
        """16 octets for the loose form, current generation."""
        return self._macs[0](b"loose\0" + loosen(exact_form(address)).encode())[:KEY_OCTETS]

    def domain_key(self, domain: str) -> bytes:
        """16 octets for a whole domain (U-label or A-label), current generation."""
        return self._macs[0](b"domain\0" + a_label(domain).encode())[:KEY_OCTETS]

    def look_up_keys(self, address: Address) -> list[bytes]:
        """Every key an entry about `address` may stand under; the current exact key comes first.

        Exact and loose of each generation, then its domain and parent domains.
        """
        exact = exact_form(address)
        loose = b"loose\0" + loosen(exact).encode()
        named = b"exact\0" + exact.encode()
        keys: list[bytes] = []
        for mac in self._macs:
            keys += (mac(named)[:KEY_OCTETS], mac(loose)[:KEY_OCTETS])
        keys += self._domain_keys(address.domain)
        return keys

    def domain_look_up_keys(self, domain: str) -> tuple[bytes, ...]:
        """Every key an entry that covers `domain` may stand under, `domain` itself first."""
        return self._domain_keys(domain)

    def labelled_keys(self, data: bytes) -> list[bytes]:
        """16 octets for a label and what follows it, of each generation, the current one first."""
        return [mac(data)[:KEY_OCTETS] for mac in self._macs]

    def _derive_domain_keys(self, domain: str) -> tuple[bytes, ...]:
        return tuple(
            mac(b"domain\0" + name.encode())[:KEY_OCTETS]
            for name in suffixes(a_label(domain))
            for mac in self._macs
        )

    # ---- sealed texts -----------------------------------------------------------------------

    def seal(self, text: str) -> Sealed:
        """Encrypt `text` (AES-128-GCM) under a key derived from a fresh secret and ours.

        Whoever destroys `secret` has destroyed the text, in every copy of `data`.
        """
        secret = bytes((self.current.id,)) + os.urandom(KEY_OCTETS)
        return Sealed(secret, AESGCM(self._text_key(secret)).encrypt(_NONCE, text.encode(), None))

    def open(self, sealed: Sealed) -> str:
        """The text again; ValueError when secret, data and keyring do not belong together."""
        try:
            key = self._text_key(sealed.secret)
            return AESGCM(key).decrypt(_NONCE, sealed.data, None).decode()
        except (InvalidTag, KeyError, IndexError) as error:
            raise ValueError("sealed text does not open with this keyring") from error

    def seal_content(self, secret: bytes, octets: bytes) -> bytes:
        """Encrypt `octets` under the secret of a sealed text, by a key of their own.

        One content for each secret: destroying it destroys text and content.
        """
        return AESGCM(self._content_key(secret)).encrypt(_NONCE, octets, None)

    def open_content(self, secret: bytes, data: bytes) -> bytes:
        """The octets again; ValueError as for `open`."""
        try:
            return AESGCM(self._content_key(secret)).decrypt(_NONCE, data, None)
        except (InvalidTag, KeyError, IndexError) as error:
            raise ValueError("sealed content does not open with this keyring") from error

    def _text_key(self, secret: bytes) -> bytes:
        return self._wraps[secret[0]](b"seal\0" + secret)[:KEY_OCTETS]

    def _content_key(self, secret: bytes) -> bytes:
        return self._wraps[secret[0]](b"seal content\0" + secret)[:KEY_OCTETS]


def _generation(entry: dict[str, object]) -> Generation:
    secrets = (b64decode(str(entry[name]), validate=True) for name in ("address", "token", "wrap"))
    return Generation(int(str(entry["id"])), *secrets)


def _write_new(path: Path, text: str) -> None:
    """Make a private file and have it on the disk. Raises FileExistsError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Have a rename in `folder` on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
