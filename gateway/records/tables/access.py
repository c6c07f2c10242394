"""What programs and people do from outside: tokens, pre-checks, webhooks, subject requests."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, Table, Text

from gateway.records.tables.base import metadata, numbered

api_tokens = Table(
    "api_tokens",
    metadata,
    numbered(),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("permissions", Text, nullable=False),
    Column("made_at", Integer, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("ends_at", Integer),
    Column("revoked_at", Integer),
    Column("revoked_by", Text),
    sqlite_strict=True,
)
"""Who may call the API: SHA-256 of each token; an empty tenant is a staff member's."""

idempotency = Table(
    "idempotency",
    metadata,
    Column("token", Integer, primary_key=True, nullable=False),
    Column("key", Text, primary_key=True, nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("at", Integer, nullable=False),
    Column("status", Integer, nullable=False),
    Column("response", Text, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""Answers given to calls with an Idempotency-Key, kept a day; they hold no address."""

receipts = Table(
    "receipts",
    metadata,
    numbered(),
    Column("tracking", LargeBinary, nullable=False, unique=True),
    Column("tenant", Integer, nullable=False),
    Column("scope", Integer, nullable=False),
    Column("asked", Integer, nullable=False),
    Column("cleared", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("actor", Text, nullable=False),
    Column("made_at", Integer, nullable=False),
    Column("ends_at", Integer, nullable=False),
    sqlite_strict=True,
)
"""Pre-checks of whole lists; `digest` is SHA-256 over the keys asked about and their verdicts.

It is empty while the check is under way, or was broken off.
"""

Index("ix_receipts_recent", receipts.c.tenant, receipts.c.made_at)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    numbered(),
    Column("tracking", LargeBinary, nullable=False, unique=True),
    Column("tenant", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", LargeBinary),
    Column("subject", Integer),
    Column("payload", Text, nullable=False),
    Column("made_at", Integer, nullable=False),
    Column("since", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Integer),
    Column("delivered_at", Integer),
    Column("trouble", Text, nullable=False),
    sqlite_strict=True,
)
"""What tenants are to be told, with what came of it; no `next_at`: delivered or given up.

The payload holds no address; it is put in from `subject` when it is sent. `since` is when trying
began, which decides when it is given up.
"""

Index(
    "ix_webhook_deliveries_waiting",
    webhook_deliveries.c.tenant,
    webhook_deliveries.c.next_at,
    sqlite_where=webhook_deliveries.c.next_at.is_not(None),
    postgresql_where=webhook_deliveries.c.next_at.is_not(None),
)

subject_requests = Table(
    "subject_requests",
    metadata,
    numbered(),
    Column("kind", Text, nullable=False),
    Column("scope", Integer, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("subject", Integer),
    Column("identity", Text, nullable=False),
    Column("received_at", Integer, nullable=False),
    Column("due_at", Integer, nullable=False),
    Column("extension", Text),
    Column("done_at", Integer),
    Column("actor", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    sqlite_strict=True,
)
"""What people asked for their own data (GDPR articles 15 to 21), and until when it is due.

`extension` is the ground on which the month became three. The address is sealed in `subject`.
"""
