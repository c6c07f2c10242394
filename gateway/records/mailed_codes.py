"""Codes mailed to a tenant's contact: who can type one in reads the tenant's mail.

`issue` makes a code of eight digits for a tenant and a case (None: the tenant's own page), good for
15 minutes; the records hold a keyed hash of it. `enter` says whether a code is right, once; a wrong
one counts against every open code of that page, and five end them. At most PER_HOUR an hour are
issued for a tenant. Of a hundred million codes 25 are guessed in an hour at most. Functions take a
connection of a transaction, write their audit record, and commit nothing. `issue` raises TooMany.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from gateway.errors import ConsentryError
from gateway.records import audit
from gateway.records.tables import mailed_codes
from suppression.keys import Keyring

DIGITS = 8
SECONDS = 15 * 60
TRIES = 5
PER_HOUR = 5
HOUR = 3600
_row = mailed_codes.c


class TooMany(ConsentryError):
    """As many codes as one hour has room for were mailed; room again in `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"{PER_HOUR} codes an hour are mailed")
        self.seconds = seconds


class Outcome(StrEnum):
    """What became of a code that was typed in."""

    RIGHT = "right"
    WRONG = "wrong"
    OVER = "over"
    """There is no open code: none was asked for, or it ended, was used, or was guessed at."""


def issue(
    connection: Connection, keyring: Keyring, tenant: str, case: int | None, now: float
) -> str:
    """A new code; those before it stay good for their time. Raises TooMany."""
    recent = select(_row.made_at).where(_row.tenant == tenant, _row.made_at > now - HOUR)
    made = list(connection.execute(recent.order_by(_row.made_at)).scalars())
    if len(made) >= PER_HOUR:
        raise TooMany(max(1, int(made[-PER_HOUR] + HOUR - now) + 1))
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
    row = {
        "tenant": tenant,
        "case_id": case,
        "digest": _digests(keyring, tenant, case, code)[0],
        "made_at": int(now),
        "ends_at": int(now) + SECONDS,
        "tries": 0,
    }
    connection.execute(insert(mailed_codes), row)
    _note(connection, "code.issued", tenant, case, now)
    return code


def enter(
    connection: Connection, keyring: Keyring, tenant: str, case: int | None, code: str, now: float
) -> Outcome:
    """Use a code up, or count a wrong try. Blanks and hyphens in `code` do not matter."""
    is_open = _is_open(tenant, case, now)
    if not connection.scalar(select(func.count()).select_from(mailed_codes).where(is_open)):
        return Outcome.OVER
    digits = "".join(c for c in code if c in "0123456789")
    # Compared by the database: what could be timed is a keyed hash, which tells nothing.
    right = is_open & _row.digest.in_(_digests(keyring, tenant, case, digits))
    used = update(mailed_codes).where(right).values(used_at=int(now))
    if connection.execute(used).rowcount:
        _note(connection, "code.used", tenant, case, now)
        return Outcome.RIGHT
    connection.execute(update(mailed_codes).where(is_open).values(tries=_row.tries + 1))
    _note(connection, "code.wrong", tenant, case, now)
    return Outcome.WRONG


def forget(
    connection: Connection, keyring: Keyring, tenant: str, case: int | None, code: str
) -> None:
    """Take back a code that nobody was sent."""
    digests = _digests(keyring, tenant, case, code)
    mine = (_row.tenant == tenant) & _row.digest.in_(digests) & _row.used_at.is_(None)
    connection.execute(delete(mailed_codes).where(mine))


def _is_open(tenant: str, case: int | None, now: float) -> ColumnElement[bool]:
    page = _row.case_id.is_(None) if case is None else _row.case_id == case
    in_time = (_row.ends_at > now) & _row.used_at.is_(None) & (_row.tries < TRIES)
    return (_row.tenant == tenant) & page & in_time


def _digests(keyring: Keyring, tenant: str, case: int | None, code: str) -> Sequence[bytes]:
    return keyring.labelled_keys(f"mailed code\0{tenant}\0{case or ''}\0{code}".encode())


def _note(connection: Connection, action: str, tenant: str, case: int | None, now: float) -> None:
    detail = {} if case is None else {"case": f"C-{case:06d}"}
    actor = f"{tenant}:status"
    audit.append(connection, at=now, actor=actor, action=action, scope=tenant, detail=detail)
