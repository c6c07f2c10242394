"""What happened and what followed: reports, facts, cases with all that belongs to them, blocks."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from gateway.records.tables.base import metadata, numbered

cases = Table(
    "cases",
    metadata,
    numbered(),
    Column("tracking", LargeBinary, nullable=False, unique=True),
    Column("ladder", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("mailing", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("counted", Integer, nullable=False),
    Column("open_items", Integer, nullable=False),
    Column("volume", Integer, nullable=False),
    Column("opened_at", Integer, nullable=False),
    Column("notified_at", Integer),
    Column("closed_at", Integer),
    Column("due_at", Integer),
    Column("review_due_at", Integer),
    Column("next_at", Integer),
    Column("state", Text, nullable=False),
    sqlite_strict=True,
)
"""`state` is the whole `policies.sanctions.case.Case` as JSON; the columns beside it are what lists
and clocks ask for. `tracking` names the case in links, `policy` is the digest of its preset."""

_folding = text("notified_at IS NULL AND closed_at IS NULL AND mailing <> ''")

Index(
    "ix_cases_folding",
    cases.c.ladder,
    cases.c.tenant,
    cases.c.mailing,
    unique=True,
    sqlite_where=_folding,
    postgresql_where=_folding,
)
"""One case takes all facts of a ladder, tenant and mailing until its first notice goes out; cases
that a person opens have no mailing and do not fold."""

_running = text("closed_at IS NULL")

Index("ix_cases_tenant", cases.c.tenant, cases.c.id)
Index("ix_cases_next", cases.c.next_at, sqlite_where=_running, postgresql_where=_running)
Index("ix_cases_due", cases.c.due_at, sqlite_where=_running, postgresql_where=_running)
Index("ix_cases_review", cases.c.review_due_at, sqlite_where=_running, postgresql_where=_running)
Index("ix_cases_phase", cases.c.phase, cases.c.id)
Index("ix_cases_notified", cases.c.notified_at)

case_entries = Table(
    "case_entries",
    metadata,
    numbered(),
    Column("case_id", Integer, nullable=False, index=True),
    Column("at", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("subject", Integer),
    sqlite_strict=True,
)
"""A case's timeline, append-only: happenings and effects as JSON; texts of strangers are sealed."""

facts = Table(
    "facts",
    metadata,
    numbered(),
    Column("case_id", Integer, index=True),
    Column("kind", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("mailing", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Column("key", LargeBinary),
    Column("ref", Text, nullable=False),
    Column("at", Integer, nullable=False),
    Column("grade", Text),
    Column("excuse", Text),
    Column("actor", Text, nullable=False),
    Column("subject", Integer),
    sqlite_strict=True,
)
"""Immutable: what happened, once. No case: excused, or of a kind that no ladder takes."""

Index("ix_facts_recent", facts.c.tenant, facts.c.kind, facts.c.at)
Index("ix_facts_ref", facts.c.ref)
Index("ix_facts_key", facts.c.key, sqlite_where=text("key IS NOT NULL"))

reports = Table(
    "reports",
    metadata,
    numbered(),
    Column("received_at", Integer, nullable=False),
    Column("sent_at", Integer),
    Column("kind", Text, nullable=False),
    Column("grade", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("mailing", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Column("ref", Text, nullable=False),
    Column("key", LargeBinary),
    Column("subject", Integer),
    Column("state", Text, nullable=False),
    Column("fact_id", Integer),
    Column("decided_at", Integer),
    Column("decided_by", Text),
    Column("reason", Text),
    sqlite_strict=True,
)
"""Complaints as they came in, sealed in `subject`: waiting, counted (then a fact), dismissed or
unmatched (no tenant yet)."""

Index("ix_reports_state", reports.c.state, reports.c.id)
Index("ix_reports_tenant", reports.c.tenant, reports.c.state, reports.c.id)
Index("ix_reports_key", reports.c.key, sqlite_where=text("key IS NOT NULL"))

evidence = Table(
    "evidence",
    metadata,
    numbered(),
    Column("case_id", Integer, nullable=False, index=True),
    Column("requirement", Text, nullable=False),
    Column("at", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("octets", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("scanned", Text, nullable=False),
    Column("subject", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    sqlite_strict=True,
)
"""What tenants uploaded, stripped of metadata and encrypted; its file name is in `subject`, whose
secret encrypts `content` too."""

fees = Table(
    "fees",
    metadata,
    numbered(),
    Column("case_id", Integer, nullable=False, index=True),
    Column("number", Integer, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("amount", Integer, nullable=False),
    Column("currency", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("each", Integer, nullable=False),
    Column("clause", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("proposed_at", Integer, nullable=False),
    Column("decided_at", Integer),
    Column("decided_by", Text),
    Column("reason", Text),
    Column("paid_at", Integer),
    Column("paid_by", Text),
    UniqueConstraint("case_id", "number"),
    sqlite_strict=True,
)
"""Fees in the currency's smallest unit; the operator invoices, the gateway moves no money."""

notices = Table(
    "notices",
    metadata,
    numbered(),
    Column("case_id", Integer, nullable=False, index=True),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("extra", Text, nullable=False),
    Column("made_at", Integer, nullable=False),
    Column("message_id", Text, unique=True),
    Column("subject", Integer),
    Column("next_at", Integer),
    Column("begun_at", Integer),
    Column("attempts", Integer, nullable=False),
    Column("repeats", Integer, nullable=False),
    Column("sent_at", Integer),
    Column("state", Text, nullable=False),
    Column("said", Text, nullable=False),
    sqlite_strict=True,
)
"""Mail to tenants about their cases: waiting, unaddressed, under way, sent or refused.

`extra` is JSON of what this one tells besides its case. It is composed when it is sent: `subject`
seals recipient and octets, so that a repeat is the same mail; `begun_at` stands while its
acceptance is not recorded, and `repeats` counts those sent again for that."""

_unsent = text("next_at IS NOT NULL")
Index("ix_notices_waiting", notices.c.next_at, sqlite_where=_unsent, postgresql_where=_unsent)

policy_versions = Table(
    "policy_versions",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("preset", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("since", Integer, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""Every sanction policy that was ever in force, word for word as JSON."""

policy_uses = Table(
    "policy_uses",
    metadata,
    Column("tenant", Text, primary_key=True, nullable=False),
    Column("since", Integer, primary_key=True, nullable=False),
    Column("digest", Text, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""Which policy went for a tenant since when, so that mail is judged by that of its own day."""

deletions = Table(
    "deletions",
    metadata,
    numbered(),
    Column("tenant", Text, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("at", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    UniqueConstraint("tenant", "key"),
    sqlite_strict=True,
)
"""Addresses that complained, which the tenant says it has deleted from its lists."""

blocks = Table(
    "blocks",
    metadata,
    numbered(),
    Column("case_id", Integer, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("since", Integer, nullable=False),
    Column("lifted_at", Integer),
    Column("lifted_by", Text),
    Column("lifted_reason", Text),
    sqlite_strict=True,
)
"""Blocks of sender domains; the tenant `*` means all."""

Index(
    "ix_blocks_live",
    blocks.c.tenant,
    blocks.c.domain,
    unique=True,
    sqlite_where=blocks.c.lifted_at.is_(None),
    postgresql_where=blocks.c.lifted_at.is_(None),
)
Index(
    "ix_blocks_lifted",
    blocks.c.tenant,
    blocks.c.lifted_at,
    sqlite_where=blocks.c.lifted_at.is_not(None),
    postgresql_where=blocks.c.lifted_at.is_not(None),
)
