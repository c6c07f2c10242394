"""The sanction policies that were ever in force, word for word, and for whom since when.

`remember` notes those of a configuration. `in_force` gives the one that went for a tenant at some
instant, `preset_of` the one that a case carries the digest of. A policy that is in force now is
taken from the rules; an older one is read back. Raises LookupError for a digest never stored.
"""

from __future__ import annotations

import json
from functools import lru_cache

from sqlalchemy import Connection, bindparam, delete, insert, select

from gateway.records import audit
from gateway.records.case_rules import Rules
from gateway.records.prepared import Prepared
from gateway.records.tables import policy_uses, policy_versions
from policies.sanctions import preset as presets
from policies.sanctions.ladder import Preset

_USED = Prepared(
    select(policy_uses.c.digest)
    .where(policy_uses.c.tenant == bindparam("tenant"), policy_uses.c.since <= bindparam("at"))
    .order_by(policy_uses.c.since.desc())
    .limit(1)
)
"""Made once: making it costs more than running it."""


def remember(connection: Connection, rules: Rules, now: float) -> None:
    """Note which policy goes for each tenant from now on, where that is news."""
    wanted = {"": rules.house} | dict(rules.tenants)
    for tenant, own in wanted.items():
        if _used(connection, tenant, now) == own.digest:
            continue
        known = select(policy_versions.c.digest).where(policy_versions.c.digest == own.digest)
        if connection.execute(known).first() is None:
            row = {
                "digest": own.digest,
                "preset": own.preset.name,
                "content": json.dumps(presets.to_plain(own.preset), sort_keys=True),
                "since": int(now),
            }
            connection.execute(insert(policy_versions), row)
        at_once = (policy_uses.c.tenant == tenant) & (policy_uses.c.since == int(now))
        connection.execute(delete(policy_uses).where(at_once))
        use = {"tenant": tenant, "since": int(now), "digest": own.digest}
        connection.execute(insert(policy_uses), use)
        audit.append(
            connection,
            at=now,
            actor="configuration",
            action="policy.changed",
            scope=tenant or "*",
            detail={"preset": own.preset.name, "digest": own.digest},
        )


def in_force(connection: Connection, rules: Rules, tenant: str, at: float) -> tuple[str, Preset]:
    """Digest and preset that went for the tenant at `at`; today's when no use is that old."""
    own = rules.of(tenant)
    digest = _used(connection, tenant if tenant in rules.tenants else "", at) or own.digest
    return digest, preset_of(connection, rules, tenant, digest)


def preset_of(connection: Connection, rules: Rules, tenant: str, digest: str) -> Preset:
    """The preset with this digest; the tenant's of today for "" (from before there were any)."""
    own = rules.of(tenant)
    if digest in ("", own.digest):
        return own.preset
    query = select(policy_versions.c.preset, policy_versions.c.content)
    row = connection.execute(query.where(policy_versions.c.digest == digest)).first()
    if row is None:
        raise LookupError(f"no sanction policy has the digest {digest}")
    return _read(row.preset, row.content)


@lru_cache(maxsize=64)
def _read(name: str, content: str) -> Preset:
    return presets.read(name, json.loads(content))


def _used(connection: Connection, tenant: str, at: float) -> str | None:
    digest: str | None = _USED.scalar(connection, {"tenant": tenant, "at": int(at)})
    return digest
