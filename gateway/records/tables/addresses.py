"""Who must not be mailed: scopes, encrypted addresses, entries, and the index RCPT reads."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, Table, UniqueConstraint, text

from gateway.records.tables.base import WHOLE, WORDS, metadata, numbered

streams = Table(
    "streams",
    metadata,
    Column("number", WHOLE, primary_key=True),
    Column("tenant", WORDS, nullable=False),
    Column("name", WORDS, nullable=False),
    UniqueConstraint("tenant", "name"),
    sqlite_strict=True,
)
"""Stable 24-bit numbers; the row with an empty name stands for the tenant as a whole."""

sources = Table(
    "sources",
    metadata,
    numbered(),
    Column("setter", WORDS, nullable=False),
    Column("name", WORDS, nullable=False),
    UniqueConstraint("setter", "name"),
    sqlite_strict=True,
)
"""In what capacity an entry was set and where it came from, written once for many entries."""

subjects = Table(
    "subjects",
    metadata,
    numbered(),
    Column("sealed", LargeBinary, nullable=False),
    sqlite_strict=True,
)
"""The plain address or domain of entries, encrypted."""

subject_secrets = Table(
    "subject_secrets",
    metadata,
    Column("subject", WHOLE, primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    sqlite_strict=True,
)
"""What a subject's encryption key is derived from, with the keyring; gone, the address is gone."""

suppressions = Table(
    "suppressions",
    metadata,
    numbered(),
    Column("key", LargeBinary, nullable=False),
    Column("scope", WHOLE, nullable=False),
    Column("code", WHOLE, nullable=False),
    Column("subject", WHOLE),
    Column("source", WHOLE, nullable=False),
    Column("created_at", WHOLE, nullable=False),
    Column("ends_at", WHOLE),
    Column("lifted_at", WHOLE),
    Column("lifted_by", WORDS),
    Column("lifted_reason", WORDS),
    sqlite_strict=True,
)
"""Append-only entries; `code` is reason, stops and disclosure (`gateway.records.codes`)."""

Index(
    "ix_suppressions_lifted",
    suppressions.c.key,
    sqlite_where=suppressions.c.lifted_at.is_not(None),
    postgresql_where=suppressions.c.lifted_at.is_not(None),
)

standing_index = Table(
    "standing_index",
    metadata,
    Column("key", LargeBinary, primary_key=True, nullable=False),
    Column("scope", WHOLE, primary_key=True, nullable=False),
    Column("code", WHOLE, primary_key=True, nullable=False),
    Column("entry", WHOLE, primary_key=True, nullable=False),
    Column("ends", WHOLE),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""What the RCPT look-up reads: every entry and consent in force, clustered by key.

Derived from `suppressions`, `consents` and `attestations`, changed in the same transaction. What
pre-checks have cleared stands here only, for a day.
"""

_cleared = text("code = 8")

Index(
    "ix_standing_index_cleared",
    standing_index.c.ends,
    sqlite_where=_cleared,
    postgresql_where=_cleared,
)

_restricted = text("code = 88")

Index(
    "ix_standing_index_restricted",
    standing_index.c.scope,
    sqlite_where=_restricted,
    postgresql_where=_restricted,
)
