"""API tokens: making, finding, listing and revoking them, each change in the audit trail.

A token is `cs_` and 52 characters of lower-case base32 over 32 random octets. Only its SHA-256 is
stored, so whoever reads the records cannot call the API; it is shown once, by `issue`. Finding one
compares the digest of the whole text: any other spelling is another token, and there is none.
Raises LookupError for a number never given, and `NameTaken`.
"""

from __future__ import annotations

import re
import secrets
from base64 import b32encode
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest

from sqlalchemy import Connection, Row, insert, or_, select, update

from gateway.errors import ConsentryError
from gateway.records import audit
from gateway.records.tables import api_tokens

PREFIX = "cs_"
_TEXT = re.compile(PREFIX + "[a-z2-7]{52}", re.ASCII)


class Permission(StrEnum):
    """What a token allows; RFC 6750 calls it a scope."""

    SUPPRESSIONS_READ = "suppressions:read"
    SUPPRESSIONS_WRITE = "suppressions:write"
    CONSENTS_READ = "consents:read"
    CONSENTS_WRITE = "consents:write"
    PRE_CHECKS_WRITE = "pre-checks:write"
    AUDIT_READ = "audit:read"
    SUBJECTS_READ = "subjects:read"
    SUBJECTS_WRITE = "subjects:write"
    WEBHOOKS_READ = "webhooks:read"
    FEEDBACK_WRITE = "feedback:write"


STAFF_ONLY = frozenset(
    {Permission.SUBJECTS_READ, Permission.SUBJECTS_WRITE, Permission.FEEDBACK_WRITE}
)
"""A person's requests concern every tenant at once; whose a mail that came back is, nobody knows
before it is read."""


class NameTaken(ConsentryError):
    """A token in force has this name already; the trail could not tell the two apart."""


@dataclass(frozen=True, slots=True)
class ApiToken:
    """One token on record; an empty `tenant` makes it a staff member's. Instants: Unix seconds."""

    id: int
    name: str
    tenant: str
    permissions: frozenset[Permission]
    made_at: int
    made_by: str
    ends_at: int | None
    revoked_at: int | None
    revoked_by: str | None

    @property
    def is_staff(self) -> bool:
        """Whether it is the operator's own."""
        return not self.tenant

    @property
    def actor(self) -> str:
        """Who the audit trail names: `name`, or `tenant:name`."""
        return self.name if self.is_staff else f"{self.tenant}:{self.name}"

    def is_live(self, now: float) -> bool:
        """Neither revoked nor past its end."""
        return self.revoked_at is None and (self.ends_at is None or self.ends_at > now)


def issue(
    connection: Connection,
    name: str,
    tenant: str,
    permissions: Collection[Permission],
    ends_at: float | None,
    actor: str,
    now: float,
) -> tuple[str, ApiToken]:
    """A new token's text, which nobody can show again, and its record."""
    same = select(api_tokens.c.id).where(
        api_tokens.c.name == name,
        api_tokens.c.tenant == tenant,
        api_tokens.c.revoked_at.is_(None),
        or_(api_tokens.c.ends_at.is_(None), api_tokens.c.ends_at > now),
    )
    known = connection.execute(same).scalar()
    if known is not None:
        raise NameTaken(f"token {known} has the name {name} already; revoke it or choose another")
    text = PREFIX + b32encode(secrets.token_bytes(32)).decode().rstrip("=").lower()
    row = {
        "digest": _digest(text),
        "name": name,
        "tenant": tenant,
        "permissions": " ".join(sorted(permissions)),
        "made_at": int(now),
        "made_by": actor,
        "ends_at": None if ends_at is None else int(ends_at),
    }
    made = connection.execute(insert(api_tokens), row).inserted_primary_key
    assert made is not None  # noqa: S101 - a single-row insert always has one
    token = _by_number(connection, int(made[0]))
    detail = {"token": token.id, "name": name, "permissions": row["permissions"]}
    audit.append(connection, at=now, actor=actor, action="token.added", scope=tenant, detail=detail)
    return text, token


def find(connection: Connection, text: str, now: float) -> ApiToken | None:
    """The token in force with this text, or None for whatever else it is."""
    if not _TEXT.fullmatch(text):
        return None
    digest = _digest(text)
    row = connection.execute(select(api_tokens).where(api_tokens.c.digest == digest)).first()
    if row is None or not compare_digest(row.digest, digest):
        return None
    token = _decoded(row)
    return token if token.is_live(now) else None


def tokens(connection: Connection, tenant: str | None = None) -> list[ApiToken]:
    """Every token, revoked ones too, oldest first; of one tenant ("" for staff) or of all."""
    query = select(api_tokens).order_by(api_tokens.c.id)
    if tenant is not None:
        query = query.where(api_tokens.c.tenant == tenant)
    return [_decoded(row) for row in connection.execute(query)]


def revoke(connection: Connection, number: int, actor: str, now: float) -> ApiToken:
    """End a token, in force for the next call; one that is revoked already stays as it is."""
    token = _by_number(connection, number)
    if token.revoked_at is not None:
        return token
    connection.execute(
        update(api_tokens)
        .where(api_tokens.c.id == number)
        .values(revoked_at=int(now), revoked_by=actor)
    )
    audit.append(
        connection,
        at=now,
        actor=actor,
        action="token.revoked",
        scope=token.tenant,
        detail={"token": number, "name": token.name},
    )
    return _by_number(connection, number)


def _by_number(connection: Connection, number: int) -> ApiToken:
    row = connection.execute(select(api_tokens).where(api_tokens.c.id == number)).first()
    if row is None:
        raise LookupError(f"no token has the number {number}")
    return _decoded(row)


def _decoded(row: Row[tuple[object, ...]]) -> ApiToken:
    values = dict(row._mapping)
    del values["digest"]
    granted = frozenset(Permission(name) for name in values.pop("permissions").split())
    return ApiToken(**values, permissions=granted)


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()
