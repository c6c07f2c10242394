"""Keeps the database's write-ahead log small; look-ups slow down as it grows.

SQLite copies the log back by itself but never shortens the file. `shrink_log` does, when it has
grown past a size. Blocks for as long as the disk takes, so call it off the event loop. Raises
StoreUnavailable.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from gateway.errors import StoreUnavailable


def shrink_log(database: Path, past_octets: int) -> int:
    """Empty the log when it holds more than `past_octets`; the octets given back, 0 if none.

    Gives way to readers and writers: when one is in the middle of something, nothing is shortened.
    """
    log = database.with_name(f"{database.name}-wal")
    try:
        before = log.stat().st_size
        if before <= past_octets:
            return 0
        with closing(sqlite3.connect(database, timeout=1.0)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return before - log.stat().st_size
    except FileNotFoundError:
        return 0
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(f"records: {error}") from error
