"""How many unproven mails are kept a day: of everybody together, and from each source.

Anybody may write to `fbl@` and `abuse@`, and what neither a token of ours nor a listed source's
signature proves is kept for a person. `count` counts one in the transaction that keeps it; without
room it raises NoRoom, so that nothing of that is kept. Counted by day (UTC). A source's network is
stored as a keyed hash that changes daily.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from gateway.config.feedback import UnprovenSettings
from gateway.records.figures import day_of
from gateway.records.returned import Returned
from gateway.records.store import run
from gateway.records.tables import unproven_mails
from policies.sanctions.words import Grade
from suppression.keys import KEY_OCTETS, Keyring, Mac

EVERYBODY = b""
_row = unproven_mails.c
_PURPOSE = "unproven mail"


class NoRoom(Exception):
    """As many are kept today as the setting `limit` says."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


def is_proven(returned: Returned) -> bool:
    """Whether a token of ours or the signature of a listed source speaks for it."""
    return returned.grade in (Grade.A, Grade.B) or bool(returned.source)


def count(
    connection: Connection, keyring: Keyring, network: str, most: UnprovenSettings, now: float
) -> None:
    """One more is kept, from this network (`gateway.networks`). Raises NoRoom."""
    day = day_of(now)
    text = f"{_PURPOSE} {day} {network}".encode()
    source = Mac(keyring.current.token)(text)[:KEY_OCTETS]
    query = select(_row.source, _row.amount)
    query = query.where(_row.day == day, _row.source.in_((EVERYBODY, source)))
    kept = {row.source: row.amount for row in connection.execute(query)}
    if kept.get(source, 0) >= most.per_source:
        raise NoRoom("per_source")
    if kept.get(EVERYBODY, 0) >= most.per_day:
        raise NoRoom("per_day")
    run(
        connection,
        "INSERT INTO unproven_mails (day, source, amount) VALUES (?, ?, 1)"
        " ON CONFLICT (day, source) DO UPDATE SET amount = unproven_mails.amount + 1",
        [(day, EVERYBODY), (day, source)],
    )
