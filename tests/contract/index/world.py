"""A gateway's records with an index in Redis beside them, as a worker looks recipients up."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_hex

from sqlalchemy import delete

from gateway.config.records import PostgresSettings
from gateway.config.redis import RedisSettings
from gateway.message.address import parse_mailbox
from gateway.records import feed
from gateway.records.consents import Attestation, import_attestation
from gateway.records.database import Database
from gateway.records.index_builder import Built, Progress, build, slices
from gateway.records.index_check import Checked, check_shard
from gateway.records.index_publisher import IndexPublisher, values_of
from gateway.records.index_standings import IndexStandings
from gateway.records.postgres_reader import PostgresReader
from gateway.records.postgres_standings import PostgresStandings
from gateway.records.standings import RecordsStandings, SqliteStandings
from gateway.records.suppression_import import ListFile, import_suppressions
from gateway.records.suppressions import Draft, add, lift
from gateway.records.tables import changes, standing_index
from gateway.records.watch import RecordsWatch, SqliteWatch
from gateway.state.redis.calls import Calls
from gateway.state.redis.index import Head, RedisIndex
from gateway.state.redis.index_layout import pack, place_of, shard_of
from gateway.state.redis.keys import SHARDS, Keys
from gateway.words import Address
from policies.terms import StreamTerms
from suppression.keys import Keyring
from suppression.listfile import read_rows, read_target
from suppression.precedence import Lifter
from suppression.standing import Reason, Standing
from tests.servers.redis import RedisServer

NOW = 1_800_000_000.0


@dataclass
class Counted:
    """How many addresses index and records have answered for."""

    by_index: int = 0
    by_records: int = 0

    def __call__(self, by_index: int, by_records: int) -> None:
        self.by_index += by_index
        self.by_records += by_records


@dataclass
class World:
    """Records, the index that follows them, and one worker's look-up over both."""

    database: Database
    keyring: Keyring
    stream: StreamTerms
    publisher: IndexPublisher
    calls: Calls
    index: RedisIndex
    records: RecordsStandings
    watch: SqliteWatch | RecordsWatch
    standings: IndexStandings
    counted: Counted
    redis: RedisServer
    prefix: str
    reader: PostgresReader | None = None

    @classmethod
    async def of(
        cls, database: Database, keyring: Keyring, stream: StreamTerms, redis: RedisServer
    ) -> World:
        """An index under a prefix of its own, built and followed."""
        prefix = f"t{token_hex(4)}"
        # A call may take longer than an operator may set, however slow the machine.
        asked = RedisSettings(**redis.settings(prefix=prefix))
        settings = asked.model_copy(update={"timeout": 5.0})
        with database.transaction() as connection:
            feed.enable(connection)
        publisher = IndexPublisher(settings)
        build(database, publisher)
        database.publisher = publisher
        calls = Calls(settings)
        await calls.start()
        index = RedisIndex(calls, Keys(settings.prefix))
        counted = Counted()
        watch: SqliteWatch | RecordsWatch
        records: RecordsStandings
        reader = None
        if isinstance(database.store.place, PostgresSettings):
            reader = PostgresReader(database.store.place, database.store.identity)
            records = PostgresStandings(reader, keyring, lambda: NOW)
            watch = RecordsWatch(reader, calls.epochs)
        else:
            records = SqliteStandings(database.path, keyring, lambda: NOW)
            watch = SqliteWatch(database.path)
        standings = IndexStandings(index, watch, records, keyring, lambda: NOW, answered=counted)
        world = cls(
            *(database, keyring, stream, publisher, calls, index, records, watch, standings),
            *(counted, redis, prefix, reader),
        )
        await world.look()
        await world.ask("warm@x.example")  # learns where the shards' buckets are
        await world.ask(*(f"warm{n}@d{n}.example" for n in range(100)))
        counted.by_index = counted.by_records = 0
        return world

    async def close(self) -> None:
        """End it all and leave no triggers behind."""
        self.database.publisher = None
        self.standings.close()
        await self.calls.close()
        if self.reader is not None:
            await self.reader.close()
        self.publisher.close()
        with self.database.transaction() as connection:
            feed.disable(connection)

    async def look(self) -> None:
        """Have the worker know how far the records are, as it does every 250 ms."""
        if isinstance(self.watch, RecordsWatch):
            await self.watch.look()

    async def look_up(self, stream: StreamTerms, group: Sequence[Address]) -> Sequence[Standing]:
        """The worker's look-up."""
        await self.look()
        return await self.standings.look_up(stream, group)

    async def ask(self, *texts: str) -> list[Standing]:
        """What the worker finds about each address."""
        return list(await self.look_up(self.stream, [parse_mailbox(text) for text in texts]))

    async def is_stopped(self, text: str) -> bool:
        """Whether anything stops mail to that address."""
        (standing,) = await self.ask(text)
        return bool(standing.matches)

    def put(self, target: str, reason: Reason = Reason.UNSUBSCRIBE, scope: str = "acme") -> int:
        """Suppress an address or a domain; the entry's number."""
        draft = Draft(reason, scope, "operator", "test")
        with self.database.transaction() as connection:
            return add(connection, self.keyring, read_target(target), draft, NOW)[0]

    def lift(self, entry: int) -> None:
        """Lift an entry."""
        with self.database.transaction() as connection:
            lift(connection, entry, Lifter.OPERATOR, "ann", "mistake", NOW)

    def attest(self, *texts: str) -> None:
        """Have the tenant say that they agreed to its list."""
        rows = read_rows(io.StringIO("email\n" + "\n".join(texts), newline=""))
        attestation = Attestation("acme/weekly", "form", NOW, "ann")
        import_attestation(
            self.database, self.keyring, rows, attestation, ListFile("list.csv", "ab" * 32), NOW
        )

    def import_digests(self, *texts: str) -> None:
        """Suppress addresses by their digests."""
        lines = [sha256(text.encode()).hexdigest() for text in texts]
        import_suppressions(
            self.database,
            self.keyring,
            read_rows(io.StringIO("email_sha256\n" + "\n".join(lines), newline="")),
            Draft(Reason.UNSUBSCRIBE, "acme", "operator", "test"),
            ListFile("list.csv", "ab" * 32),
            NOW,
            is_scope=("*", "acme", "acme/weekly").__contains__,
        )

    def forge(self, text: str, rows: list[tuple[int, int]]) -> None:
        """Put something into the index that is not on record."""
        key = self.key(text)
        head = self.heads()[shard_of(key)]
        assert head is not None
        self.publisher.ask(self.publisher.redis.fill, head, [(key, pack(rows))])

    def build(self, progress: Progress = lambda _done, _of: None) -> Built:
        """Build the index anew."""
        return build(self.database, self.publisher, progress)

    def key(self, text: str) -> bytes:
        """The key of an address."""
        return self.keyring.exact_key(parse_mailbox(text))

    def keys_of(self) -> Keys:
        """The names of what is in Redis."""
        return Keys(self.prefix)

    def heads(self) -> list[Head | None]:
        """What the shards say of themselves."""
        return self.publisher.ask(self.publisher.redis.heads)

    def check(self) -> list[Checked]:
        """Prove every shard."""
        return [self.check_one(shard) for shard in range(SHARDS)]

    def check_one(self, shard: int) -> Checked:
        """Prove one shard, or mend it."""
        return check_shard(self.database, self.publisher, shard)

    # ---- what is done to Redis behind everybody's back ----------------------------------------

    def saved(self) -> dict[bytes, bytes]:
        """Everything under the world's prefix."""
        with self.redis.client() as client:
            keys = client.keys(f"{self.prefix}:*")
            pipe = client.pipeline(transaction=False)
            for key in keys:
                pipe.dump(key)
            return dict(zip(keys, pipe.execute(), strict=True))

    def restore(self, saved: dict[bytes, bytes]) -> None:
        """Put everything back as it was."""
        with self.redis.client() as client:
            pipe = client.pipeline(transaction=False)
            for key in client.keys(f"{self.prefix}:*"):
                pipe.delete(key)
            for key, data in saved.items():
                pipe.restore(key, 0, data)
            pipe.execute()

    def delete(self, key: bytes) -> None:
        """Lose one key."""
        self.redis.ask("DEL", key)

    def bucket_of(self, text: str) -> bytes:
        """The key of the bucket that an address is in."""
        return self._place(text)[0]

    def drop_field(self, text: str) -> None:
        """Lose one entry."""
        self.redis.ask("HDEL", *self._place(text))

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have Redis refuse every write."""
        self.redis.ask("CONFIG", "SET", "min-replicas-to-write", "1")
        try:
            yield
        finally:
            self.redis.ask("CONFIG", "SET", "min-replicas-to-write", "0")

    async def reconnect(self) -> None:
        """Have the worker meet another life of the server, as after a failover."""
        before = self.calls.epochs()
        self.redis.ask("DEBUG", "CHANGE-REPL-ID")
        with self.redis.client() as client:
            client.client_kill_filter(_type="normal", skipme=True)
        while self.calls.epochs() in (before, ()):  # noqa: ASYNC110 - tells nobody of it
            await asyncio.sleep(0.01)

    def _place(self, text: str) -> tuple[bytes, bytes]:
        key = self.key(text)
        head = self.heads()[shard_of(key)]
        assert head is not None
        place = place_of(key, head.buckets)
        name = f"{head.generation}:{place.bucket:x}"
        return Keys(self.prefix).index(place.shard, name), place.field

    def value(self, text: str) -> bytes:
        """What the records say of an address, as the index has it."""
        key = self.key(text)
        with self.database.reading() as connection:
            return values_of(connection, [key])[key]

    def keys(self) -> int:
        """How many keys are on record."""
        return sum(len(part) for part in slices(self.database))

    def forget(self, text: str, n: int) -> None:
        """Take the records back to change `n`, before that address was suppressed."""
        with self.database.transaction() as connection:
            key = self.key(text)
            connection.execute(delete(standing_index).where(standing_index.c.key == key))
            connection.execute(delete(changes).where(changes.c.n > n))
