"""Marks of the database as a whole, and the audit trail."""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, Table, Text

from gateway.records.tables.base import metadata, numbered

meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True, nullable=False),
    Column("value", Text, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""Marks of the database as a whole: the index's generation, the keyring's fingerprints."""

audit = Table(
    "audit",
    metadata,
    numbered(),
    Column("at", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("key", LargeBinary),
    Column("detail", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    sqlite_strict=True,
)
"""Every change, append-only, each record's digest covering the one before."""

changes = Table(
    "changes",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("key", LargeBinary, nullable=False),
    sqlite_strict=True,
)
"""Which keys of the standing index have changed, in order: what an index in Redis follows."""
