"""Every key that this gateway has in Redis, and which of them live together.

`<prefix>:<layout>:{<slot>}:<name>`: what stands in braces decides the Cluster slot, so that all
keys of a slot below can be touched by one script. No key holds an address: they have a tenant's
name, a keyed hash, or a digest of what was asked.

| slot | holds |
|---|---|
| `t:<tenant>` | the tenant's holds, line, windows and mailings |
| `i00` .. `i15` | shards of the index of suppressions and consents |
| `f00` .. `f15` | flights of the ledger, by the first octet of the entry |
| `a:<digest>` | one rate window that belongs to no tenant |
| `p` | marks of the whole platform |
"""

from __future__ import annotations

from binascii import crc_hqx
from hashlib import sha256

LAYOUT = 1
"""Version of what is stored under the keys: another one shares nothing with this."""

SHARDS = 16
SLOTS = 16_384
FACTS = frozenset({"fact", "excused"})
"""Rate keys `fact:<kind>:<tenant>:<lifts>` have the tenant third."""


def slot_number(key: bytes) -> int:
    """Which of the 16,384 Cluster slots a key is in: CRC-16/XMODEM of what is in its braces."""
    start = key.find(b"{")
    if start >= 0 and (end := key.find(b"}", start + 1)) > start + 1:
        key = key[start + 1 : end]
    return crc_hqx(key, 0) % SLOTS


def owner_of(window: str) -> str | None:
    """The tenant of a window by its name in the records, `bytes:<key>` or `rate:<key>`."""
    kind, _, key = window.partition(":")
    return key.partition("/")[0] if kind == "bytes" else tenant_of(key)


def tenant_of(rate: str) -> str | None:
    """The tenant that a rate key names (`delivered:acme`, `recipients:acme/news`), if any."""
    parts = rate.split(":")
    if parts[0] == "auth" or len(parts) < 2:
        return None
    name = parts[2] if parts[0] in FACTS and len(parts) > 2 else parts[-1]
    return name.partition("/")[0]


class TenantKeys:
    """The keys of one tenant, all in one slot."""

    __slots__ = ("_base", "dirty", "expired", "holds", "leases", "line", "mailings")

    def __init__(self, base: str) -> None:
        self._base = base
        self.holds = f"{base}:holds".encode()
        """Hash: the guard's fields, and what each hold has."""
        self.leases = f"{base}:leases".encode()
        """Sorted set: holds by the moment (ms) that they end unless renewed."""
        self.line = f"{base}:line".encode()
        """Sorted set: holds that wait for a batch, by their number in line."""
        self.expired = f"{base}:expired".encode()
        """Sorted set: holds that nobody renewed, by when (ms) that was found; for an hour."""
        self.mailings = f"{base}:mailings".encode()
        """Hash: current mailing by stream."""
        self.dirty = f"{base}:dirty".encode()
        """Set: buckets and mailings that the records do not have yet."""

    def window(self, key: str, seconds: int) -> bytes:
        """Hash: one rolling window, `bytes:<key>` or `rate:<key>`."""
        return f"{self._base}:w:{seconds}:{key}".encode()


class Keys:
    """All keys under one prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = f"{prefix}:{LAYOUT}"
        self._tenants: dict[str, TenantKeys] = {}
        self.generation = self.platform("generation")
        """String: a random mark of this very database."""
        self.blocks = self.platform("blocks")
        """String: number that grows with every change of blocks in force."""

    def in_slot(self, slot: str, name: str) -> bytes:
        """Any key in a slot of the table above."""
        return f"{self._prefix}:{{{slot}}}:{name}".encode()

    def platform(self, name: str) -> bytes:
        """A mark of the whole platform."""
        return self.in_slot("p", name)

    def index(self, shard: int, name: str) -> bytes:
        """A key of an index shard, 0 to 15."""
        return self.in_slot(f"i{shard:02}", name)

    def flights(self, shard: int) -> bytes:
        """Hash: the ledger's entries of one shard, 0 to 15, that somebody deals with or keeps."""
        return self.in_slot(f"f{shard:02}", "flights")

    def tenant(self, name: str) -> TenantKeys:
        """The keys of one tenant; made once."""
        keys = self._tenants.get(name)
        if keys is None:
            keys = self._tenants[name] = TenantKeys(f"{self._prefix}:{{t:{name}}}")
        return keys

    def anonymous(self, rate: str, seconds: int) -> bytes:
        """A rate window without a tenant, named by a digest: the key may hold a name or an IP."""
        digest = sha256(rate.encode()).hexdigest()[:24]
        return self.in_slot(f"a:{digest}", f"w:{seconds}")
