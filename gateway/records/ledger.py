"""Where the ledger's entries outlive the process: `gateway.ledger.entry.LedgerStore` over SQLite.

Reads go over a reader connection in a worker thread, writes through the database's one writer.
The next hop's words are kept with the addresses in them masked. Every method raises
StoreUnavailable when it cannot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select

from gateway.ledger.entry import Entry
from gateway.records.database import Database
from gateway.records.tables import ledger
from gateway.relay.outcome import HopReply, State, Trouble
from suppression.masking import mask


class SqliteLedgerStore:
    """The entries of all processes of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> Iterable[bytes]:
        """The keys of all entries."""
        return await asyncio.to_thread(self._load)

    async def find(self, keys: Sequence[bytes]) -> Sequence[Entry]:
        """The entries that exist, in any order."""
        return await asyncio.to_thread(self._find, keys)

    async def save(self, entries: Sequence[Entry]) -> None:
        """Write the entries, replacing those with the same key, in one commit."""

        def work(connection: Connection) -> None:
            _delete(connection, [entry.key for entry in entries])
            connection.execute(insert(ledger), [_row(entry) for entry in entries])

        if entries:
            await self._database.write(work)

    async def end(self, keys: Sequence[bytes]) -> None:
        """Delete the entries; unknown keys are no error."""
        if keys:
            await self._database.write(lambda connection: _delete(connection, keys))

    async def purge(self, before: float) -> int:
        """Delete the entries older than `before` (Unix seconds); how many they were."""
        statement = delete(ledger).where(ledger.c.at < before)
        return await self._database.write(lambda connection: connection.execute(statement).rowcount)

    def _load(self) -> list[bytes]:
        with self._database.reading() as connection:
            return list(connection.execute(select(ledger.c.key)).scalars())

    def _find(self, keys: Sequence[bytes]) -> list[Entry]:
        query = select(ledger).where(ledger.c.key.in_(keys))
        with self._database.reading() as connection:
            return [
                Entry(
                    row.key,
                    State(row.state),
                    row.ref,
                    row.at,
                    None
                    if row.code is None
                    else HopReply(
                        row.code,
                        row.enhanced,
                        row.text,
                        None if row.trouble is None else Trouble(row.trouble),
                    ),
                )
                for row in connection.execute(query)
            ]


def _delete(connection: Connection, keys: Sequence[bytes]) -> None:
    connection.execute(
        delete(ledger).where(ledger.c.key == bindparam("one")), [{"one": key} for key in keys]
    )


def _row(entry: Entry) -> dict[str, object]:
    reply = entry.reply
    return {
        "key": entry.key,
        "state": entry.state.value,
        "ref": entry.ref,
        "at": int(entry.at),
        "code": reply and reply.code,
        "enhanced": reply and reply.enhanced,
        "text": reply and mask(reply.text),
        "trouble": reply and reply.trouble and reply.trouble.value,
    }
