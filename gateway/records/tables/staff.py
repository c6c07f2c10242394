"""Who works at the desk: staff, their sessions, what they can undo, and mailed codes of tenants."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, Table, Text, text

from gateway.records.tables.base import metadata, numbered

staff = Table(
    "staff",
    metadata,
    numbered(),
    Column("name", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("password_hash", Text),
    Column("totp", Integer),
    Column("totp_step", Integer),
    Column("identity", Text),
    Column("zone", Text, nullable=False),
    Column("made_at", Integer, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("disabled_at", Integer),
    sqlite_strict=True,
)
"""`totp` is the sealed secret's subject, `totp_step` the last step used (no code counts twice),
`identity` issuer and subject of an OpenID provider."""

Index(
    "ix_staff_identity",
    staff.c.identity,
    unique=True,
    sqlite_where=staff.c.identity.is_not(None),
    postgresql_where=staff.c.identity.is_not(None),
)

staff_sessions = Table(
    "staff_sessions",
    metadata,
    Column("digest", LargeBinary, primary_key=True, nullable=False),
    Column("staff", Integer, nullable=False, index=True),
    Column("made_at", Integer, nullable=False),
    Column("seen_at", Integer, nullable=False),
    Column("ends_at", Integer, nullable=False),
    Column("is_complete", Integer, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""SHA-256 of each session's cookie; `is_complete` once the second factor was shown too."""

undoings = Table(
    "undoings",
    metadata,
    numbered(),
    Column("staff", Integer, nullable=False, index=True),
    Column("action", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", Integer, nullable=False),
    Column("ends_at", Integer, nullable=False),
    Column("undone_at", Integer),
    sqlite_strict=True,
)
"""Dangerous actions of the last minute, with what takes each back, as JSON of ids."""

mailed_codes = Table(
    "mailed_codes",
    metadata,
    numbered(),
    Column("tenant", Text, nullable=False),
    Column("case_id", Integer),
    Column("digest", LargeBinary, nullable=False),
    Column("made_at", Integer, nullable=False),
    Column("ends_at", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("used_at", Integer),
    sqlite_strict=True,
)
"""Codes mailed to a tenant's contact, which acting on its status page needs."""

Index(
    "ix_mailed_codes_open",
    mailed_codes.c.tenant,
    mailed_codes.c.ends_at,
    sqlite_where=text("used_at IS NULL"),
    postgresql_where=text("used_at IS NULL"),
)
