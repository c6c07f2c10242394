"""Several nodes that share one Redis and one PostgreSQL, behind HAProxy as deploy/haproxy shows it.

`Fleet` makes a folder of its own for each node (the keyring is the same), starts them as operators
would and puts the balancer in front. `Node` is one of them: its workers can be killed one by one,
or all its processes at once. To the books the fleet is one gateway: `journal_files`, `known`.
Without `postgres` there is one node with SQLite; without `redis`, one worker of it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from gateway.ledger.intents import Intents
from gateway.processes import Process, Role
from gateway.relay.outcome import State
from tests.campaigns.house import House, Kill, Unknown
from tests.e2e.balancer import Balancer, Ports
from tests.e2e.certificates import HOST, Certificates
from tests.e2e.gateway import Settings
from tests.faults.waiting import eventually
from tests.servers.postgres import PostgresServer

BACK_WITHIN = 60.0
"""Seconds that a killed worker's successor may take."""


class SharedState(Protocol):
    """A Redis server, a set with Sentinels, or a Cluster."""

    def settings(self, **more: Any) -> dict[str, Any]:
        """The gateway's `redis` section for it."""


class Node(House):
    """One gateway of several."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        certificates: Certificates,
        sections: Mapping[str, Any],
        records: PostgresServer | None,
        *,
        is_balanced: bool = True,
    ) -> None:
        """`sections` are keys of the gateway file that stand beside those of `settings`."""
        super().__init__(folder, settings, certificates)
        self.base_url = ""
        """Where the public finds the pages; the node's own place when empty."""
        self._is_balanced = is_balanced
        self._sections = sections
        self._records = records

    def write(self) -> None:
        """Write the configuration; listeners with TLS and the web believe the balancer."""
        super().write()
        config = json.loads(self.config.read_text()) | dict(self._sections)
        if self._is_balanced:
            for listener in config["listeners"][:2]:
                listener["proxy_from"] = ["127.0.0.1/32"]
            config["web"]["proxy_from"] = ["127.0.0.1/32"]
        if self.base_url:
            config["web"]["base_url"] = self.base_url
        self.config.write_text(json.dumps(config, indent=1))

    def processes(self) -> dict[str, int]:
        """The process ids of the children by name (`smtp`, `smtp-2`, `web`, `jobs`)."""
        found = {}
        for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
                if "--role" in words:
                    role = Role(words[words.index("--role") + 1])
                    number = words[words.index("--worker") + 1] if "--worker" in words else 1
                    found[Process(role, int(number)).name] = int(pid)
        return found

    def kill_worker(self, name: str) -> Kill:
        """Kill one process; returns once its successor runs, `seconds` later."""
        before = eventually(lambda: self.processes().get(name), BACK_WITHIN)
        at = time.monotonic()
        os.kill(before, signal.SIGKILL)
        eventually(lambda: self.processes().get(name) != before)
        unknown = self.left_open()
        eventually(lambda: self.processes().get(name), BACK_WITHIN)
        return Kill(at, time.monotonic() - at, unknown)

    def die(self) -> Kill:
        """Kill all processes of the node at once."""
        children = self.processes().values()
        process, self._process = self._process, None
        assert process is not None
        at = time.monotonic()
        for pid in (process.pid, *children):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        for pid in children:
            eventually(lambda pid=pid: not Path(f"/proc/{pid}/fd").exists() or _is_zombie(pid))
        return Kill(at, 0.0, self.left_open())

    def left_open(self) -> Unknown:
        """What is unknown by the intent files of this node's workers and by the ledger."""
        found: Unknown = set()
        for folder in (self.folder / "state").glob("intents*"):
            replayed = Intents(folder).replay()
            found |= {(ref, key) for ref, key, state, _ in replayed if state is State.UNKNOWN}
        return found | set(self.rows("SELECT ref, key FROM ledger WHERE state = 'unknown'"))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the records hold, as any other process sees it."""
        if self._records is None:
            return super().rows(query)
        return self._records.execute(query, self._sections["postgresql"]["database"])


class Fleet:
    """The nodes and their balancer; a context manager that starts and stops them."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        certificates: Certificates,
        *,
        redis: SharedState | None,
        postgres: PostgresServer | None,
        nodes: int = 2,
        workers: int = 2,
    ) -> None:
        """`settings` go for every node."""
        self._certificates = certificates
        self._folder = folder
        sections: dict[str, Any] = {"workers": workers}
        if redis:
            sections["redis"] = redis.settings()
        if postgres:
            sections["postgresql"] = postgres.settings(postgres.fresh())
        self.nodes = [
            Node(
                folder / f"node{number}",
                settings,
                certificates,
                {**sections, "node": f"node{number}"},
                postgres,
            )
            for number in range(1, nodes + 1)
        ]
        places = [Ports(one.submission, one.submissions, one.web) for one in self.nodes]
        # The documented file has two gateways; a fleet of one stands there twice.
        self.balancer = Balancer(folder, (places * 2)[:2], certificates)
        for node in self.nodes:
            node.base_url = f"https://{HOST}:{self.balancer.web}"
        self._running = ExitStack()

    def write(self) -> None:
        """Write the configuration of every node, with one keyring."""
        first, *others = self.nodes
        self._folder.mkdir(parents=True, exist_ok=True)
        first.write()
        for node in others:
            (node.folder / "keys").mkdir(parents=True, exist_ok=True)
            shutil.copy(first.folder / "keys/keyring.json", node.folder / "keys/keyring.json")
            node.write()

    def __enter__(self) -> Fleet:
        self.write()
        with ExitStack() as starting:
            for node in self.nodes:
                starting.callback(node.stop)
                node.start()
            starting.enter_context(self.balancer)
            self.balancer.wait_for(gateway1=True, gateway2=True)
            self._running = starting.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._running.close()

    @property
    def doors(self) -> list[tuple[str, int]]:
        """The balancer's listeners by how they encrypt."""
        return [("starttls", self.balancer.submission), ("implicit", self.balancer.submissions)]

    @property
    def journal_files(self) -> Sequence[Path]:
        """What the SMTP processes of all nodes have written."""
        return [file for node in self.nodes for file in node.journal_files]

    def known(self) -> dict[bytes, str]:
        """The ledger: key to state."""
        return self.nodes[0].known()

    def in_progress(self) -> Iterator[int]:
        """How many messages each worker has under way."""
        for node in self.nodes:
            told = json.loads(node.run("status", "--json", check=False))
            yield told["smtp"].get("in_progress", 1)


def _is_zombie(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    return True
