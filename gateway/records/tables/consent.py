"""Who agreed to be mailed: attestations, consents, and the proofs behind them."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, Table, UniqueConstraint

from gateway.records.tables.base import WHOLE, WORDS, metadata, numbered

attestations = Table(
    "attestations",
    metadata,
    numbered(),
    Column("tenant", WHOLE, nullable=False),
    Column("scope", WHOLE, nullable=False),
    Column("source", WORDS, nullable=False),
    Column("attested_at", WHOLE, nullable=False),
    Column("file_hash", LargeBinary, nullable=False),
    Column("actor", WORDS, nullable=False),
    Column("recorded_at", WHOLE, nullable=False),
    Column("rows", WHOLE),
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
    Column("scope", WHOLE, nullable=False),
    Column("level", WHOLE, nullable=False),
    Column("subject", WHOLE),
    Column("attestation", WHOLE),
    Column("given_at", WHOLE, nullable=False),
    Column("ended_at", WHOLE),
    Column("ended_by", WORDS),
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
    Column("text", WORDS, nullable=False),
    sqlite_strict=True,
)
"""What people agreed to, word for word, each wording once; `digest` is its SHA-256."""

proofs = Table(
    "proofs",
    metadata,
    numbered(),
    Column("tracking", LargeBinary, nullable=False, unique=True),
    Column("tenant", WHOLE, nullable=False),
    Column("scope", WHOLE, nullable=False),
    Column("level", WHOLE, nullable=False),
    Column("key", LargeBinary, nullable=False, index=True),
    Column("subject", WHOLE, nullable=False),
    Column("text", WHOLE, nullable=False),
    Column("language", WORDS, nullable=False),
    Column("status", WORDS, nullable=False),
    Column("requested_at", WHOLE, nullable=False),
    Column("due_at", WHOLE),
    Column("consent", WHOLE),
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
    Column("tenant", WHOLE, nullable=False),
    Column("number", WHOLE, nullable=False),
    Column("proof", WHOLE, nullable=False, index=True),
    Column("status", WORDS, nullable=False),
    Column("at", WHOLE, nullable=False),
    Column("facts", WORDS, nullable=False),
    Column("subject", WHOLE),
    Column("digest", LargeBinary, nullable=False),
    UniqueConstraint("tenant", "number"),
    sqlite_strict=True,
)
"""What became of each proof: append-only, and a hash chain of its own for each tenant.

`facts` is JSON without anything personal; what is personal (addresses, IP, user agent, words of
servers) is JSON sealed in `subjects` under `subject`, and the digest covers its ciphertext.
"""
