"""What can happen to Redis and PostgreSQL, each fault as a context manager over `Stores`.

It brings about what an operator would see, by the server's own means, and undoes it. The faults of
`REDIS` and `POSTGRES` need a plain `Stores`, `FAILOVER` one with `sentinels`, where no wire lies
between, and `FULL` one with the `disk` of `small_disk`.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path

import redis

from tests.e2e.ports import LOOPBACK
from tests.faults.stores import ALLOWED, USER, Stores
from tests.servers.program import wait_for
from tests.servers.redis import RedisServer

FILLERS = 20_000
Fault = Callable[[Stores], AbstractContextManager[None]]


# ---- Redis --------------------------------------------------------------------------------------


@contextmanager
def down(stores: Stores) -> Iterator[None]:
    """Killed; comes back with nothing."""
    stores.redis.kill()
    try:
        yield
    finally:
        stores.redis.start()


@contextmanager
def stopped(stores: Stores) -> Iterator[None]:
    """Takes connections and commands and answers none."""
    stores.redis.pause()
    try:
        yield
    finally:
        stores.redis.resume()


@contextmanager
def slow(stores: Stores) -> Iterator[None]:
    """Every answer a second late, and every question."""
    stores.redis_wire.slow(1.0)
    try:
        yield
    finally:
        stores.redis_wire.mend()


@contextmanager
def loading(stores: Stores) -> Iterator[None]:
    """Reads what it keeps back from disk: -LOADING."""
    server = stores.redis
    server.ask("DEBUG", "POPULATE", FILLERS, "filler")
    server.ask("CONFIG", "SET", "loading-process-events-interval-bytes", 1024)
    server.ask("CONFIG", "SET", "key-load-delay", 10_000_000 // FILLERS)
    reading = threading.Thread(target=server.ask, args=("DEBUG", "RELOAD"))
    reading.start()
    try:
        with server.client(socket_timeout=5) as client:
            wait_for(lambda: _says(client, redis.exceptions.BusyLoadingError))
        yield
        with suppress(redis.RedisError):
            server.ask("CONFIG", "SET", "key-load-delay", 0)
        reading.join(20)
    finally:
        reading.join(20)
        server.ask("CONFIG", "SET", "key-load-delay", 0)
        _forget_fillers(server)


@contextmanager
def read_only(stores: Stores) -> Iterator[None]:
    """A replica of somebody who does not answer: -READONLY."""
    stores.redis.ask("REPLICAOF", LOOPBACK, 1)
    try:
        yield
    finally:
        stores.redis.ask("REPLICAOF", "NO", "ONE")


@contextmanager
def full(stores: Stores) -> Iterator[None]:
    """No memory left: -OOM."""
    stores.redis.ask("CONFIG", "SET", "maxmemory", 1)
    try:
        yield
    finally:
        stores.redis.ask("CONFIG", "SET", "maxmemory", 0)


@contextmanager
def unwritable(stores: Stores) -> Iterator[None]:
    """Cannot save to its disk and therefore takes no writes: -MISCONF."""
    server = stores.redis
    obstacle = server.folder / "dump.rdb"
    obstacle.unlink(missing_ok=True)
    obstacle.mkdir()
    server.ask("CONFIG", "SET", "save", "3600 1000000")
    server.ask("BGSAVE")
    wait_for(lambda: server.ask("INFO", "persistence")["rdb_last_bgsave_status"] == "err")
    try:
        yield
    finally:
        server.ask("CONFIG", "SET", "save", "")
        obstacle.rmdir()


@contextmanager
def flushed(stores: Stores) -> Iterator[None]:
    """Emptied at one stroke."""
    stores.redis.ask("FLUSHALL")
    yield


@contextmanager
def evicted(stores: Stores) -> Iterator[None]:
    """Half of all keys are gone, whichever: somebody has set a policy that evicts."""
    server = stores.redis
    server.ask("DEBUG", "POPULATE", FILLERS, "filler", 1000)
    used = server.ask("INFO", "memory")["used_memory"]
    server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
    server.ask("CONFIG", "SET", "maxmemory", int(used) - FILLERS * 500)
    server.ask("SET", "filler:0", "")
    wait_for(lambda: server.ask("INFO", "stats")["evicted_keys"] > 0)
    server.ask("CONFIG", "SET", "maxmemory", 0)
    server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    try:
        yield
    finally:
        _forget_fillers(server)


@contextmanager
def revoked(stores: Stores) -> Iterator[None]:
    """The gateway's user may no longer do anything: -NOPERM."""
    stores.redis.ask("ACL", "SETUSER", USER, "resetkeys", "-@all")
    try:
        yield
    finally:
        stores.redis.ask("ACL", "SETUSER", USER, "reset", *ALLOWED)


@contextmanager
def scripts_lost(stores: Stores) -> Iterator[None]:
    """Has forgotten all scripts: -NOSCRIPT."""
    stores.redis.ask("SCRIPT", "FLUSH")
    yield


@contextmanager
def half_open(stores: Stores) -> Iterator[None]:
    """Connections are open and nothing comes through; new ones are taken and silent."""
    stores.redis_wire.stall()
    try:
        yield
    finally:
        stores.redis_wire.mend()


@contextmanager
def wrong_database(stores: Stores) -> Iterator[None]:
    """What the gateway reaches is another, empty database of the same server."""
    stores.redis.ask("SWAPDB", 0, 1)
    try:
        yield
    finally:
        stores.redis.ask("SWAPDB", 0, 1)


@contextmanager
def failed_over(stores: Stores) -> Iterator[None]:
    """The primary is killed, its replica takes over, and it comes back as the replica."""
    assert stores.redis_set
    before = stores.redis_set.primary
    before.kill()
    try:
        yield
    finally:
        stores.redis_set.wait_for_another(before)
        before.start()


REDIS: Mapping[str, Fault] = {
    "down": down,
    "stopped": stopped,
    "slow": slow,
    "loading": loading,
    "read-only": read_only,
    "out of memory": full,
    "misconfigured": unwritable,
    "flushed": flushed,
    "evicted": evicted,
    "access revoked": revoked,
    "scripts lost": scripts_lost,
    "half-open": half_open,
    "wrong database": wrong_database,
}
"""The faults of a Redis server; with `FAILOVER` they are fourteen."""
FAILOVER: Mapping[str, Fault] = {"failover": failed_over}


# ---- PostgreSQL ---------------------------------------------------------------------------------


@contextmanager
def records_down(stores: Stores) -> Iterator[None]:
    """Killed, with every backend; comes back by replaying its log."""
    stores.postgres.kill()
    try:
        yield
    finally:
        stores.postgres.start()


@contextmanager
def records_stopped(stores: Stores) -> Iterator[None]:
    """Server and backends take what is sent and answer nothing."""
    stores.postgres.pause()
    try:
        yield
    finally:
        stores.postgres.resume()


@contextmanager
def records_slow(stores: Stores) -> Iterator[None]:
    """Every answer and every question two seconds late."""
    stores.postgres_wire.slow(2.0)
    try:
        yield
    finally:
        stores.postgres_wire.mend()


@contextmanager
def records_read_only(stores: Stores) -> Iterator[None]:
    """Takes no writes, as a standby does."""
    _set_read_only(stores, "on")
    try:
        yield
    finally:
        _set_read_only(stores, "off")


@contextmanager
def records_terminated(stores: Stores) -> Iterator[None]:
    """An administrator has ended every backend of the gateway, once."""
    stores.postgres.terminate(stores.database)
    yield


@contextmanager
def records_exhausted(stores: Stores) -> Iterator[None]:
    """No connection is left for the gateway."""
    server = stores.postgres
    server.execute(f"ALTER DATABASE {stores.database} CONNECTION LIMIT 0")
    server.terminate(stores.database)
    try:
        yield
    finally:
        server.execute(f"ALTER DATABASE {stores.database} CONNECTION LIMIT -1")


@contextmanager
def records_half_open(stores: Stores) -> Iterator[None]:
    """Connections are open and nothing comes through; new ones are taken and silent."""
    stores.postgres_wire.stall()
    try:
        yield
    finally:
        stores.postgres_wire.mend()


@contextmanager
def records_full(stores: Stores) -> Iterator[None]:
    """No room is left on the disk where the gateway's tables lie."""
    assert stores.disk
    filler = stores.disk / "filler"
    with filler.open("wb", 0) as file, suppress(OSError):
        while True:
            file.write(bytes(8192))
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def small_disk() -> Iterator[Path]:
    """A disk of 64 MB in memory; raises PermissionError where one cannot be mounted."""
    folder = Path(tempfile.mkdtemp(prefix="consentry-disk-"))
    try:
        mounting = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder]
        if subprocess.run(mounting, check=False, capture_output=True).returncode:
            raise PermissionError("a disk for this fault cannot be mounted here")
        try:
            yield folder
        finally:
            subprocess.run(["umount", folder], check=True)
    finally:
        folder.rmdir()


POSTGRES: Mapping[str, Fault] = {
    "records down": records_down,
    "records stopped": records_stopped,
    "records slow": records_slow,
    "records read-only": records_read_only,
    "records terminated": records_terminated,
    "records exhausted": records_exhausted,
    "records half-open": records_half_open,
}
"""The faults of a PostgreSQL server."""
FULL: Mapping[str, Fault] = {"records full": records_full}
"""The one that needs `Stores(disk=...)`."""


def _set_read_only(stores: Stores, word: str) -> None:
    with closing(stores.postgres.connect()) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {word}".encode())
        connection.execute("SELECT pg_reload_conf()")
    wait_for(lambda: stores.postgres.execute("SHOW default_transaction_read_only")[0][0] == word)


def _says(client: redis.Redis, error: type[Exception]) -> bool:
    try:
        client.ping()
    except error:
        return True
    return False


def _forget_fillers(server: RedisServer) -> None:
    with server.client() as client:
        for start in range(0, FILLERS, 1000):
            client.unlink(*(f"filler:{number}" for number in range(start, start + 1000)))
