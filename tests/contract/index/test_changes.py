"""After every change that the records can make, the index says what they say.

Changes are made by the functions that services and commands use, in any order, and the whole index
is read and compared after each.
"""

import io
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from gateway.config.redis import RedisSettings
from gateway.message.address import parse_mailbox
from gateway.records import blocks, feed, index
from gateway.records.consents import Attestation, import_attestation
from gateway.records.database import Database
from gateway.records.drafts import Refused
from gateway.records.erasure import erase
from gateway.records.index_builder import build, slices
from gateway.records.index_publisher import IndexPublisher
from gateway.records.receipts import begin, clear
from gateway.records.suppression_import import ListFile, import_suppressions
from gateway.records.suppressions import Draft, add, find, lift
from gateway.records.tables import standing_index
from gateway.state.redis.index_layout import place_of
from gateway.state.redis.keys import Keys
from policies.terms import DAY
from suppression.keys import Keyring
from suppression.listfile import read_rows, read_target
from suppression.precedence import Lifter
from suppression.standing import Reason
from tests.contract.records.places import again
from tests.servers.redis import RedisServer

NOW = 1_800_000_000.0
FILE = ListFile("list.csv", "ab" * 32)
names = st.sampled_from([f"{name}@x.example" for name in "abcd"])
scopes = st.sampled_from(["*", "acme", "acme/weekly", "other"])


class Followed:
    """Records that an index follows, and everything that can be done to them."""

    def __init__(self, database: Database, keyring: Keyring, redis: RedisServer) -> None:
        self.database = database
        self.keyring = keyring
        self._redis = redis
        self._prefix = f"t{token_hex(4)}"
        self.publisher = IndexPublisher(RedisSettings(**redis.settings(prefix=self._prefix)))
        with database.transaction() as connection:
            feed.enable(connection)
        build(database, self.publisher)
        database.publisher = self.publisher

    def suppress(self, name: str, scope: str) -> None:
        draft = Draft(Reason.COMPLAINT, scope, "operator", "test")
        with suppress(Refused), self.database.transaction() as connection:
            add(connection, self.keyring, read_target(name), draft, NOW)

    def bounce(self, name: str, scope: str) -> None:
        draft = Draft(Reason.HARD_BOUNCE, scope, "operator", "test")
        with suppress(Refused), self.database.transaction() as connection:
            add(connection, self.keyring, read_target(name), draft, NOW - 89 * DAY)

    def lift(self, name: str, _scope: str) -> None:
        with self.database.transaction() as connection:
            for entry in find(connection, self.keyring, parse_mailbox(name)):
                if entry.lifted_at is None:
                    with suppress(Refused):
                        lift(connection, entry.id, Lifter.OPERATOR, "ann", "mistake", NOW)

    def attest(self, name: str, _scope: str) -> None:
        rows = read_rows(io.StringIO(f"email\n{name}\n", newline=""))
        attestation = Attestation("acme/weekly", "form", NOW, "ann")
        import_attestation(self.database, self.keyring, rows, attestation, FILE, NOW)

    def import_(self, name: str, scope: str) -> None:
        import_suppressions(
            self.database,
            self.keyring,
            read_rows(io.StringIO(f"email\n{name}\nmore@x.example\n", newline="")),
            Draft(Reason.ROBINSON, scope, "operator", "list"),
            FILE,
            NOW,
            is_scope=lambda _scope: True,
            is_edition=True,
        )

    def erase(self, name: str, _scope: str) -> None:
        with self.database.transaction() as connection:
            erase(connection, self.keyring, parse_mailbox(name), "acme", "ann", NOW)

    def pre_check(self, name: str, _scope: str) -> None:
        with self.database.transaction() as connection:
            receipt = begin(connection, "acme/weekly", 1, "ann", NOW)
            key = self.keyring.exact_key(parse_mailbox(name))
            clear(connection, receipt, [key], [key])

    def expire(self, _name: str, _scope: str) -> None:
        with self.database.transaction() as connection:
            gone = delete(standing_index).where(standing_index.c.ends.is_not(None))
            connection.execute(gone)

    def block(self, _name: str, _scope: str) -> None:
        with self.database.transaction() as connection:
            blocks.have_read(connection)

    def rederive(self, _name: str, _scope: str) -> None:
        with self.database.transaction() as connection:
            index.rebuild(connection)

    def rebuild(self, _name: str, _scope: str) -> None:
        build(self.database, self.publisher)

    def fail(self, name: str, scope: str) -> None:
        with suppress(ZeroDivisionError), self.database.transaction() as connection:
            draft = Draft(Reason.PROTECTED, scope, "operator", "test")
            with suppress(Refused):
                add(connection, self.keyring, read_target(name), draft, NOW)
            raise ZeroDivisionError

    def reopen(self, _name: str, _scope: str) -> None:
        other = again(self.database)
        other.publisher = self.publisher
        with suppress(Refused), other.transaction() as connection:
            draft = Draft(Reason.MANUAL, "*", "operator", "elsewhere")
            add(connection, self.keyring, read_target("e@x.example"), draft, NOW)
        other.publisher = None
        other.close()

    def check(self) -> None:
        """Every shard in use stands at the last change and says what is on record."""
        heads = self.publisher.ask(self.publisher.redis.heads)
        with self.database.reading() as connection:
            identity, n = feed.identity(connection), feed.head(connection)
        if any(head is None or head.identity != identity for head in heads):
            build(self.database, self.publisher)  # a new log: nothing of the old is in use
            heads = self.publisher.ask(self.publisher.redis.heads)
        assert {head.n for head in heads if head} == {n}
        on_record = {}
        for part in slices(self.database):
            for key, value, _ in part:
                head = heads[key[0] % 16]
                assert head is not None
                place = place_of(key, head.buckets)
                name = f"{head.generation}:{place.bucket:x}"
                on_record[Keys(self._prefix).index(place.shard, name), place.field] = value
        assert self._found() == on_record

    def close(self) -> None:
        self.database.publisher = None
        self.publisher.close()
        with self.database.transaction() as connection:
            feed.disable(connection)

    def _found(self) -> dict[tuple[bytes, bytes], bytes]:
        with self._redis.client() as client:
            keys = [
                key
                for key in client.keys(f"{self._prefix}:*")
                if key.rpartition(b":")[2] not in (b"head", b"blocks")
            ]
            pipe = client.pipeline(transaction=False)
            for key in keys:
                pipe.hgetall(key)
            buckets = dict(zip(keys, pipe.execute(), strict=True))
        assert all(bucket.pop(b"") == b"" for bucket in buckets.values())
        return {
            (key, field): value
            for key, bucket in buckets.items()
            for field, value in bucket.items()
        }


CHANGES = [
    Followed.suppress, Followed.bounce, Followed.lift, Followed.attest, Followed.import_,
    Followed.erase, Followed.pre_check, Followed.expire, Followed.block, Followed.rederive,
    Followed.rebuild, Followed.fail, Followed.reopen,
]  # fmt: skip


@pytest.fixture
def followed(database: Database, keyring: Keyring, shared_redis: RedisServer) -> Iterator[Followed]:
    """Records that an index follows."""
    followed = Followed(database, keyring, shared_redis)
    yield followed
    followed.close()


def test_each_change_reaches_the_index(followed: Followed) -> None:
    """Every kind of change there is, one after the other."""
    for change in CHANGES:
        change(followed, "a@x.example", "acme")
        followed.check()


@pytest.mark.parametrize("records_in", ["sqlite"])
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from(CHANGES), names, scopes), min_size=3, max_size=10))
def test_any_order_of_changes_reaches_the_index(followed: Followed, steps: list) -> None:  # type: ignore[type-arg]
    """Records go on from where the last example left them: what they were makes no difference."""
    for change, name, scope in steps:
        change(followed, name, scope)
    followed.check()


def test_a_log_counts_without_gaps(database: Database, keyring: Keyring, tmp_path: Path) -> None:
    """Also after changes that were undone, in the order of commits, and blocks among them."""
    with database.transaction() as connection:
        feed.enable(connection)
    for number in range(3):
        with suppress(ZeroDivisionError), database.transaction() as connection:
            index.put(connection, bytes([9] * 16), number, 16, number)
            raise ZeroDivisionError
        with database.transaction() as connection:
            index.put(connection, bytes([number] * 16), number, 16, number)
    with database.transaction() as connection:
        blocks.have_read(connection)
    with database.reading() as connection:
        noted = feed.since(connection, 0, b"", 100)
    keys = [*(bytes([number] * 16) for number in range(3)), feed.BLOCKS_KEY]
    assert noted == list(enumerate(keys, 1))
    with database.transaction() as connection:
        feed.disable(connection)
