"""The log of changes that an index in Redis follows."""

import sqlalchemy as sa
from alembic import op

from gateway.records import feed

revision = "0004"
down_revision = "0003"
WHOLE = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    """Create the log, empty: it is filled only where there is such an index."""
    op.create_table(
        "changes",
        sa.Column("n", WHOLE, primary_key=True, autoincrement=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sqlite_strict=True,
    )


def downgrade() -> None:
    """Drop the log, and the triggers that would write into it."""
    feed.disable(op.get_bind())
    op.drop_table("changes")
