"""What every table shares: the metadata with its naming, and the numbered primary key."""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s", "uq": "uq_%(table_name)s"}
)


def numbered() -> Column[int]:
    """A row number as primary key."""
    return Column("id", Integer, primary_key=True)
