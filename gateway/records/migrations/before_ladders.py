"""Cases and facts as they were before there were ladders: between 0003 and what was before it."""

import json
import os

import sqlalchemy as sa
from alembic import op

WHOLE = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_COLUMNS = (
    "id tracking ladder step tenant mailing policy phase counted open_items volume opened_at "
    "notified_at closed_at state"
)
_EMPTY = "requirements fees reminded domains authors approvals"


def create_tables() -> None:
    """Both tables, empty."""
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


def create_indexes() -> None:
    """Their indexes."""
    op.create_index(
        "ix_cases_folding",
        "cases",
        ["kind", "tenant", "mailing"],
        unique=True,
        sqlite_where=sa.text("notified_at IS NULL AND closed_at IS NULL"),
        postgresql_where=sa.text("notified_at IS NULL AND closed_at IS NULL"),
    )
    op.create_index("ix_facts_case_id", "facts", ["case_id"])
    op.create_index("ix_facts_recent", "facts", ["tenant", "kind", "at"])


def close_cases() -> None:
    """What was there before there were ladders is over: its facts stay, a person lifts its blocks.

    Written for any database: not all have SQL for JSON and random octets in common.
    """
    connection = op.get_bind()
    new = sa.table("cases", *(sa.column(name) for name in _COLUMNS.split()))
    old = sa.text(
        "SELECT id, kind, tenant, mailing, opened_at, notified_at, closed_at FROM old_cases"
    )
    for row in connection.execute(old).all():
        closed_at = row.opened_at if row.closed_at is None else row.closed_at
        state = {name: [] for name in _EMPTY.split()} | {
            "id": row.id,
            "tenant": row.tenant,
            "ladder": row.kind,
            "step": "",
            "mailing": row.mailing,
            "policy": "",
            "phase": "closed",
            "opened_at": row.opened_at,
            "notified_at": row.notified_at,
            "before": None,
            "closed_at": closed_at,
        }
        connection.execute(
            new.insert().values(
                {key: value for key, value in state.items() if key in _COLUMNS.split()}
                | {"tracking": os.urandom(16), "counted": 0, "open_items": 0, "volume": 100}
                | {"state": json.dumps(state, separators=(",", ":"))}
            )
        )


def go_on_numbering() -> None:
    """Have PostgreSQL number new rows behind those that were moved."""
    if op.get_bind().dialect.name == "postgresql":
        for table in ("cases", "facts"):
            op.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), "  # noqa: S608 - constants
                f"(SELECT coalesce(max(id), 0) + 1 FROM {table}), false)"
            )
