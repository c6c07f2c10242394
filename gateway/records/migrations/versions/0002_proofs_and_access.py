"""Proofs of consent, pre-check receipts, API tokens, webhooks and subject requests."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

WHOLE = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create everything new."""
    op.create_table(
        "api_tokens",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("name", WORDS, nullable=False),
        sa.Column("tenant", WORDS, nullable=False),
        sa.Column("permissions", WORDS, nullable=False),
        sa.Column("made_at", WHOLE, nullable=False),
        sa.Column("made_by", WORDS, nullable=False),
        sa.Column("ends_at", WHOLE),
        sa.Column("revoked_at", WHOLE),
        sa.Column("revoked_by", WORDS),
        sa.UniqueConstraint("digest", name="uq_api_tokens"),
        sqlite_strict=True,
    )
    op.create_table(
        "consent_texts",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("text", WORDS, nullable=False),
        sa.UniqueConstraint("digest", name="uq_consent_texts"),
        sqlite_strict=True,
    )
    op.create_table(
        "idempotency",
        sa.Column("token", WHOLE, primary_key=True, nullable=False),
        sa.Column("key", WORDS, primary_key=True, nullable=False),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("status", WHOLE, nullable=False),
        sa.Column("response", WORDS, nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "proof_steps",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("tenant", WHOLE, nullable=False),
        sa.Column("number", WHOLE, nullable=False),
        sa.Column("proof", WHOLE, nullable=False),
        sa.Column("status", WORDS, nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("facts", WORDS, nullable=False),
        sa.Column("subject", WHOLE),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("tenant", "number", name="uq_proof_steps"),
        sqlite_strict=True,
    )
    op.create_index("ix_proof_steps_proof", "proof_steps", ["proof"], unique=False)
    op.create_table(
        "proofs",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("tracking", sa.LargeBinary, nullable=False),
        sa.Column("tenant", WHOLE, nullable=False),
        sa.Column("scope", WHOLE, nullable=False),
        sa.Column("level", WHOLE, nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("subject", WHOLE, nullable=False),
        sa.Column("text", WHOLE, nullable=False),
        sa.Column("language", WORDS, nullable=False),
        sa.Column("status", WORDS, nullable=False),
        sa.Column("requested_at", WHOLE, nullable=False),
        sa.Column("due_at", WHOLE),
        sa.Column("consent", WHOLE),
        sa.UniqueConstraint("tracking", name="uq_proofs"),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_proofs_due",
        "proofs",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("ix_proofs_key", "proofs", ["key"], unique=False)
    op.create_table(
        "receipts",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("tracking", sa.LargeBinary, nullable=False),
        sa.Column("tenant", WHOLE, nullable=False),
        sa.Column("scope", WHOLE, nullable=False),
        sa.Column("asked", WHOLE, nullable=False),
        sa.Column("cleared", WHOLE, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("actor", WORDS, nullable=False),
        sa.Column("made_at", WHOLE, nullable=False),
        sa.Column("ends_at", WHOLE, nullable=False),
        sa.UniqueConstraint("tracking", name="uq_receipts"),
        sqlite_strict=True,
    )
    op.create_index("ix_receipts_recent", "receipts", ["tenant", "made_at"], unique=False)
    op.create_index(
        "ix_standing_index_cleared",
        "standing_index",
        ["ends"],
        unique=False,
        sqlite_where=sa.text("code = 8"),
        postgresql_where=sa.text("code = 8"),
    )
    op.create_index(
        "ix_standing_index_restricted",
        "standing_index",
        ["scope"],
        unique=False,
        sqlite_where=sa.text("code = 88"),
        postgresql_where=sa.text("code = 88"),
    )
    op.create_table(
        "subject_requests",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("kind", WORDS, nullable=False),
        sa.Column("scope", WHOLE, nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("subject", WHOLE),
        sa.Column("identity", WORDS, nullable=False),
        sa.Column("received_at", WHOLE, nullable=False),
        sa.Column("due_at", WHOLE, nullable=False),
        sa.Column("extension", WORDS),
        sa.Column("done_at", WHOLE),
        sa.Column("actor", WORDS, nullable=False),
        sa.Column("outcome", WORDS, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("tracking", sa.LargeBinary, nullable=False),
        sa.Column("tenant", WHOLE, nullable=False),
        sa.Column("kind", WORDS, nullable=False),
        sa.Column("key", sa.LargeBinary),
        sa.Column("subject", WHOLE),
        sa.Column("payload", WORDS, nullable=False),
        sa.Column("made_at", WHOLE, nullable=False),
        sa.Column("since", WHOLE, nullable=False),
        sa.Column("attempts", WHOLE, nullable=False),
        sa.Column("next_at", WHOLE),
        sa.Column("delivered_at", WHOLE),
        sa.Column("trouble", WORDS, nullable=False),
        sa.UniqueConstraint("tracking", name="uq_webhook_deliveries"),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_webhook_deliveries_waiting",
        "webhook_deliveries",
        ["tenant", "next_at"],
        unique=False,
        sqlite_where=sa.text("next_at IS NOT NULL"),
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )


def downgrade() -> None:
    """Drop what is newer."""
    for index in ("cleared", "restricted"):
        op.drop_index(f"ix_standing_index_{index}", "standing_index")
    for name in (
        "api_tokens",
        "consent_texts",
        "idempotency",
        "proof_steps",
        "proofs",
        "receipts",
        "subject_requests",
        "webhook_deliveries",
    ):
        op.drop_table(name)
