"""What every table shares: the metadata with its naming, and the numbered primary key."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, Text

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s", "uq": "uq_%(table_name)s"}
)


WHOLE = Integer().with_variant(BigInteger(), "postgresql")
"""A whole number of 63 bits and a sign, as SQLite's are."""
WORDS = Text().with_variant(Text(collation="C"), "postgresql")
"""Text in the order of its octets, as SQLite sorts it."""


def numbered() -> Column[int]:
    """A row number as primary key."""
    return Column("id", WHOLE, primary_key=True)
