"""How many mails are kept a day that nothing proves."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

WHOLE = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    """Create the table, empty."""
    op.create_table(
        "unproven_mails",
        sa.Column("day", WHOLE, nullable=False),
        sa.Column("source", sa.LargeBinary, nullable=False),
        sa.Column("amount", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("day", "source"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("unproven_mails")
