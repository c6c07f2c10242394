"""How many mails are kept a day that no listed source has signed.

Anybody may write to `fbl@` and `abuse@`: what has no token of ours either is counted for everybody
together and for each source. Whoever had one mail of ours has its tokens: what has one is counted
for that alone, so that no stranger takes its room. `count` counts one in the transaction that keeps
it; without room it raises NoRoom, so that nothing of that is kept. Counted by day (UTC). Networks
and tokens are stored as a keyed hash that changes daily.
"""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select

from gateway.config.feedback import UnprovenSettings
from gateway.records.figures import day_of
from gateway.records.prepared import Prepared
from gateway.records.returned import Returned
from gateway.records.store import run
from gateway.records.tables import unproven_mails
from policies.sanctions.words import Grade
from suppression.keys import KEY_OCTETS, Keyring, Mac

EVERYBODY = b""
_row = unproven_mails.c
_PURPOSE = "unproven mail"
_KEPT = Prepared(
    select(_row.source, _row.amount).where(
        _row.day == bindparam("day"),
        _row.source.in_((bindparam("source"), bindparam("everybody"))),
    )
)


class NoRoom(Exception):
    """As many are kept today as the setting `limit` says."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


def count(
    connection: Connection,
    keyring: Keyring,
    returned: Returned,
    network: str,
    most: UnprovenSettings,
    now: float,
) -> None:
    """One more is kept, from this network (`gateway.networks`). Raises NoRoom."""
    if returned.source:
        return
    day, token = day_of(now), _token(returned)
    text = f"{_PURPOSE} {day} {token or network}".encode()
    source = Mac(keyring.current.token)(text)[:KEY_OCTETS]
    kept = dict(_KEPT.all(connection, {"day": day, "source": source, "everybody": EVERYBODY}))
    if token and kept.get(source, 0) >= most.per_token:
        raise NoRoom("per_token")
    if not token and kept.get(source, 0) >= most.per_source:
        raise NoRoom("per_source")
    if not token and kept.get(EVERYBODY, 0) >= most.per_day:
        raise NoRoom("per_day")
    run(
        connection,
        "INSERT INTO unproven_mails (day, source, amount) VALUES (?, ?, 1)"
        " ON CONFLICT (day, source) DO UPDATE SET amount = unproven_mails.amount + 1",
        [(day, source)] if token else [(day, EVERYBODY), (day, source)],
    )


def _token(returned: Returned) -> str:
    """What tells the token of ours in it from others: whom it names, or the mailing; "" if none."""
    match = returned.match
    if match is None or returned.grade not in (Grade.A, Grade.B):
        return ""
    return f"{match.tenant}/{match.stream} {match.key.hex() if match.is_named else match.mailing}"
