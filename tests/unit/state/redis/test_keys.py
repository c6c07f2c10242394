"""Keys name the layout's version, share a slot where a script needs it, and hold no address."""

from __future__ import annotations

import pytest

from gateway.state.redis.keys import SHARDS, SLOTS, Keys, owner_of, slot_number, tenant_of

KEYS = Keys("consentry")


@pytest.mark.parametrize(
    ("key", "slot"),
    [
        (b"foo", 12182),
        (b"bar", 5061),
        (b"{user1000}.following", 3443),
        (b"{user1000}.followers", 3443),
        (b"foo{}{bar}", 8363),
        (b"foo{{bar}}zap", 4015),
    ],
)
def test_slots_are_those_of_the_cluster_specification(key: bytes, slot: int) -> None:
    """The examples of the specification, and of a server's own CLUSTER KEYSLOT."""
    assert slot_number(key) == slot


def test_all_keys_of_a_tenant_share_a_slot_and_those_of_others_do_not() -> None:
    """One script may touch all of a tenant's."""
    held = KEYS.tenant("acme")
    keys = [held.holds, held.leases, held.line, held.expired, held.mailings, held.dirty]
    keys += [held.window("bytes:acme", 86_400), held.window("rate:delivered:acme", 60)]
    assert len(set(keys)) == len(keys)
    assert {slot_number(key) for key in keys} == {slot_number(b"t:acme")}
    assert slot_number(KEYS.tenant("other").holds) != slot_number(held.holds)


def test_every_key_begins_with_prefix_and_layout() -> None:
    """Two gateways and two layouts can share a server."""
    keys = [KEYS.generation, KEYS.blocks, KEYS.index(3, "head")]
    keys += [KEYS.tenant("acme").holds, KEYS.anonymous("auth:login:x", 60)]
    assert all(key.startswith(b"consentry:1:{") for key in keys)
    assert all(slot_number(key) < SLOTS for key in keys)
    assert len({slot_number(KEYS.index(shard, "head")) for shard in range(SHARDS)}) == SHARDS


@pytest.mark.parametrize(
    ("rate", "tenant"),
    [
        ("delivered:acme", "acme"),
        ("recipients:acme/news", "acme"),
        ("warned:95:acme", "acme"),
        ("warned:80:acme/news", "acme"),
        ("fact:protected:acme:3", "acme"),
        ("excused:protected:acme:0", "acme"),
        ("auth:login:acme", None),
        ("auth:address:2001:db8::1", None),
        ("alone", None),
    ],
)
def test_a_rate_key_names_its_tenant_or_none(rate: str, tenant: str | None) -> None:
    """Counts by claims and by themselves meet in the same slot; failed logins are nobody's."""
    assert tenant_of(rate) == tenant
    assert owner_of(f"rate:{rate}") == tenant


def test_a_window_of_octets_is_its_tenants_or_its_streams() -> None:
    """A stream's window is in its tenant's slot."""
    assert owner_of("bytes:acme") == owner_of("bytes:acme/news") == "acme"


def test_a_window_of_no_tenant_is_named_by_a_digest() -> None:
    """Neither an IP address nor a login stands in a key."""
    key = KEYS.anonymous("auth:address:192.0.2.77", 60)
    assert b"192" not in key.replace(key[key.index(b"{") : key.index(b"}")], b"")
    assert b"192.0.2.77" not in key
    assert key != KEYS.anonymous("auth:address:192.0.2.78", 60)
