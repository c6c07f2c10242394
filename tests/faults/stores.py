"""A gateway on a Redis and a PostgreSQL that can be hurt, each over a wire that can be cut.

`Stores` is a context manager: one node with everything configured, a next hop that can hold its
answers, and recipients whom nobody may mail. `tests/faults/store_faults.py` has what hurts it.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from gateway.message.address import parse_mailbox
from suppression.keys import Keyring
from suppression.tokens import Purpose, Tokens
from tests.campaigns.fleet import Node
from tests.e2e.certificates import Certificates
from tests.e2e.gateway import Settings, acme
from tests.e2e.ports import LOOPBACK
from tests.faults.hop import Hop
from tests.faults.houses import STREAMS
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer, RedisSet
from tests.servers.wire import Wire

USER, SECRET = "gateway", "open-sesame"
ALLOWED = ("on", f">{SECRET}", "~consentry:*", "&*", "+@all")
PROTECTED, COMPLAINED = "protected@inbox.test", "complained@inbox.test"


class Stores:
    """One gateway and its servers."""

    def __init__(
        self,
        folder: Path,
        certificates: Certificates,
        *,
        workers: int = 1,
        sentinels: bool = False,
        postgres: PostgresServer | None = None,
        disk: Path | None = None,
    ) -> None:
        """`postgres` lends its server for faults that others bear, else there is one of its own;
        `disk` is where the tables shall lie."""
        self._folder = folder
        self._certificates = certificates
        self.workers = workers
        self._running = ExitStack()
        self.disk = disk
        self.hop = Hop()
        self.redis = RedisServer(acl=[f"user {USER} {' '.join(ALLOWED)}"])
        self.redis_set = RedisSet() if sentinels else None
        self.postgres = postgres or PostgresServer()
        self._is_own = postgres is None
        self.redis_wire = Wire(self.redis.port)
        self.postgres_wire = Wire(self.postgres.port)
        self.database = ""
        self.node: Node

    def __enter__(self) -> Stores:
        with ExitStack() as starting:
            starting.enter_context(self.hop)
            if self._is_own:
                starting.enter_context(self.postgres)
            sections: dict[str, Any] = {"workers": self.workers, "node": "node1"}
            if self.redis_set:
                starting.enter_context(self.redis_set)
                sections["redis"] = self.redis_set.settings()
            else:
                starting.enter_context(self.redis)
                sections["redis"] = self.redis.settings(
                    servers=[f"{LOOPBACK}:{starting.enter_context(self.redis_wire).port}"],
                    username=USER,
                    password_file=str(self.redis.password_file(SECRET)),
                )
            self.database = self.postgres.fresh()
            if self.disk:
                self.postgres.keep_on(self.disk, self.database)
            port = starting.enter_context(self.postgres_wire).port
            sections["postgresql"] = self.postgres.settings(self.database, port=port)
            settings = Settings(
                self.hop.port,
                tenants={"acme": acme(streams=STREAMS, limits={"batches": 4})},
                gateway={
                    "journal": {"addresses": True},
                    "session": {"refusals_per_hour": 10**6, "per_address": 200},
                },
            )
            self.node = Node(
                self._folder,
                settings,
                self._certificates,
                sections,
                self.postgres,
                is_balanced=False,
            )
            starting.enter_context(self.node)
            file = self._folder / "nobody.csv"
            file.write_text(
                f"address,reason,scope\n{PROTECTED},protected,*\n{COMPLAINED},complaint,acme\n"
            )
            self.node.run("suppress", "import", str(file), "--reason", "manual", "--scope", "*")
            ((number,),) = self.node.rows("SELECT number FROM streams WHERE name = 'weekly'")
            keyring = Keyring.load(self._folder / "keys/keyring.json")
            tokens = Tokens(keyring)
            self._link = lambda address: tokens.make(
                Purpose.UNSUBSCRIBE, number, keyring.exact_key(parse_mailbox(address))
            )
            self._running = starting.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._running.close()

    def opt_out(self, address: str) -> int:
        """One click of this reader of acme's list; the status of the answer."""
        link = f"http://{LOOPBACK}:{self.node.web}/u/{self._link(address)}"
        return self.node.unsubscribe(link)
