"""Sessions of staff at the desk: begun, found, completed by a second factor, ended.

A session is 32 random octets, given to the browser as URL-safe base64; only their SHA-256 is
stored, so whoever reads the records cannot be anybody. Its text changes when the second factor is
shown, so that one known before is worth nothing after. It ends after 30 minutes without a request
and 12 hours after sign-in. Nothing here raises for a session that is none: there is none.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection, delete, insert, select, update

from gateway.records.tables import staff, staff_sessions

IDLE = 30 * 60
LONGEST = 12 * 3600
SEEN_EVERY = 60
"""Seconds between records of a session being used: each costs a commit."""
_TEXT = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Session:
    """One that has not ended. `staff` is the member's name; instants are Unix seconds."""

    digest: bytes
    staff: str
    made_at: int
    seen_at: int
    ends_at: int
    is_complete: bool

    def is_stale(self, now: float) -> bool:
        """Whether `see` is due."""
        return now - self.seen_at >= SEEN_EVERY


def begin(connection: Connection, number: int, *, is_complete: bool, now: float) -> str:
    """A new session's text for the member of staff with that number; clears away ended ones."""
    connection.execute(
        delete(staff_sessions).where(
            (staff_sessions.c.ends_at <= now) | (staff_sessions.c.seen_at <= now - IDLE)
        )
    )
    return _begin(connection, number, is_complete, now, now + LONGEST)


def find(connection: Connection, text: str, now: float) -> Session | None:
    """The session with this text, unless it has ended or its member is disabled."""
    if not _TEXT.fullmatch(text):
        return None
    query = (
        select(staff_sessions, staff.c.name)
        .join(staff, staff.c.id == staff_sessions.c.staff)
        .where(
            staff_sessions.c.digest == digest_of(text),
            staff_sessions.c.ends_at > now,
            staff_sessions.c.seen_at > now - IDLE,
            staff.c.disabled_at.is_(None),
        )
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    return Session(
        row.digest, row.name, row.made_at, row.seen_at, row.ends_at, bool(row.is_complete)
    )


def living(connection: Connection, digests: Collection[bytes], now: float) -> set[bytes]:
    """Those of these sessions that have not ended (disabling a member ends theirs)."""
    query = select(staff_sessions.c.digest).where(
        staff_sessions.c.digest.in_(digests),
        staff_sessions.c.ends_at > now,
        staff_sessions.c.seen_at > now - IDLE,
    )
    return set(connection.execute(query).scalars())


def see(connection: Connection, digest: bytes, now: float) -> None:
    """Note that it was used."""
    connection.execute(
        update(staff_sessions).where(staff_sessions.c.digest == digest).values(seen_at=int(now))
    )


def complete(connection: Connection, digest: bytes, now: float) -> str | None:
    """The text of the complete session that takes this one's place; None when it has ended."""
    query = select(staff_sessions).where(staff_sessions.c.digest == digest)
    row = connection.execute(query).first()
    if row is None:
        return None
    end(connection, digest)
    return _begin(connection, row.staff, True, now, row.ends_at)


def end(connection: Connection, digest: bytes) -> None:
    """End one."""
    connection.execute(delete(staff_sessions).where(staff_sessions.c.digest == digest))


def end_all(connection: Connection, number: int) -> None:
    """End every session of the member of staff with that number."""
    connection.execute(delete(staff_sessions).where(staff_sessions.c.staff == number))


def digest_of(text: str) -> bytes:
    """What is stored of a session's text."""
    return sha256(text.encode()).digest()


def _begin(
    connection: Connection, number: int, is_complete: bool, now: float, ends_at: float
) -> str:
    text = secrets.token_urlsafe(32)
    row = {
        "digest": digest_of(text),
        "staff": number,
        "made_at": int(now),
        "seen_at": int(now),
        "ends_at": int(ends_at),
        "is_complete": int(is_complete),
    }
    connection.execute(insert(staff_sessions), row)
    return text
