"""Who works at the desk: staff, their sessions, what they can undo, and mailed codes of tenants."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, Table, text

from gateway.records.tables.base import WHOLE, WORDS, metadata, numbered

staff = Table(
    "staff",
    metadata,
    numbered(),
    Column("name", WORDS, nullable=False, unique=True),
    Column("role", WORDS, nullable=False),
    Column("password_hash", WORDS),
    Column("totp", WHOLE),
    Column("totp_step", WHOLE),
    Column("identity", WORDS),
    Column("zone", WORDS, nullable=False),
    Column("made_at", WHOLE, nullable=False),
    Column("made_by", WORDS, nullable=False),
    Column("disabled_at", WHOLE),
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
    Column("staff", WHOLE, nullable=False, index=True),
    Column("made_at", WHOLE, nullable=False),
    Column("seen_at", WHOLE, nullable=False),
    Column("ends_at", WHOLE, nullable=False),
    Column("is_complete", WHOLE, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""SHA-256 of each session's cookie; `is_complete` once the second factor was shown too."""

undoings = Table(
    "undoings",
    metadata,
    numbered(),
    Column("staff", WHOLE, nullable=False, index=True),
    Column("action", WORDS, nullable=False),
    Column("detail", WORDS, nullable=False),
    Column("at", WHOLE, nullable=False),
    Column("ends_at", WHOLE, nullable=False),
    Column("undone_at", WHOLE),
    sqlite_strict=True,
)
"""Dangerous actions of the last minute, with what takes each back, as JSON of ids."""

mailed_codes = Table(
    "mailed_codes",
    metadata,
    numbered(),
    Column("tenant", WORDS, nullable=False),
    Column("case_id", WHOLE),
    Column("digest", LargeBinary, nullable=False),
    Column("made_at", WHOLE, nullable=False),
    Column("ends_at", WHOLE, nullable=False),
    Column("tries", WHOLE, nullable=False),
    Column("used_at", WHOLE),
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
