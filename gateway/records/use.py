"""How much a tenant has used of its limits, as of the last checkpoint (a second ago at most).

Reads the windows that the process which takes mail saves; see `gateway.state.window` for when an
amount leaves its window.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from gateway.records.tables import windows
from gateway.state.window import Window


def used(connection: Connection, key: str, seconds: int, now: float) -> int:
    """What was counted under `key` (`bytes:acme`, `rate:messages:acme`) in the last `seconds`."""
    shape = Window(seconds)
    gone = (int(now // shape.width) - shape.length) * shape.width
    row = windows.c
    query = select(func.sum(row.amount)).where(
        row.key == key, row.seconds == seconds, row.start > gone
    )
    return int(connection.scalar(query) or 0)
