"""What passing mail leaves behind for some days: ledger, windows, mailings."""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, Table, Text

from gateway.records.tables.base import metadata

ledger = Table(
    "ledger",
    metadata,
    Column("key", LargeBinary, primary_key=True, nullable=False),
    Column("state", Text, nullable=False),
    Column("ref", Text, nullable=False),
    Column("at", Integer, nullable=False),
    Column("code", Integer),
    Column("enhanced", Text),
    Column("text", Text),
    Column("trouble", Text),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""What became of copies whose customer may ask again; kept five days."""

windows = Table(
    "windows",
    metadata,
    Column("key", Text, primary_key=True, nullable=False),
    Column("seconds", Integer, primary_key=True, nullable=False),
    Column("start", Integer, primary_key=True, nullable=False),
    Column("amount", Integer, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""The last checkpoint of the rolling windows."""

mailings = Table(
    "mailings",
    metadata,
    Column("stream", Text, primary_key=True, nullable=False),
    Column("id", Text, nullable=False),
    Column("started_at", Integer, nullable=False),
    Column("last_at", Integer, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""The last checkpoint of each stream's current mailing."""
