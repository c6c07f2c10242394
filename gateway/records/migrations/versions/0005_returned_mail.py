"""Mail that comes back: bounces, storms and figures; reports know the mail that they came in."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

WHOLE = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables, empty, and what reports are to know besides."""
    op.add_column("reports", sa.Column("form", WORDS, nullable=False, server_default=""))
    op.add_column("reports", sa.Column("type", WORDS, nullable=False, server_default="abuse"))
    op.add_column("reports", sa.Column("mail", WORDS))
    op.create_index("ix_reports_mail", "reports", ["mail"], unique=True)
    op.create_table(
        "bounces",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("mark", WORDS, nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("tenant", WORDS, nullable=False),
        sa.Column("stream", WORDS, nullable=False),
        sa.Column("mailing", WORDS, nullable=False),
        sa.Column("domain", WORDS, nullable=False),
        sa.Column("provider", WORDS, nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("ref", WORDS, nullable=False),
        sa.Column("action", WORDS, nullable=False),
        sa.Column("class", WORDS, nullable=False),
        sa.Column("code", WHOLE, nullable=False),
        sa.Column("enhanced", WORDS, nullable=False),
        sa.Column("text", WORDS, nullable=False),
        sa.Column("way", WORDS, nullable=False),
        sa.Column("grade", WORDS),
        sa.Column("state", WORDS, nullable=False),
        sa.Column("due_at", WHOLE),
        sa.Column("storm", WHOLE),
        sa.UniqueConstraint("mark", name="uq_bounces"),
        sqlite_strict=True,
    )
    op.create_index("ix_bounces_key", "bounces", ["key", "tenant"], unique=False)
    op.create_index("ix_bounces_provider", "bounces", ["provider", "at"], unique=False)
    _partial("ix_bounces_pending", "bounces", "due_at", "state = 'pending'")
    _partial("ix_bounces_storm", "bounces", "storm", "storm IS NOT NULL")
    op.create_table(
        "storms",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("provider", WORDS, nullable=False),
        sa.Column("since", WHOLE, nullable=False),
        sa.Column("last_at", WHOLE, nullable=False),
        sa.Column("unknown", WHOLE, nullable=False),
        sa.Column("sent", WHOLE, nullable=False),
        sa.Column("decision", WORDS),
        sa.Column("decided_at", WHOLE),
        sa.Column("decided_by", WORDS),
        sa.Column("reason", WORDS),
        sqlite_strict=True,
    )
    _partial("ix_storms_open", "storms", "provider", "decision IS NULL", unique=True)
    op.create_table(
        "figures",
        sa.Column("tenant", WORDS, nullable=False),
        sa.Column("day", WHOLE, nullable=False),
        sa.Column("stream", WORDS, nullable=False),
        sa.Column("mailing", WORDS, nullable=False),
        sa.Column("domain", WORDS, nullable=False),
        sa.Column("what", WORDS, nullable=False),
        sa.Column("amount", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "day", "stream", "mailing", "domain", "what"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "provider_sends",
        sa.Column("provider", WORDS, nullable=False),
        sa.Column("start", WHOLE, nullable=False),
        sa.Column("amount", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("provider", "start"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_provider_sends_start", "provider_sends", ["start"], unique=False)


def downgrade() -> None:
    """Drop the tables; what is no complaint is none to the version before, so it goes too."""
    for name in ("provider_sends", "figures", "storms", "bounces"):
        op.drop_table(name)
    op.execute(
        "DELETE FROM reports WHERE type IN ('opt-out', 'opt-out-list', 'not-spam', "
        "'auth-failure', 'bounce', '')"
    )
    op.drop_index("ix_reports_mail", "reports")
    for column in ("mail", "type", "form"):
        op.drop_column("reports", column)


def _partial(name: str, table: str, column: str, where: str, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(
        name,
        table,
        [column],
        unique=unique,
        sqlite_where=condition,
        postgresql_where=condition,
    )
