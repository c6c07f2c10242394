"""The first tables: streams, suppressions, consents, cases, ledger, windows, audit."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything."""
    op.create_table(
        "attestations",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("tenant", sa.Integer, nullable=False),
        sa.Column("scope", sa.Integer, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("attested_at", sa.Integer, nullable=False),
        sa.Column("file_hash", sa.LargeBinary, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("recorded_at", sa.Integer, nullable=False),
        sa.Column("rows", sa.Integer),
        sa.Column("digest", sa.LargeBinary),
        sqlite_strict=True,
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("key", sa.LargeBinary),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "blocks",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("case_id", sa.Integer, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("since", sa.Integer, nullable=False),
        sa.Column("lifted_at", sa.Integer),
        sa.Column("lifted_by", sa.Text),
        sa.Column("lifted_reason", sa.Text),
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
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("mailing", sa.Text, nullable=False),
        sa.Column("opened_at", sa.Integer, nullable=False),
        sa.Column("notified_at", sa.Integer),
        sa.Column("closed_at", sa.Integer),
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
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("scope", sa.Integer, nullable=False),
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("subject", sa.Integer),
        sa.Column("attestation", sa.Integer),
        sa.Column("given_at", sa.Integer, nullable=False),
        sa.Column("ended_at", sa.Integer),
        sa.Column("ended_by", sa.Text),
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
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("case_id", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("mailing", sa.Text, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("key", sa.LargeBinary),
        sa.Column("ref", sa.Text, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("ix_facts_case_id", "facts", ["case_id"])
    op.create_index("ix_facts_recent", "facts", ["tenant", "kind", "at"])
    op.create_table(
        "ledger",
        sa.Column("key", sa.LargeBinary, primary_key=True, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("ref", sa.Text, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("code", sa.Integer),
        sa.Column("enhanced", sa.Text),
        sa.Column("text", sa.Text),
        sa.Column("trouble", sa.Text),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "mailings",
        sa.Column("stream", sa.Text, primary_key=True, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("started_at", sa.Integer, nullable=False),
        sa.Column("last_at", sa.Integer, nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "meta",
        sa.Column("name", sa.Text, primary_key=True, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sources",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("setter", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.UniqueConstraint("setter", "name", name="uq_sources"),
        sqlite_strict=True,
    )
    op.create_table(
        "standing_index",
        sa.Column("key", sa.LargeBinary, primary_key=True, nullable=False),
        sa.Column("scope", sa.Integer, primary_key=True, nullable=False),
        sa.Column("code", sa.Integer, primary_key=True, nullable=False),
        sa.Column("entry", sa.Integer, primary_key=True, nullable=False),
        sa.Column("ends", sa.Integer),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "streams",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.UniqueConstraint("tenant", "name", name="uq_streams"),
        sqlite_strict=True,
    )
    op.create_table(
        "subject_secrets",
        sa.Column("subject", sa.Integer, primary_key=True),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "subjects",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "suppressions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("scope", sa.Integer, nullable=False),
        sa.Column("code", sa.Integer, nullable=False),
        sa.Column("subject", sa.Integer),
        sa.Column("source", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Integer, nullable=False),
        sa.Column("ends_at", sa.Integer),
        sa.Column("lifted_at", sa.Integer),
        sa.Column("lifted_by", sa.Text),
        sa.Column("lifted_reason", sa.Text),
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
        sa.Column("key", sa.Text, primary_key=True, nullable=False),
        sa.Column("seconds", sa.Integer, primary_key=True, nullable=False),
        sa.Column("start", sa.Integer, primary_key=True, nullable=False),
        sa.Column("amount", sa.Integer, nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
