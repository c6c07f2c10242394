"""Cases that climb ladders: timelines, reports, evidence, fees, notices; staff of the desk."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_CASES = """
INSERT INTO cases SELECT id, randomblob(16), kind, '', tenant, mailing, '', 'closed', 0, 0, 100,
  opened_at, notified_at, coalesce(closed_at, opened_at), NULL, NULL, NULL, json_object(
  'id', id, 'tenant', tenant, 'ladder', kind, 'step', '', 'mailing', mailing, 'policy', '',
  'phase', 'closed', 'opened_at', opened_at, 'notified_at', notified_at, 'before', NULL,
  'closed_at', coalesce(closed_at, opened_at), 'requirements', json('[]'), 'fees', json('[]'),
  'reminded', json('[]'), 'domains', json('[]'), 'authors', json('[]'), 'approvals', json('[]'))
  FROM old_cases
"""
"""What was there before there were ladders is over: its facts stay, its blocks a person lifts."""
_FACTS = """
INSERT INTO facts SELECT id, case_id, kind, tenant, stream, mailing, domain, key, ref, at, NULL,
  NULL, 'gateway', NULL FROM old_facts
"""


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
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("case_id", sa.Integer, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("subject", sa.Integer),
        sqlite_strict=True,
    )
    op.create_index("ix_case_entries_case_id", "case_entries", ["case_id"], unique=False)
    op.create_table(
        "cases",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("tracking", sa.LargeBinary, nullable=False),
        sa.Column("ladder", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("mailing", sa.Text, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("counted", sa.Integer, nullable=False),
        sa.Column("open_items", sa.Integer, nullable=False),
        sa.Column("volume", sa.Integer, nullable=False),
        sa.Column("opened_at", sa.Integer, nullable=False),
        sa.Column("notified_at", sa.Integer),
        sa.Column("closed_at", sa.Integer),
        sa.Column("due_at", sa.Integer),
        sa.Column("review_due_at", sa.Integer),
        sa.Column("next_at", sa.Integer),
        sa.Column("state", sa.Text, nullable=False),
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
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.UniqueConstraint("tenant", "key", name="uq_deletions"),
        sqlite_strict=True,
    )
    op.create_table(
        "evidence",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("case_id", sa.Integer, nullable=False),
        sa.Column("requirement", sa.Text, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("octets", sa.Integer, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("scanned", sa.Text, nullable=False),
        sa.Column("subject", sa.Integer, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("ix_evidence_case_id", "evidence", ["case_id"], unique=False)
    op.create_table(
        "facts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("case_id", sa.Integer),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("mailing", sa.Text, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("key", sa.LargeBinary),
        sa.Column("ref", sa.Text, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("grade", sa.Text),
        sa.Column("excuse", sa.Text),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("subject", sa.Integer),
        sqlite_strict=True,
    )
    op.create_index("ix_facts_case_id", "facts", ["case_id"], unique=False)
    op.create_index(
        "ix_facts_key", "facts", ["key"], unique=False, sqlite_where=sa.text("key IS NOT NULL")
    )
    op.create_index("ix_facts_recent", "facts", ["tenant", "kind", "at"], unique=False)
    op.create_index("ix_facts_ref", "facts", ["ref"], unique=False)
    op.create_table(
        "fees",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("case_id", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("amount", sa.Integer, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("each", sa.Integer, nullable=False),
        sa.Column("clause", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("proposed_at", sa.Integer, nullable=False),
        sa.Column("decided_at", sa.Integer),
        sa.Column("decided_by", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("paid_at", sa.Integer),
        sa.Column("paid_by", sa.Text),
        sa.UniqueConstraint("case_id", "number", name="uq_fees"),
        sqlite_strict=True,
    )
    op.create_index("ix_fees_case_id", "fees", ["case_id"], unique=False)
    op.create_table(
        "mailed_codes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("case_id", sa.Integer),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("made_at", sa.Integer, nullable=False),
        sa.Column("ends_at", sa.Integer, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("used_at", sa.Integer),
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
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("case_id", sa.Integer, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("extra", sa.Text, nullable=False),
        sa.Column("made_at", sa.Integer, nullable=False),
        sa.Column("message_id", sa.Text),
        sa.Column("subject", sa.Integer),
        sa.Column("next_at", sa.Integer),
        sa.Column("begun_at", sa.Integer),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("repeats", sa.Integer, nullable=False),
        sa.Column("sent_at", sa.Integer),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("said", sa.Text, nullable=False),
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
        sa.Column("tenant", sa.Text, primary_key=True, nullable=False),
        sa.Column("since", sa.Integer, primary_key=True, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "policy_versions",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("preset", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("since", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("digest"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "reports",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("received_at", sa.Integer, nullable=False),
        sa.Column("sent_at", sa.Integer),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("grade", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("mailing", sa.Text, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("ref", sa.Text, nullable=False),
        sa.Column("key", sa.LargeBinary),
        sa.Column("subject", sa.Integer),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("fact_id", sa.Integer),
        sa.Column("decided_at", sa.Integer),
        sa.Column("decided_by", sa.Text),
        sa.Column("reason", sa.Text),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_reports_key", "reports", ["key"], unique=False, sqlite_where=sa.text("key IS NOT NULL")
    )
    op.create_index("ix_reports_state", "reports", ["state", "id"], unique=False)
    op.create_index("ix_reports_tenant", "reports", ["tenant", "state", "id"], unique=False)
    op.create_table(
        "staff",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text),
        sa.Column("totp", sa.Integer),
        sa.Column("totp_step", sa.Integer),
        sa.Column("identity", sa.Text),
        sa.Column("zone", sa.Text, nullable=False),
        sa.Column("made_at", sa.Integer, nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("disabled_at", sa.Integer),
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
        sa.Column("staff", sa.Integer, nullable=False),
        sa.Column("made_at", sa.Integer, nullable=False),
        sa.Column("seen_at", sa.Integer, nullable=False),
        sa.Column("ends_at", sa.Integer, nullable=False),
        sa.Column("is_complete", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("digest"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_staff_sessions_staff", "staff_sessions", ["staff"], unique=False)
    op.create_table(
        "undoings",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("staff", sa.Integer, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("ends_at", sa.Integer, nullable=False),
        sa.Column("undone_at", sa.Integer),
        sqlite_strict=True,
    )
    op.create_index("ix_undoings_staff", "undoings", ["staff"], unique=False)
    for statement in (_CASES, _FACTS):
        op.execute(statement)
    for name in ("old_cases", "old_facts"):
        op.drop_table(name)
