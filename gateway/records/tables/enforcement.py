"""What happened and what followed: cases, facts, blocks."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, Table, Text, text

from gateway.records.tables.base import metadata, numbered

cases = Table(
    "cases",
    metadata,
    numbered(),
    Column("kind", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("mailing", Text, nullable=False),
    Column("opened_at", Integer, nullable=False),
    Column("notified_at", Integer),
    Column("closed_at", Integer),
    sqlite_strict=True,
)

_folding = text("notified_at IS NULL AND closed_at IS NULL")

Index(
    "ix_cases_folding",
    cases.c.kind,
    cases.c.tenant,
    cases.c.mailing,
    unique=True,
    sqlite_where=_folding,
    postgresql_where=_folding,
)
"""One case takes all facts of a kind, tenant and mailing until its first notice goes out."""

facts = Table(
    "facts",
    metadata,
    numbered(),
    Column("case_id", Integer, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("mailing", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Column("key", LargeBinary),
    Column("ref", Text, nullable=False),
    Column("at", Integer, nullable=False),
    sqlite_strict=True,
)
"""Immutable: what happened, once."""

Index("ix_facts_recent", facts.c.tenant, facts.c.kind, facts.c.at)

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
