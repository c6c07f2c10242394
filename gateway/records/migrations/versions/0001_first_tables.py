"""The first tables: streams, suppressions, consents, cases, ledger, windows, audit."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

WHOLE = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create everything."""
    op.create_table(
        "attestations",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("tenant", WHOLE, nullable=False),
        sa.Column("scope", WHOLE, nullable=False),
        sa.Column("source", WORDS, nullable=False),
        sa.Column("attested_at", WHOLE, nullable=False),
        sa.Column("file_hash", sa.LargeBinary, nullable=False),
        sa.Column("actor", WORDS, nullable=False),
        sa.Column("recorded_at", WHOLE, nullable=False),
        sa.Column("rows", WHOLE),
        sa.Column("digest", sa.LargeBinary),
        sqlite_strict=True,
    )
    op.create_table(
        "audit",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("actor", WORDS, nullable=False),
        sa.Column("action", WORDS, nullable=False),
        sa.Column("scope", WORDS, nullable=False),
        sa.Column("key", sa.LargeBinary),
        sa.Column("detail", WORDS, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "blocks",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("case_id", WHOLE, nullable=False),
        sa.Column("tenant", WORDS, nullable=False),
        sa.Column("domain", WORDS, nullable=False),
        sa.Column("reason", WORDS, nullable=False),
        sa.Column("actor", WORDS, nullable=False),
        sa.Column("since", WHOLE, nullable=False),
        sa.Column("lifted_at", WHOLE),
        sa.Column("lifted_by", WORDS),
        sa.Column("lifted_reason", WORDS),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_blocks_live",
        "blocks",
        ["tenant", "domain"],
        unique=True,
        sqlite_where=sa.text("lifted_at IS NULL"),
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_table(
        "cases",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("kind", WORDS, nullable=False),
        sa.Column("tenant", WORDS, nullable=False),
        sa.Column("mailing", WORDS, nullable=False),
        sa.Column("opened_at", WHOLE, nullable=False),
        sa.Column("notified_at", WHOLE),
        sa.Column("closed_at", WHOLE),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_cases_folding",
        "cases",
        ["kind", "tenant", "mailing"],
        unique=True,
        sqlite_where=sa.text("notified_at IS NULL AND closed_at IS NULL"),
        postgresql_where=sa.text("notified_at IS NULL AND closed_at IS NULL"),
    )
    op.create_table(
        "consents",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("scope", WHOLE, nullable=False),
        sa.Column("level", WHOLE, nullable=False),
        sa.Column("subject", WHOLE),
        sa.Column("attestation", WHOLE),
        sa.Column("given_at", WHOLE, nullable=False),
        sa.Column("ended_at", WHOLE),
        sa.Column("ended_by", WORDS),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_consents_ended",
        "consents",
        ["key"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NOT NULL"),
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )
    op.create_table(
        "facts",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("case_id", WHOLE, nullable=False),
        sa.Column("kind", WORDS, nullable=False),
        sa.Column("tenant", WORDS, nullable=False),
        sa.Column("stream", WORDS, nullable=False),
        sa.Column("mailing", WORDS, nullable=False),
        sa.Column("domain", WORDS, nullable=False),
        sa.Column("key", sa.LargeBinary),
        sa.Column("ref", WORDS, nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("ix_facts_case_id", "facts", ["case_id"])
    op.create_index("ix_facts_recent", "facts", ["tenant", "kind", "at"])
    op.create_table(
        "ledger",
        sa.Column("key", sa.LargeBinary, primary_key=True, nullable=False),
        sa.Column("state", WORDS, nullable=False),
        sa.Column("ref", WORDS, nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("code", WHOLE),
        sa.Column("enhanced", WORDS),
        sa.Column("text", WORDS),
        sa.Column("trouble", WORDS),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "mailings",
        sa.Column("stream", WORDS, primary_key=True, nullable=False),
        sa.Column("id", WORDS, nullable=False),
        sa.Column("started_at", WHOLE, nullable=False),
        sa.Column("last_at", WHOLE, nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "meta",
        sa.Column("name", WORDS, primary_key=True, nullable=False),
        sa.Column("value", WORDS, nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sources",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("setter", WORDS, nullable=False),
        sa.Column("name", WORDS, nullable=False),
        sa.UniqueConstraint("setter", "name", name="uq_sources"),
        sqlite_strict=True,
    )
    op.create_table(
        "standing_index",
        sa.Column("key", sa.LargeBinary, primary_key=True, nullable=False),
        sa.Column("scope", WHOLE, primary_key=True, nullable=False),
        sa.Column("code", WHOLE, primary_key=True, nullable=False),
        sa.Column("entry", WHOLE, primary_key=True, nullable=False),
        sa.Column("ends", WHOLE),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "streams",
        sa.Column("number", WHOLE, primary_key=True),
        sa.Column("tenant", WORDS, nullable=False),
        sa.Column("name", WORDS, nullable=False),
        sa.UniqueConstraint("tenant", "name", name="uq_streams"),
        sqlite_strict=True,
    )
    op.create_table(
        "subject_secrets",
        sa.Column("subject", WHOLE, primary_key=True),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "subjects",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "suppressions",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("scope", WHOLE, nullable=False),
        sa.Column("code", WHOLE, nullable=False),
        sa.Column("subject", WHOLE),
        sa.Column("source", WHOLE, nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.Column("ends_at", WHOLE),
        sa.Column("lifted_at", WHOLE),
        sa.Column("lifted_by", WORDS),
        sa.Column("lifted_reason", WORDS),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_suppressions_lifted",
        "suppressions",
        ["key"],
        unique=False,
        sqlite_where=sa.text("lifted_at IS NOT NULL"),
        postgresql_where=sa.text("lifted_at IS NOT NULL"),
    )
    op.create_table(
        "windows",
        sa.Column("key", WORDS, primary_key=True, nullable=False),
        sa.Column("seconds", WHOLE, primary_key=True, nullable=False),
        sa.Column("start", WHOLE, primary_key=True, nullable=False),
        sa.Column("amount", WHOLE, nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop everything."""
    for name in (
        "attestations",
        "audit",
        "blocks",
        "cases",
        "consents",
        "facts",
        "ledger",
        "mailings",
        "meta",
        "sources",
        "standing_index",
        "streams",
        "subject_secrets",
        "subjects",
        "suppressions",
        "windows",
    ):
        op.drop_table(name)
