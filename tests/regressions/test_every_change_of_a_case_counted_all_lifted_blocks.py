"""Every change of a case had the data path count all blocks that were ever lifted."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gateway.records.blocks import BlockList
from gateway.records.database import open_database


async def test_a_look_up_reads_the_blocks_in_force_only(tmp_path: Path) -> None:
    """What was lifted is counted for one tenant when a fact comes, by its index."""
    database = open_database(tmp_path / "consentry.db")
    database.close()
    asked: list[str] = []
    blocks = BlockList(database.path)
    try:
        await blocks.lifts("acme")
        assert blocks._connection is not None
        blocks._connection.set_trace_callback(asked.append)
        await blocks.find("acme", "acme.example")
        assert not [sql for sql in asked if "IS NOT NULL" in sql]
        asked.clear()
        await blocks.lifts("acme")
        (counted,) = asked
    finally:
        blocks.close()
    with sqlite3.connect(database.path) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {counted}").fetchall()
    assert "ix_blocks_lifted" in str(plan)
