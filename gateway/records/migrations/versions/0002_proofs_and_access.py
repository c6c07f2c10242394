"""Proofs of consent, pre-check receipts, API tokens, webhooks and subject requests."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create everything new."""
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("permissions", sa.Text, nullable=False),
        sa.Column("made_at", sa.Integer, nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("ends_at", sa.Integer),
        sa.Column("revoked_at", sa.Integer),
        sa.Column("revoked_by", sa.Text),
        sa.UniqueConstraint("digest", name="uq_api_tokens"),
        sqlite_strict=True,
    )
    op.create_table(
        "consent_texts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.UniqueConstraint("digest", name="uq_consent_texts"),
        sqlite_strict=True,
    )
    op.create_table(
        "idempotency",
        sa.Column("token", sa.Integer, primary_key=True, nullable=False),
        sa.Column("key", sa.Text, primary_key=True, nullable=False),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("response", sa.Text, nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "proof_steps",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("tenant", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("proof", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("subject", sa.Integer),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("tenant", "number", name="uq_proof_steps"),
        sqlite_strict=True,
    )
    op.create_index("ix_proof_steps_proof", "proof_steps", ["proof"], unique=False)
    op.create_table(
        "proofs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("tracking", sa.LargeBinary, nullable=False),
        sa.Column("tenant", sa.Integer, nullable=False),
        sa.Column("scope", sa.Integer, nullable=False),
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("subject", sa.Integer, nullable=False),
        sa.Column("text", sa.Integer, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("requested_at", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Integer),
        sa.Column("consent", sa.Integer),
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
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("tracking", sa.LargeBinary, nullable=False),
        sa.Column("tenant", sa.Integer, nullable=False),
        sa.Column("scope", sa.Integer, nullable=False),
        sa.Column("asked", sa.Integer, nullable=False),
        sa.Column("cleared", sa.Integer, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("made_at", sa.Integer, nullable=False),
        sa.Column("ends_at", sa.Integer, nullable=False),
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
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("scope", sa.Integer, nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("subject", sa.Integer),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("received_at", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Integer, nullable=False),
        sa.Column("extension", sa.Text),
        sa.Column("done_at", sa.Integer),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("tracking", sa.LargeBinary, nullable=False),
        sa.Column("tenant", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.LargeBinary),
        sa.Column("subject", sa.Integer),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("made_at", sa.Integer, nullable=False),
        sa.Column("since", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.Integer),
        sa.Column("delivered_at", sa.Integer),
        sa.Column("trouble", sa.Text, nullable=False),
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
