"""Marks of the database as a whole, and the audit trail."""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, Table

from gateway.records.tables.base import WHOLE, WORDS, metadata, numbered

meta = Table(
    "meta",
    metadata,
    Column("name", WORDS, primary_key=True, nullable=False),
    Column("value", WORDS, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""Marks of the database as a whole: the index's generation, the keyring's fingerprints."""

audit = Table(
    "audit",
    metadata,
    numbered(),
    Column("at", WHOLE, nullable=False),
    Column("actor", WORDS, nullable=False),
    Column("action", WORDS, nullable=False),
    Column("scope", WORDS, nullable=False),
    Column("key", LargeBinary),
    Column("detail", WORDS, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    sqlite_strict=True,
)
"""Every change, append-only, each record's digest covering the one before."""

changes = Table(
    "changes",
    metadata,
    Column("n", WHOLE, primary_key=True, autoincrement=False),
    Column("key", LargeBinary, nullable=False),
    sqlite_strict=True,
)
"""Which keys of the standing index have changed, in order: what an index in Redis follows."""
