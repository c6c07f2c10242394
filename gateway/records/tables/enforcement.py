"""What happened and what followed: reports, facts, cases with all that belongs to them, blocks."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Index,
    LargeBinary,
    Table,
    UniqueConstraint,
    text,
)

from gateway.records.tables.base import WHOLE, WORDS, metadata, numbered

cases = Table(
    "cases",
    metadata,
    numbered(),
    Column("tracking", LargeBinary, nullable=False, unique=True),
    Column("ladder", WORDS, nullable=False),
    Column("step", WORDS, nullable=False),
    Column("tenant", WORDS, nullable=False),
    Column("mailing", WORDS, nullable=False),
    Column("policy", WORDS, nullable=False),
    Column("phase", WORDS, nullable=False),
    Column("counted", WHOLE, nullable=False),
    Column("open_items", WHOLE, nullable=False),
    Column("volume", WHOLE, nullable=False),
    Column("opened_at", WHOLE, nullable=False),
    Column("notified_at", WHOLE),
    Column("closed_at", WHOLE),
    Column("due_at", WHOLE),
    Column("review_due_at", WHOLE),
    Column("next_at", WHOLE),
    Column("state", WORDS, nullable=False),
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
    Column("case_id", WHOLE, nullable=False, index=True),
    Column("at", WHOLE, nullable=False),
    Column("actor", WORDS, nullable=False),
    Column("kind", WORDS, nullable=False),
    Column("detail", WORDS, nullable=False),
    Column("subject", WHOLE),
    sqlite_strict=True,
)
"""A case's timeline, append-only: happenings and effects as JSON; texts of strangers are sealed."""

facts = Table(
    "facts",
    metadata,
    numbered(),
    Column("case_id", WHOLE, index=True),
    Column("kind", WORDS, nullable=False),
    Column("tenant", WORDS, nullable=False),
    Column("stream", WORDS, nullable=False),
    Column("mailing", WORDS, nullable=False),
    Column("domain", WORDS, nullable=False),
    Column("key", LargeBinary),
    Column("ref", WORDS, nullable=False),
    Column("at", WHOLE, nullable=False),
    Column("grade", WORDS),
    Column("excuse", WORDS),
    Column("actor", WORDS, nullable=False),
    Column("subject", WHOLE),
    sqlite_strict=True,
)
"""Immutable: what happened, once. No case: excused, or of a kind that no ladder takes."""

Index(
    "ix_facts_recent",
    *(facts.c.tenant, facts.c.kind, facts.c.at),
    *(facts.c.excuse, facts.c.grade, facts.c.actor),
)
"""Every fact asks how many there were in a day: counted in the index alone."""
Index("ix_facts_ref", facts.c.ref)
Index(
    "ix_facts_key",
    facts.c.key,
    sqlite_where=text("key IS NOT NULL"),
    postgresql_where=text("key IS NOT NULL"),
)

reports = Table(
    "reports",
    metadata,
    numbered(),
    Column("received_at", WHOLE, nullable=False),
    Column("sent_at", WHOLE),
    Column("kind", WORDS, nullable=False),
    Column("grade", WORDS, nullable=False),
    Column("source", WORDS, nullable=False),
    Column("tenant", WORDS, nullable=False),
    Column("stream", WORDS, nullable=False),
    Column("mailing", WORDS, nullable=False),
    Column("domain", WORDS, nullable=False),
    Column("ref", WORDS, nullable=False),
    Column("key", LargeBinary),
    Column("subject", WHOLE),
    Column("state", WORDS, nullable=False),
    Column("fact_id", WHOLE),
    Column("decided_at", WHOLE),
    Column("decided_by", WORDS),
    Column("reason", WORDS),
    Column("form", WORDS, nullable=False, server_default=""),
    Column("type", WORDS, nullable=False, server_default="abuse"),
    Column("mail", WORDS),
    sqlite_strict=True,
)
"""Complaints, and other mail that came back, as they came in, sealed in `subject`: waiting, counted
(then a fact), dismissed or unmatched (no tenant yet). `mail` names the mail and its mailbox, once
and for all."""

Index("ix_reports_mail", reports.c.mail, unique=True)
Index("ix_reports_state", reports.c.state, reports.c.id)
Index("ix_reports_tenant", reports.c.tenant, reports.c.state, reports.c.id)
Index(
    "ix_reports_key",
    reports.c.key,
    sqlite_where=text("key IS NOT NULL"),
    postgresql_where=text("key IS NOT NULL"),
)

evidence = Table(
    "evidence",
    metadata,
    numbered(),
    Column("case_id", WHOLE, nullable=False, index=True),
    Column("requirement", WORDS, nullable=False),
    Column("at", WHOLE, nullable=False),
    Column("actor", WORDS, nullable=False),
    Column("media_type", WORDS, nullable=False),
    Column("octets", WHOLE, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("scanned", WORDS, nullable=False),
    Column("subject", WHOLE, nullable=False),
    Column("content", LargeBinary, nullable=False),
    sqlite_strict=True,
)
"""What tenants uploaded, stripped of metadata and encrypted; its file name is in `subject`, whose
secret encrypts `content` too."""

fees = Table(
    "fees",
    metadata,
    numbered(),
    Column("case_id", WHOLE, nullable=False, index=True),
    Column("number", WHOLE, nullable=False),
    Column("tenant", WORDS, nullable=False),
    Column("amount", WHOLE, nullable=False),
    Column("currency", WORDS, nullable=False),
    Column("count", WHOLE, nullable=False),
    Column("each", WHOLE, nullable=False),
    Column("clause", WORDS, nullable=False),
    Column("state", WORDS, nullable=False),
    Column("proposed_at", WHOLE, nullable=False),
    Column("decided_at", WHOLE),
    Column("decided_by", WORDS),
    Column("reason", WORDS),
    Column("paid_at", WHOLE),
    Column("paid_by", WORDS),
    UniqueConstraint("case_id", "number"),
    sqlite_strict=True,
)
"""Fees in the currency's smallest unit; the operator invoices, the gateway moves no money."""

notices = Table(
    "notices",
    metadata,
    numbered(),
    Column("case_id", WHOLE, nullable=False, index=True),
    Column("tenant", WORDS, nullable=False),
    Column("kind", WORDS, nullable=False),
    Column("language", WORDS, nullable=False),
    Column("extra", WORDS, nullable=False),
    Column("made_at", WHOLE, nullable=False),
    Column("message_id", WORDS, unique=True),
    Column("subject", WHOLE),
    Column("next_at", WHOLE),
    Column("begun_at", WHOLE),
    Column("attempts", WHOLE, nullable=False),
    Column("repeats", WHOLE, nullable=False),
    Column("sent_at", WHOLE),
    Column("state", WORDS, nullable=False),
    Column("said", WORDS, nullable=False),
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
    Column("digest", WORDS, primary_key=True),
    Column("preset", WORDS, nullable=False),
    Column("content", WORDS, nullable=False),
    Column("since", WHOLE, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""Every sanction policy that was ever in force, word for word as JSON."""

policy_uses = Table(
    "policy_uses",
    metadata,
    Column("tenant", WORDS, primary_key=True, nullable=False),
    Column("since", WHOLE, primary_key=True, nullable=False),
    Column("digest", WORDS, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""Which policy went for a tenant since when, so that mail is judged by that of its own day."""

deletions = Table(
    "deletions",
    metadata,
    numbered(),
    Column("tenant", WORDS, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("at", WHOLE, nullable=False),
    Column("actor", WORDS, nullable=False),
    UniqueConstraint("tenant", "key"),
    sqlite_strict=True,
)
"""Addresses that complained, which the tenant says it has deleted from its lists."""

blocks = Table(
    "blocks",
    metadata,
    numbered(),
    Column("case_id", WHOLE, nullable=False),
    Column("tenant", WORDS, nullable=False),
    Column("domain", WORDS, nullable=False),
    Column("reason", WORDS, nullable=False),
    Column("actor", WORDS, nullable=False),
    Column("since", WHOLE, nullable=False),
    Column("lifted_at", WHOLE),
    Column("lifted_by", WORDS),
    Column("lifted_reason", WORDS),
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
