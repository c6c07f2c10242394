"""Every durable table. Alembic's migrations build the same; a test compares the two.

Instants are whole Unix seconds. Address keys are 16 octets (`suppression.keys`); plain addresses
stand nowhere but encrypted in `subjects`. A scope is a number of `streams`: 0 for all tenants, a
tenant's own row (empty stream name), or one stream's. Nothing here but `standing_index`, `windows`,
`mailings` and `ledger` is ever deleted by the data path: entries are lifted or ended in place.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s", "uq": "uq_%(table_name)s"}
)


def _id() -> Column[int]:
    return Column("id", Integer, primary_key=True)


meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True, nullable=False),
    Column("value", Text, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""Marks of the database as a whole: the index's generation, the keyring's fingerprints."""

streams = Table(
    "streams",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("name", Text, nullable=False),
    UniqueConstraint("tenant", "name"),
    sqlite_strict=True,
)
"""Stable 24-bit numbers; the row with an empty name stands for the tenant as a whole."""

sources = Table(
    "sources",
    metadata,
    _id(),
    Column("setter", Text, nullable=False),
    Column("name", Text, nullable=False),
    UniqueConstraint("setter", "name"),
    sqlite_strict=True,
)
"""In what capacity an entry was set and where it came from, written once for many entries."""

subjects = Table(
    "subjects",
    metadata,
    _id(),
    Column("sealed", LargeBinary, nullable=False),
    sqlite_strict=True,
)
"""The plain address or domain of entries, encrypted."""

subject_secrets = Table(
    "subject_secrets",
    metadata,
    Column("subject", Integer, primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    sqlite_strict=True,
)
"""What a subject's encryption key is derived from, with the keyring; gone, the address is gone."""

suppressions = Table(
    "suppressions",
    metadata,
    _id(),
    Column("key", LargeBinary, nullable=False),
    Column("scope", Integer, nullable=False),
    Column("code", Integer, nullable=False),
    Column("subject", Integer),
    Column("source", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("ends_at", Integer),
    Column("lifted_at", Integer),
    Column("lifted_by", Text),
    Column("lifted_reason", Text),
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
    Column("scope", Integer, primary_key=True, nullable=False),
    Column("code", Integer, primary_key=True, nullable=False),
    Column("entry", Integer, primary_key=True, nullable=False),
    Column("ends", Integer),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""What the RCPT look-up reads: every entry and consent in force, clustered by key.

Derived from `suppressions`, `consents` and `attestations`, changed in the same transaction.
"""

attestations = Table(
    "attestations",
    metadata,
    _id(),
    Column("tenant", Integer, nullable=False),
    Column("scope", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("attested_at", Integer, nullable=False),
    Column("file_hash", LargeBinary, nullable=False),
    Column("actor", Text, nullable=False),
    Column("recorded_at", Integer, nullable=False),
    Column("rows", Integer),
    Column("digest", LargeBinary),
    sqlite_strict=True,
)
"""A tenant's word that the people of one file agreed; `rows` and `digest` once it is all in.

`tenant` is the number of the tenant as a whole, `scope` that or one of its streams.
"""

consents = Table(
    "consents",
    metadata,
    _id(),
    Column("key", LargeBinary, nullable=False),
    Column("scope", Integer, nullable=False),
    Column("level", Integer, nullable=False),
    Column("subject", Integer),
    Column("attestation", Integer),
    Column("given_at", Integer, nullable=False),
    Column("ended_at", Integer),
    Column("ended_by", Text),
    sqlite_strict=True,
)
"""Append-only consents of level 1 to 4."""

Index(
    "ix_consents_ended",
    consents.c.key,
    sqlite_where=consents.c.ended_at.is_not(None),
    postgresql_where=consents.c.ended_at.is_not(None),
)

cases = Table(
    "cases",
    metadata,
    _id(),
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
    _id(),
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
    _id(),
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

audit = Table(
    "audit",
    metadata,
    _id(),
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
