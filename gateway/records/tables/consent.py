"""Who agreed to be mailed: attestations, consents, and the proofs behind them."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, Table, Text, UniqueConstraint

from gateway.records.tables.base import metadata, numbered

attestations = Table(
    "attestations",
    metadata,
    numbered(),
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
    numbered(),
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

consent_texts = Table(
    "consent_texts",
    metadata,
    numbered(),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("text", Text, nullable=False),
    sqlite_strict=True,
)
"""What people agreed to, word for word, each wording once; `digest` is its SHA-256."""

proofs = Table(
    "proofs",
    metadata,
    numbered(),
    Column("tracking", LargeBinary, nullable=False, unique=True),
    Column("tenant", Integer, nullable=False),
    Column("scope", Integer, nullable=False),
    Column("level", Integer, nullable=False),
    Column("key", LargeBinary, nullable=False, index=True),
    Column("subject", Integer, nullable=False),
    Column("text", Integer, nullable=False),
    Column("language", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("requested_at", Integer, nullable=False),
    Column("due_at", Integer),
    Column("consent", Integer),
    sqlite_strict=True,
)
"""One asked-for or supplied proof of consent, by its 16-octet tracking number.

`status` and `due_at` (when something is to be done about it: mail, remind, expire) only repeat
what the last row of `proof_steps` says; `consent` is the row of `consents` it led to.
"""

Index(
    "ix_proofs_due",
    proofs.c.due_at,
    sqlite_where=proofs.c.due_at.is_not(None),
    postgresql_where=proofs.c.due_at.is_not(None),
)

proof_steps = Table(
    "proof_steps",
    metadata,
    numbered(),
    Column("tenant", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("proof", Integer, nullable=False, index=True),
    Column("status", Text, nullable=False),
    Column("at", Integer, nullable=False),
    Column("facts", Text, nullable=False),
    Column("subject", Integer),
    Column("digest", LargeBinary, nullable=False),
    UniqueConstraint("tenant", "number"),
    sqlite_strict=True,
)
"""What became of each proof: append-only, and a hash chain of its own for each tenant.

`facts` is JSON without anything personal; what is personal (addresses, IP, user agent, words of
servers) is JSON sealed in `subjects` under `subject`, and the digest covers its ciphertext.
"""
