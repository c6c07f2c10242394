"""What programs and people do from outside: tokens, pre-checks, webhooks, subject requests."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, Table

from gateway.records.tables.base import WHOLE, WORDS, metadata, numbered

api_tokens = Table(
    "api_tokens",
    metadata,
    numbered(),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("name", WORDS, nullable=False),
    Column("tenant", WORDS, nullable=False),
    Column("permissions", WORDS, nullable=False),
    Column("made_at", WHOLE, nullable=False),
    Column("made_by", WORDS, nullable=False),
    Column("ends_at", WHOLE),
    Column("revoked_at", WHOLE),
    Column("revoked_by", WORDS),
    sqlite_strict=True,
)
"""Who may call the API: SHA-256 of each token; an empty tenant is a staff member's."""

idempotency = Table(
    "idempotency",
    metadata,
    Column("token", WHOLE, primary_key=True, nullable=False),
    Column("key", WORDS, primary_key=True, nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("at", WHOLE, nullable=False),
    Column("status", WHOLE, nullable=False),
    Column("response", WORDS, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""Answers given to calls with an Idempotency-Key, kept a day; they hold no address."""

receipts = Table(
    "receipts",
    metadata,
    numbered(),
    Column("tracking", LargeBinary, nullable=False, unique=True),
    Column("tenant", WHOLE, nullable=False),
    Column("scope", WHOLE, nullable=False),
    Column("asked", WHOLE, nullable=False),
    Column("cleared", WHOLE, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("actor", WORDS, nullable=False),
    Column("made_at", WHOLE, nullable=False),
    Column("ends_at", WHOLE, nullable=False),
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
    Column("tenant", WHOLE, nullable=False),
    Column("kind", WORDS, nullable=False),
    Column("key", LargeBinary),
    Column("subject", WHOLE),
    Column("payload", WORDS, nullable=False),
    Column("made_at", WHOLE, nullable=False),
    Column("since", WHOLE, nullable=False),
    Column("attempts", WHOLE, nullable=False),
    Column("next_at", WHOLE),
    Column("delivered_at", WHOLE),
    Column("trouble", WORDS, nullable=False),
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
    Column("kind", WORDS, nullable=False),
    Column("scope", WHOLE, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("subject", WHOLE),
    Column("identity", WORDS, nullable=False),
    Column("received_at", WHOLE, nullable=False),
    Column("due_at", WHOLE, nullable=False),
    Column("extension", WORDS),
    Column("done_at", WHOLE),
    Column("actor", WORDS, nullable=False),
    Column("outcome", WORDS, nullable=False),
    sqlite_strict=True,
)
"""What people asked for their own data (GDPR articles 15 to 21), and until when it is due.

`extension` is the ground on which the month became three. The address is sealed in `subject`.
"""
