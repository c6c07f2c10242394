"""A real Redis Cluster: three masters that share the slots, with a replica each if asked for.

A context manager that starts and stops all of them. `failover` kills a master and waits for its
replica; `move_slot` gives a slot with its keys to another master, `open_move` stops half way, when
both answer for it (MOVED and ASK).
"""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any

import redis

from tests.e2e.ports import LOOPBACK, free_port
from tests.servers.program import wait_for
from tests.servers.redis import RedisServer

SLOTS = 16_384
NODE_MILLISECONDS = 1000


class RedisCluster:
    """`masters` servers, `replicas` more for each of them; `options` are those of RedisServer."""

    def __init__(
        self, *, masters: int = 3, replicas: int = 0, password: str | None = None, **options: Any
    ) -> None:
        self.password = password
        self.servers: list[RedisServer] = []
        self._buses: dict[RedisServer, int] = {}
        for _ in range(masters * (1 + replicas)):
            bus = free_port()
            more = {
                "cluster-enabled": "yes",
                "cluster-port": str(bus),
                "cluster-node-timeout": str(NODE_MILLISECONDS),
                "repl-diskless-sync": "yes",
                "repl-diskless-sync-delay": "0",
                **options.get("options", {}),
            }
            made = RedisServer(password=password, **(options | {"options": more}))
            self.servers.append(made)
            self._buses[made] = bus
        self._masters = masters
        self._running = ExitStack()

    def __enter__(self) -> RedisCluster:
        with ExitStack() as starting:
            for one in self.servers:
                starting.enter_context(one)
            self._join()
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
    def masters(self) -> list[RedisServer]:
        """Those that answer for slots now."""
        return [one for one in self.servers if one.is_running and _role(one) == b"master"]

    def client(self) -> redis.RedisCluster:
        """A client of the whole; close it, or use it as a context."""
        return redis.RedisCluster(LOOPBACK, self.servers[0].port, password=self.password)

    def settings(self, **more: Any) -> dict[str, Any]:
        """The gateway's `redis` section for this Cluster; `more` replaces keys of it."""
        servers = [f"{LOOPBACK}:{one.port}" for one in self.servers]
        return self.servers[0].settings() | {"mode": "cluster", "servers": servers} | more

    def owner(self, slot: int) -> RedisServer:
        """The master that answers for a slot."""
        for first, last, (_, port, *_), *_ in self._ask_any("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(one for one in self.servers if one.port == port)
        raise LookupError(f"nobody answers for slot {slot}")

    def slot(self, key: str) -> int:
        """The slot of a key."""
        return int(self._ask_any("CLUSTER", "KEYSLOT", key))

    def failover(self, slot: int) -> RedisServer:
        """Kill the master of a slot; returns the replica that has taken over."""
        before = self.owner(slot)
        before.kill()

        def another() -> RedisServer | None:
            after = self.owner(slot)
            return after if after is not before and self._is_whole() else None

        return wait_for(another)

    def open_move(self, slot: int, to: RedisServer) -> RedisServer:
        """Begin to give a slot away and move its keys; returns who still answers for it."""
        before = self.owner(slot)
        to.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", _name(before))
        before.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", _name(to))
        secret = ("AUTH", self.password) if self.password else ()
        while keys := before.ask("CLUSTER", "GETKEYSINSLOT", slot, 100):
            before.ask("MIGRATE", LOOPBACK, to.port, "", 0, 5000, *secret, "KEYS", *keys)
        return before

    def move_slot(self, slot: int, to: RedisServer) -> None:
        """Give a slot with its keys to another master."""
        if self.owner(slot) is not to:
            self.open_move(slot, to)
        for one in (to, *(other for other in self.masters if other is not to)):
            one.ask("CLUSTER", "SETSLOT", slot, "NODE", _name(to))

    def wait_until_whole(self) -> None:
        """Return once every running server sees all slots served and every other in its role."""
        wait_for(self._is_whole)

    def _join(self) -> None:
        first = self.servers[0]
        for index, one in enumerate(self.servers):
            one.ask("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
            if index < self._masters:
                start, end = (SLOTS * n // self._masters for n in (index, index + 1))
                one.ask("CLUSTER", "ADDSLOTSRANGE", start, end - 1)
            if one is not first:
                one.ask("CLUSTER", "MEET", LOOPBACK, first.port, self._buses[first])
        count = len(self.servers)
        wait_for(lambda: all(_facts(one)["cluster_known_nodes"] == count for one in self.servers))
        for index, one in enumerate(self.servers[self._masters :]):
            master = _name(self.servers[index % self._masters])
            wait_for(lambda one=one, master=master: _knows(one, master))
            one.ask("CLUSTER", "REPLICATE", master)
        self.wait_until_whole()

    def _is_whole(self) -> bool:
        up = [one for one in self.servers if one.is_running]
        if any(_facts(one)["cluster_state"] != "ok" for one in up):
            return False
        if any(_facts(one)["cluster_slots_ok"] != SLOTS for one in up):
            return False
        replicas = [one.ask("ROLE") for one in up if _role(one) == b"slave"]
        return all(role[3] == b"connected" for role in replicas)

    def _ask_any(self, *command: str) -> Any:
        return next(one for one in self.servers if one.is_running).ask(*command)


def _role(server: RedisServer) -> bytes:
    return bytes(server.ask("ROLE")[0])


def _name(server: RedisServer) -> str:
    name = server.ask("CLUSTER", "MYID")
    return name.decode() if isinstance(name, bytes) else str(name)


def _facts(server: RedisServer) -> dict[str, Any]:
    told = server.ask("CLUSTER", "INFO")
    text = told.decode() if isinstance(told, bytes) else told
    pairs = (line.split(":") for line in text.split())
    return {name: int(value) if value.isdigit() else value for name, value in pairs}


def _knows(server: RedisServer, name: str) -> bool:
    told = server.ask("CLUSTER", "NODES")
    return name in (told.decode() if isinstance(told, bytes) else str(told))
