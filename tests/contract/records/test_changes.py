"""The mark beside the database: who reads it knows of every commit of any process at once."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gateway.records.blocks import BlockList, add_block
from gateway.records.changes import ChangeMark
from gateway.records.database import open_database
from policies.ports import Block

NOW = 1_000_000.0
BLOCK = Block("C-000001", "acme.test", "a test")


async def test_each_commit_changes_the_mark(tmp_path: Path) -> None:
    """By a command's transaction and by the writer thread; an undone one may leave it alone."""
    path = tmp_path / "records.db"
    database, mark = open_database(path), ChangeMark(path)
    seen = [mark.read()]
    with database.transaction() as connection:
        add_block(connection, "acme", BLOCK, "me", NOW)
    seen.append(mark.read())
    await database.write(lambda connection: None)
    seen.append(mark.read())
    database.close()
    mark.close()
    assert len(set(seen)) == 3


async def test_what_a_foreign_tool_commits_is_seen_within_a_second(tmp_path: Path) -> None:
    """It knows of no mark; so now and then the database itself is asked."""
    path, now = tmp_path / "records.db", [0.0]
    database = open_database(path)
    with database.transaction() as connection:
        add_block(connection, "acme", BLOCK, "me", NOW)
    blocks = BlockList(path, lambda: now[0])
    assert await blocks.find("acme", "acme.test") == BLOCK
    with sqlite3.connect(path) as foreign:
        foreign.execute("UPDATE blocks SET domain='other.test'")
        foreign.execute("UPDATE meta SET value='changed' WHERE name='blocks:version'")
    foreign.close()
    now[0] += 1.0
    assert await blocks.find("acme", "acme.test") is None
    assert await blocks.find("acme", "other.test") is not None
    blocks.close()
    database.close()
