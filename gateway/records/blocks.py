"""Blocks of sender domains: adding, lifting, listing, and the look-up of the data path.

A block belongs to one tenant, or to all under `*`, and names its case. It is lifted, never
deleted. `BlockList` keeps the blocks `InForce` in memory and asks SQLite at every look-up whether
any process has committed anything since: some 3 microseconds, and the answer is never stale.
`gateway.records.shared_blocks` does so for records that several nodes share.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, insert, select, update

from gateway.errors import StoreUnavailable
from gateway.records import audit
from gateway.records.sqlite import connect_reader
from gateway.records.tables import blocks, meta
from gateway.state.mailings import LONGEST
from policies.ports import Block
from policies.terms import DAY
from suppression.masking import mask

ALL_TENANTS = "*"
MOST_DIGITS = 18
"""Of a case's number: the database's integers have 63 bits."""
ALL_DOMAINS = "*"
"""In the place of a domain: the tenant's service is ended, whatever it sends as."""
VERSION = "blocks:version"
"""The row of `meta` that says when blocks in force are to be read again."""
VERSION_IS = f"SELECT value FROM meta WHERE name = '{VERSION}'"  # noqa: S608 - a constant
LIFTS = "SELECT count(*) FROM blocks WHERE tenant = ? AND lifted_at IS NOT NULL"
BLOCKS = (
    "SELECT b.tenant, b.domain, b.case_id, b.reason, c.open_items, c.tracking "
    "FROM blocks b LEFT JOIN cases c ON c.id = b.case_id WHERE b.lifted_at IS NULL"
)
SHARES = (
    "SELECT tenant, min(volume) FROM cases WHERE phase = 'probation' AND closed_at IS NULL "
    "GROUP BY tenant"
)
ENDED = "SELECT mailing FROM cases WHERE notified_at > ?"
_Row = tuple[str, str, int, str, int | None, bytes | None]
"""A block in force: tenant, domain, its case's number, reason, open items and tracking number."""


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """One block on record; instants are Unix seconds."""

    id: int
    case: str
    tenant: str
    domain: str
    reason: str
    actor: str
    since: int
    lifted_at: int | None
    lifted_by: str | None
    lifted_reason: str | None


@dataclass(frozen=True, slots=True)
class InForce:
    """Blocks by tenant and domain, tenants' shares while on probation, mailings that were ended."""

    blocks: dict[tuple[str, str], _Row] = field(default_factory=dict)
    shares: dict[str, int] = field(default_factory=dict)
    ended: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        blocks: Iterable[_Row],
        shares: Iterable[tuple[str, int]],
        ended: Iterable[tuple[str]],
    ) -> InForce:
        """From the rows of `BLOCKS`, `SHARES` and `ENDED`."""
        by_name = {(row[0], row[1]): row for row in blocks}
        return cls(by_name, dict(shares), frozenset(name for (name,) in ended))

    def find(self, tenant: str, domain: str) -> Block | None:
        """The block on `domain` (A-label) for this tenant, if any."""
        blocks = self.blocks
        if not blocks:
            return None
        row = (
            blocks.get((tenant, ALL_DOMAINS))
            or blocks.get((tenant, domain))
            or blocks.get((ALL_TENANTS, domain))
        )
        if row is None:
            return None
        owner, name, number, reason, items, tracking = row
        # What goes for everybody is nobody's own case to look into.
        page = b"" if owner == ALL_TENANTS else tracking or b""
        return Block(case_id(number), name, reason, items or 0, page)


def since_ended() -> int:
    """From when on (Unix seconds) a notice still ends a mailing that could go on."""
    # A mailing is 7 days long at most; what is older has ended by itself.
    return int(time.time()) - LONGEST - DAY


class BlockList:
    """`policies.ports.Blocks` over the database at `path`. Used from one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._seen: tuple[int] | None = None
        self._version: tuple[str] | None = None
        self._in_force = InForce()

    async def find(self, tenant: str, domain: str) -> Block | None:
        """The block on `domain` (A-label) for this tenant, if any. Raises StoreUnavailable."""
        self._follow()
        return self._in_force.find(tenant, domain)

    async def lifts(self, tenant: str) -> int:
        """How many blocks of this tenant's have been lifted. Raises StoreUnavailable."""
        # Asked at facts only; to count them all would cost every change of any case.
        try:
            self._connection = self._connection or connect_reader(self._path)
            return int(self._connection.execute(LIFTS, (tenant,)).fetchone()[0])
        except sqlite3.Error as error:
            self.close()
            raise StoreUnavailable(f"records: {error}") from error

    def is_stale(self) -> bool:
        """Never: each look-up asks the file itself."""
        return False

    def share(self, tenant: str) -> int:
        """Percent of its usual volume that a tenant may send, as of the last look-up."""
        return self._in_force.shares.get(tenant, 100)

    def is_ended(self, mailing: str) -> bool:
        """Whether a case's first notice has ended this mailing, as of the last look-up."""
        return mailing in self._in_force.ended

    def _follow(self) -> None:
        try:
            if self._connection is None:
                self._connection = connect_reader(self._path)
            # Changes when any other connection, of this process or another, has committed.
            seen = self._connection.execute("PRAGMA data_version").fetchone()
            if seen != self._seen:
                self._refresh(self._connection)
                self._seen = seen
        except sqlite3.Error as error:
            self.close()
            raise StoreUnavailable(f"records: {error}") from error

    def close(self) -> None:
        """Let the file go; a later look-up opens it again."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._seen = self._version = None

    def _refresh(self, connection: sqlite3.Connection) -> None:
        run = connection.execute
        version = run(VERSION_IS).fetchone()
        if version == self._version and self._seen is not None:
            return
        self._in_force = InForce.of(run(BLOCKS), run(SHARES), run(ENDED, (since_ended(),)))
        self._version = version


def case_id(number: int) -> str:
    """A case's number as people know it: `C-000123`."""
    return f"C-{number:06d}"


def case_number(text: str) -> int:
    """The number behind a case's id; ValueError when it is none."""
    letter, _, digits = text.strip().upper().partition("-")
    if letter != "C" or not digits.isdecimal() or len(digits) > MOST_DIGITS:
        raise ValueError(f"{text!a} is not a case: it should look like C-000123")
    return int(digits)


def add_block(connection: Connection, tenant: str, block: Block, actor: str, now: float) -> Block:
    """Block `block.domain` (A-label) for `tenant`; the block in force, an earlier one if any."""
    standing = connection.execute(
        select(blocks).where(
            blocks.c.tenant == tenant,
            blocks.c.domain == block.domain,
            blocks.c.lifted_at.is_(None),
        )
    ).first()
    if standing is not None:
        return Block(case_id(standing.case_id), standing.domain, standing.reason)
    connection.execute(
        insert(blocks),
        {
            "case_id": case_number(block.case),
            "tenant": tenant,
            "domain": block.domain,
            "reason": mask(block.reason),
            "actor": actor,
            "since": int(now),
        },
    )
    _changed(connection, "block.added", tenant, block.domain, block.reason, actor, now)
    return block


def lift_block(
    connection: Connection, tenant: str, domain: str, actor: str, why: str, now: float
) -> bool:
    """Lift the block on `domain` for `tenant`; False when there is none."""
    lifted = connection.execute(
        update(blocks)
        .where(blocks.c.tenant == tenant, blocks.c.domain == domain, blocks.c.lifted_at.is_(None))
        .values(lifted_at=int(now), lifted_by=actor, lifted_reason=mask(why))
    )
    if not lifted.rowcount:
        return False
    _changed(connection, "block.lifted", tenant, domain, why, actor, now)
    return True


def list_blocks(
    connection: Connection,
    tenant: str = "",
    *,
    with_lifted: bool = False,
    before: int | None = None,
    limit: int | None = None,
) -> list[StoredBlock]:
    """Blocks in force, newest first, of one tenant or of all; with those lifted if asked.

    At most `limit` of those with a lower number than `before`.
    """
    query = select(blocks).order_by(blocks.c.id.desc()).limit(limit)
    if tenant:
        query = query.where(blocks.c.tenant.in_([tenant, ALL_TENANTS]))
    if not with_lifted:
        query = query.where(blocks.c.lifted_at.is_(None))
    if before is not None:
        query = query.where(blocks.c.id < before)
    return [
        StoredBlock(
            row.id,
            case_id(row.case_id),
            row.tenant,
            row.domain,
            row.reason,
            row.actor,
            row.since,
            row.lifted_at,
            row.lifted_by,
            row.lifted_reason,
        )
        for row in connection.execute(query)
    ]


def _changed(
    connection: Connection,
    action: str,
    tenant: str,
    domain: str,
    why: str,
    actor: str,
    now: float,
) -> None:
    """Record the change, and let every `BlockList` see that there is one."""
    detail = {"domain": domain, "why": why}
    audit.append(connection, at=now, actor=actor, action=action, scope=tenant, detail=detail)
    have_read(connection)


def have_read(connection: Connection) -> None:
    """Have every `BlockList` read again; after an audit record of this transaction's."""
    bumped = connection.execute(
        update(meta).where(meta.c.name == VERSION).values(value=str(audit.head(connection)[0]))
    )
    if not bumped.rowcount:
        connection.execute(insert(meta), {"name": VERSION, "value": "1"})
