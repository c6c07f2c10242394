"""What passing mail leaves behind for some days: ledger, windows, mailings."""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, Table

from gateway.records.tables.base import WHOLE, WORDS, metadata

ledger = Table(
    "ledger",
    metadata,
    Column("key", LargeBinary, primary_key=True, nullable=False),
    Column("state", WORDS, nullable=False),
    Column("ref", WORDS, nullable=False),
    Column("at", WHOLE, nullable=False),
    Column("code", WHOLE),
    Column("enhanced", WORDS),
    Column("text", WORDS),
    Column("trouble", WORDS),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""What became of copies whose customer may ask again; kept five days."""

windows = Table(
    "windows",
    metadata,
    Column("key", WORDS, primary_key=True, nullable=False),
    Column("seconds", WHOLE, primary_key=True, nullable=False),
    Column("start", WHOLE, primary_key=True, nullable=False),
    Column("amount", WHOLE, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""The last checkpoint of the rolling windows."""

mailings = Table(
    "mailings",
    metadata,
    Column("stream", WORDS, primary_key=True, nullable=False),
    Column("id", WORDS, nullable=False),
    Column("started_at", WHOLE, nullable=False),
    Column("last_at", WHOLE, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""The last checkpoint of each stream's current mailing."""
