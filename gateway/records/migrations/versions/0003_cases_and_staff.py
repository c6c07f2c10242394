"""Cases that climb ladders: timelines, reports, evidence, fees, notices; staff of the desk."""

import sqlalchemy as sa
from alembic import op

from gateway.records.migrations import before_ladders

revision = "0003"
down_revision = "0002"

WHOLE = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

_FACTS = """
INSERT INTO facts SELECT id, case_id, kind, tenant, stream, mailing, domain, key, ref, at, NULL,
  NULL, 'gateway', NULL FROM old_facts
"""
_BACK = (
    "INSERT INTO cases SELECT id, ladder, tenant, mailing, opened_at, notified_at, closed_at "
    "FROM new_cases",
    "INSERT INTO facts SELECT id, case_id, kind, tenant, stream, mailing, domain, key, ref, at "
    "FROM new_facts WHERE case_id IS NOT NULL",
)
_NEW = (
    *("case_entries", "deletions", "evidence", "fees", "mailed_codes", "notices", "policy_uses"),
    *("policy_versions", "reports", "staff", "staff_sessions", "undoings"),
)


def upgrade() -> None:
    """Create everything new; cases and facts move into their new tables."""
    for name in ("ix_cases_folding", "ix_facts_recent", "ix_facts_case_id"):
        op.drop_index(name)
    for name in ("cases", "facts"):
        op.rename_table(name, f"old_{name}")
    op.create_index(
        "ix_blocks_lifted",
        "blocks",
        ["tenant", "lifted_at"],
        unique=False,
        sqlite_where=sa.text("lifted_at IS NOT NULL"),
        postgresql_where=sa.text("lifted_at IS NOT NULL"),
    )
    op.create_table(
        "case_entries",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("case_id", WHOLE, nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("actor", WORDS, nullable=False),
        sa.Column("kind", WORDS, nullable=False),
        sa.Column("detail", WORDS, nullable=False),
        sa.Column("subject", WHOLE),
        sqlite_strict=True,
    )
    op.create_index("ix_case_entries_case_id", "case_entries", ["case_id"], unique=False)
    op.create_table(
        "cases",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("tracking", sa.LargeBinary, nullable=False),
        sa.Column("ladder", WORDS, nullable=False),
        sa.Column("step", WORDS, nullable=False),
        sa.Column("tenant", WORDS, nullable=False),
        sa.Column("mailing", WORDS, nullable=False),
        sa.Column("policy", WORDS, nullable=False),
        sa.Column("phase", WORDS, nullable=False),
        sa.Column("counted", WHOLE, nullable=False),
        sa.Column("open_items", WHOLE, nullable=False),
        sa.Column("volume", WHOLE, nullable=False),
        sa.Column("opened_at", WHOLE, nullable=False),
        sa.Column("notified_at", WHOLE),
        sa.Column("closed_at", WHOLE),
        sa.Column("due_at", WHOLE),
        sa.Column("review_due_at", WHOLE),
        sa.Column("next_at", WHOLE),
        sa.Column("state", WORDS, nullable=False),
        sa.UniqueConstraint("tracking", name="uq_cases"),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_cases_due",
        "cases",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(
        "ix_cases_folding",
        "cases",
        ["ladder", "tenant", "mailing"],
        unique=True,
        sqlite_where=sa.text("notified_at IS NULL AND closed_at IS NULL AND mailing <> ''"),
        postgresql_where=sa.text("notified_at IS NULL AND closed_at IS NULL AND mailing <> ''"),
    )
    op.create_index(
        "ix_cases_next",
        "cases",
        ["next_at"],
        unique=False,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index("ix_cases_notified", "cases", ["notified_at"], unique=False)
    op.create_index("ix_cases_phase", "cases", ["phase", "id"], unique=False)
    op.create_index(
        "ix_cases_review",
        "cases",
        ["review_due_at"],
        unique=False,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index("ix_cases_tenant", "cases", ["tenant", "id"], unique=False)
    op.create_table(
        "deletions",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("tenant", WORDS, nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("actor", WORDS, nullable=False),
        sa.UniqueConstraint("tenant", "key", name="uq_deletions"),
        sqlite_strict=True,
    )
    op.create_table(
        "evidence",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("case_id", WHOLE, nullable=False),
        sa.Column("requirement", WORDS, nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("actor", WORDS, nullable=False),
        sa.Column("media_type", WORDS, nullable=False),
        sa.Column("octets", WHOLE, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("scanned", WORDS, nullable=False),
        sa.Column("subject", WHOLE, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("ix_evidence_case_id", "evidence", ["case_id"], unique=False)
    op.create_table(
        "facts",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("case_id", WHOLE),
        sa.Column("kind", WORDS, nullable=False),
        sa.Column("tenant", WORDS, nullable=False),
        sa.Column("stream", WORDS, nullable=False),
        sa.Column("mailing", WORDS, nullable=False),
        sa.Column("domain", WORDS, nullable=False),
        sa.Column("key", sa.LargeBinary),
        sa.Column("ref", WORDS, nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("grade", WORDS),
        sa.Column("excuse", WORDS),
        sa.Column("actor", WORDS, nullable=False),
        sa.Column("subject", WHOLE),
        sqlite_strict=True,
    )
    op.create_index("ix_facts_case_id", "facts", ["case_id"], unique=False)
    op.create_index(
        "ix_facts_key",
        "facts",
        ["key"],
        unique=False,
        sqlite_where=sa.text("key IS NOT NULL"),
        postgresql_where=sa.text("key IS NOT NULL"),
    )
    op.create_index("ix_facts_recent", "facts", ["tenant", "kind", "at"], unique=False)
    op.create_index("ix_facts_ref", "facts", ["ref"], unique=False)
    op.create_table(
        "fees",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("case_id", WHOLE, nullable=False),
        sa.Column("number", WHOLE, nullable=False),
        sa.Column("tenant", WORDS, nullable=False),
        sa.Column("amount", WHOLE, nullable=False),
        sa.Column("currency", WORDS, nullable=False),
        sa.Column("count", WHOLE, nullable=False),
        sa.Column("each", WHOLE, nullable=False),
        sa.Column("clause", WORDS, nullable=False),
        sa.Column("state", WORDS, nullable=False),
        sa.Column("proposed_at", WHOLE, nullable=False),
        sa.Column("decided_at", WHOLE),
        sa.Column("decided_by", WORDS),
        sa.Column("reason", WORDS),
        sa.Column("paid_at", WHOLE),
        sa.Column("paid_by", WORDS),
        sa.UniqueConstraint("case_id", "number", name="uq_fees"),
        sqlite_strict=True,
    )
    op.create_index("ix_fees_case_id", "fees", ["case_id"], unique=False)
    op.create_table(
        "mailed_codes",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("tenant", WORDS, nullable=False),
        sa.Column("case_id", WHOLE),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("made_at", WHOLE, nullable=False),
        sa.Column("ends_at", WHOLE, nullable=False),
        sa.Column("tries", WHOLE, nullable=False),
        sa.Column("used_at", WHOLE),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_mailed_codes_open",
        "mailed_codes",
        ["tenant", "ends_at"],
        unique=False,
        sqlite_where=sa.text("used_at IS NULL"),
        postgresql_where=sa.text("used_at IS NULL"),
    )
    op.create_table(
        "notices",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("case_id", WHOLE, nullable=False),
        sa.Column("tenant", WORDS, nullable=False),
        sa.Column("kind", WORDS, nullable=False),
        sa.Column("language", WORDS, nullable=False),
        sa.Column("extra", WORDS, nullable=False),
        sa.Column("made_at", WHOLE, nullable=False),
        sa.Column("message_id", WORDS),
        sa.Column("subject", WHOLE),
        sa.Column("next_at", WHOLE),
        sa.Column("begun_at", WHOLE),
        sa.Column("attempts", WHOLE, nullable=False),
        sa.Column("repeats", WHOLE, nullable=False),
        sa.Column("sent_at", WHOLE),
        sa.Column("state", WORDS, nullable=False),
        sa.Column("said", WORDS, nullable=False),
        sa.UniqueConstraint("message_id", name="uq_notices"),
        sqlite_strict=True,
    )
    op.create_index("ix_notices_case_id", "notices", ["case_id"], unique=False)
    op.create_index(
        "ix_notices_waiting",
        "notices",
        ["next_at"],
        unique=False,
        sqlite_where=sa.text("next_at IS NOT NULL"),
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_table(
        "policy_uses",
        sa.Column("tenant", WORDS, primary_key=True, nullable=False),
        sa.Column("since", WHOLE, primary_key=True, nullable=False),
        sa.Column("digest", WORDS, nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "policy_versions",
        sa.Column("digest", WORDS, nullable=False),
        sa.Column("preset", WORDS, nullable=False),
        sa.Column("content", WORDS, nullable=False),
        sa.Column("since", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("digest"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "reports",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("received_at", WHOLE, nullable=False),
        sa.Column("sent_at", WHOLE),
        sa.Column("kind", WORDS, nullable=False),
        sa.Column("grade", WORDS, nullable=False),
        sa.Column("source", WORDS, nullable=False),
        sa.Column("tenant", WORDS, nullable=False),
        sa.Column("stream", WORDS, nullable=False),
        sa.Column("mailing", WORDS, nullable=False),
        sa.Column("domain", WORDS, nullable=False),
        sa.Column("ref", WORDS, nullable=False),
        sa.Column("key", sa.LargeBinary),
        sa.Column("subject", WHOLE),
        sa.Column("state", WORDS, nullable=False),
        sa.Column("fact_id", WHOLE),
        sa.Column("decided_at", WHOLE),
        sa.Column("decided_by", WORDS),
        sa.Column("reason", WORDS),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_reports_key",
        "reports",
        ["key"],
        unique=False,
        sqlite_where=sa.text("key IS NOT NULL"),
        postgresql_where=sa.text("key IS NOT NULL"),
    )
    op.create_index("ix_reports_state", "reports", ["state", "id"], unique=False)
    op.create_index("ix_reports_tenant", "reports", ["tenant", "state", "id"], unique=False)
    op.create_table(
        "staff",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("name", WORDS, nullable=False),
        sa.Column("role", WORDS, nullable=False),
        sa.Column("password_hash", WORDS),
        sa.Column("totp", WHOLE),
        sa.Column("totp_step", WHOLE),
        sa.Column("identity", WORDS),
        sa.Column("zone", WORDS, nullable=False),
        sa.Column("made_at", WHOLE, nullable=False),
        sa.Column("made_by", WORDS, nullable=False),
        sa.Column("disabled_at", WHOLE),
        sa.UniqueConstraint("name", name="uq_staff"),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_staff_identity",
        "staff",
        ["identity"],
        unique=True,
        sqlite_where=sa.text("identity IS NOT NULL"),
        postgresql_where=sa.text("identity IS NOT NULL"),
    )
    op.create_table(
        "staff_sessions",
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("staff", WHOLE, nullable=False),
        sa.Column("made_at", WHOLE, nullable=False),
        sa.Column("seen_at", WHOLE, nullable=False),
        sa.Column("ends_at", WHOLE, nullable=False),
        sa.Column("is_complete", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("digest"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_staff_sessions_staff", "staff_sessions", ["staff"], unique=False)
    op.create_table(
        "undoings",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("staff", WHOLE, nullable=False),
        sa.Column("action", WORDS, nullable=False),
        sa.Column("detail", WORDS, nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("ends_at", WHOLE, nullable=False),
        sa.Column("undone_at", WHOLE),
        sqlite_strict=True,
    )
    op.create_index("ix_undoings_staff", "undoings", ["staff"], unique=False)
    before_ladders.close_cases()
    op.execute(_FACTS)
    for name in ("old_cases", "old_facts"):
        op.drop_table(name)
    before_ladders.go_on_numbering()


def downgrade() -> None:
    """Go back to cases without ladders; what has no place there is gone."""
    for name in _NEW:
        op.drop_table(name)
    op.drop_index("ix_blocks_lifted", "blocks")
    for table, indexes in (
        ("cases", ("due", "folding", "next", "notified", "phase", "review", "tenant")),
        ("facts", ("case_id", "key", "recent", "ref")),
    ):
        for index in indexes:
            op.drop_index(f"ix_{table}_{index}", table)
        op.rename_table(table, f"new_{table}")
    before_ladders.create_tables()
    for statement in _BACK:
        op.execute(statement)
    for name in ("new_cases", "new_facts"):
        op.drop_table(name)
    before_ladders.create_indexes()
    before_ladders.go_on_numbering()
