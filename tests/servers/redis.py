"""A real Redis server, or a primary with replicas and three Sentinels that watch them.

`RedisServer` holds nothing on disk unless `append_only`; `RedisSet` fails over by itself about a
second after its primary is paused or killed. `settings()` is the gateway's `redis` section for
either (with files for passwords), `client()` a redis-py client that asks this very server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import redis

from tests.e2e.certificates import Certificates
from tests.e2e.ports import LOOPBACK, free_port
from tests.servers.program import Program, wait_for

T = TypeVar("T")
SERVICE = "mymaster"
DOWN_MILLISECONDS = 700


class RedisServer(Program):
    """One `redis-server`; further lines of its configuration by name in `options`."""

    def __init__(
        self,
        *,
        password: str | None = None,
        acl: Sequence[str] = (),
        certificates: Certificates | None = None,
        maxmemory: str = "0",
        append_only: bool = False,
        databases: int = 16,
        options: Mapping[str, str] | None = None,
    ) -> None:
        """`acl` are lines of an ACL file (`user name on >secret ~* &* +@all`)."""
        super().__init__("redis")
        self.port = free_port()
        self.password = password
        self.certificates = certificates
        self.acl = tuple(acl)
        self.config = self.folder / "redis.conf"
        self._options = {
            "bind": LOOPBACK,
            ("tls-port" if certificates else "port"): str(self.port),
            "dir": str(self.folder),
            "save": '""',
            "appendonly": "yes" if append_only else "no",
            "appendfsync": "no",
            "databases": str(databases),
            "maxmemory": maxmemory,
            "enable-debug-command": "local",
            **(options or {}),
        }

    def prepare(self) -> None:
        """Write its configuration, and its ACL file if it has one."""
        options = dict(self._options)
        if self.certificates:
            options |= {
                "port": "0",
                "tls-cert-file": str(self.certificates.certificate),
                "tls-key-file": str(self.certificates.key),
                "tls-ca-cert-file": str(self.certificates.authority),
                "tls-auth-clients": "no",
            }
        if self.acl:
            file = self.folder / "users.acl"
            default = f"user default on >{self.password} ~* &* +@all" if self.password else ""
            file.write_text("\n".join([*self.acl, default]) + "\n")
            options["aclfile"] = str(file)
        elif self.password:
            options |= {"requirepass": self.password, "masterauth": self.password}
        self.config.write_text("".join(f"{name} {value}\n" for name, value in options.items()))

    def command(self) -> Sequence[str | Path]:
        """The server itself, in the foreground."""
        return ["redis-server", self.config]

    def is_ready(self) -> bool:
        """Whether it answers, and has read what it keeps on disk."""
        try:
            with self.client() as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):  # BusyLoadingError is one of them
            return False

    def client(self, database: int = 0, **more: Any) -> redis.Redis:
        """A client of this server, as its most powerful user; close it, or use it as a context."""
        if self.certificates:
            more |= {"ssl": True, "ssl_ca_certs": str(self.certificates.authority)}
        more = {"password": self.password, "socket_timeout": 30, **more}
        return redis.Redis(LOOPBACK, self.port, database, retry=None, **more)

    def ask(self, *command: str | int | bytes) -> Any:
        """The answer to one command, on a connection of its own."""
        with self.client() as client:
            return client.execute_command(*command)

    def settings(self, **more: Any) -> dict[str, Any]:
        """The gateway's `redis` section for this server; `more` replaces keys of it."""
        made: dict[str, Any] = {"mode": "standalone", "servers": [f"{LOOPBACK}:{self.port}"]}
        if self.password:
            made["password_file"] = str(self.password_file())
        if self.certificates:
            made["tls"] = {"ca_file": str(self.certificates.authority)}
        return made | more

    def password_file(self, password: str | None = None) -> Path:
        """A private file that holds a password, by default this server's."""
        secret = password or self.password
        assert secret, "there is no password"
        file = self.folder / f"password-{secret}"
        file.touch(mode=0o600)
        file.write_text(secret + "\n")
        return file


class Sentinel(RedisServer):
    """One of those that watch a primary and agree on the next."""

    def __init__(self, primary: RedisServer, quorum: int) -> None:
        super().__init__(password=None)
        self._lines = [
            f"port {self.port}",
            f"bind {LOOPBACK}",
            f"dir {self.folder}",
            f"sentinel monitor {SERVICE} {LOOPBACK} {primary.port} {quorum}",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_MILLISECONDS}",
            f"sentinel failover-timeout {SERVICE} 6000",
        ]
        if primary.password:
            self._lines.append(f"sentinel auth-pass {SERVICE} {primary.password}")

    def prepare(self) -> None:
        """Write its configuration, which it keeps up to date itself from then on."""
        self.config.write_text("\n".join(self._lines) + "\n")

    def command(self) -> Sequence[str | Path]:
        """The same program in its other role."""
        return ["redis-server", self.config, "--sentinel"]

    def start(self, *, wait: bool = True) -> None:
        """Start it and have it look around every 300 ms: what has come back, it sees after 10 s.

        Pings, too: it connects again only that often, and a new primary that it has not reached for
        `DOWN_MILLISECONDS` is down to it. With its 1 s it sometimes fails over twice, to who just
        came back with nothing.
        """
        super().start(wait=wait)
        if wait:
            for period in ("PING-PERIOD", "INFO-PERIOD", "PUBLISH-PERIOD", "ASK-PERIOD"):
                self.ask("SENTINEL", "DEBUG", period, 300)


class RedisSet:
    """A primary, its replicas and Sentinels; a context manager that starts and stops them all."""

    def __init__(
        self, *, replicas: int = 1, sentinels: int = 3, password: str | None = None, **options: Any
    ) -> None:
        """`options` are those of `RedisServer`, for the primary and every replica."""
        options["options"] = {
            "repl-diskless-sync": "yes",
            "repl-diskless-sync-delay": "0",
            "repl-ping-replica-period": "1",
            **options.get("options", {}),
        }
        first = RedisServer(password=password, **options)
        self.servers = [first]
        for _ in range(replicas):
            more = {**options["options"], "replicaof": f"{LOOPBACK} {first.port}"}
            self.servers.append(RedisServer(password=password, **(options | {"options": more})))
        self.sentinels = [Sentinel(first, sentinels // 2 + 1) for _ in range(sentinels)]
        self._running = ExitStack()

    def __enter__(self) -> RedisSet:
        with ExitStack() as starting:
            for one in (*self.servers, *self.sentinels):
                starting.enter_context(one)
            self.wait_until_whole()
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
    def primary(self) -> RedisServer:
        """The one that the Sentinels name now."""
        for sentinel in self.sentinels:
            if sentinel.is_running:
                with suppress(redis.RedisError):
                    return self._named_by(sentinel)
        raise RuntimeError("no Sentinel answers")

    def failover(self) -> RedisServer:
        """Have another take over in good order; returns it once all Sentinels name it."""
        before = self.primary
        self.sentinels[0].ask("SENTINEL", "FAILOVER", SERVICE)
        return self.wait_for_another(before)

    def wait_for_another(self, before: RedisServer) -> RedisServer:
        """The new primary, once every running Sentinel names it and it takes writes."""

        def agreed() -> RedisServer | None:
            named = {self._named_by(one) for one in self.sentinels if one.is_running}
            after = named.pop() if len(named) == 1 else before
            if after is before or after.ask("ROLE")[0] != b"master":
                return None
            return after

        return wait_for(lambda: _unless_away(agreed))

    def wait_until_whole(self) -> None:
        """Return once every server is back in its role and every Sentinel knows all others.

        A replica that has just read everything may be sent nothing more for another second, so
        that a failover would lose what is written: it must have heard of something new.
        """
        others = (len(self.servers) - 1, len(self.sentinels) - 1)
        news: dict[RedisServer, int] = {}
        """Where the stream of each primary was behind what its replicas are to hear."""

        def whole() -> bool:
            primary = self.primary
            roles = {one: one.ask("ROLE") for one in self.servers}
            if roles.pop(primary)[0] != b"master":
                return False
            for role in roles.values():
                if role[0] != b"slave" or role[3] != b"connected" or role[2] != primary.port:
                    return False
            if primary not in news:
                primary.ask("PUBLISH", "news", "")
                news[primary] = primary.ask("ROLE")[1]
            if any(role[4] < news[primary] for role in roles.values()):
                return False
            for one in self.sentinels:
                told = one.ask("SENTINEL", "MASTER", SERVICE)
                known = int(told[b"num-slaves"]), int(told[b"num-other-sentinels"])
                if known < others or told[b"flags"] != b"master":
                    return False
            return True

        wait_for(lambda: _unless_away(whole))

    def settings(self, **more: Any) -> dict[str, Any]:
        """The gateway's `redis` section for this set; `more` replaces keys of it."""
        made: dict[str, Any] = {
            **self.servers[0].settings(),
            "mode": "sentinel",
            "servers": [f"{LOOPBACK}:{one.port}" for one in self.sentinels],
            "service": SERVICE,
        }
        return made | more

    def _named_by(self, sentinel: RedisServer) -> RedisServer:
        answer = sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        port = int(answer[1])
        return next(one for one in self.servers if one.port == port)


def _unless_away(condition: Callable[[], T]) -> T | None:
    """Its answer; None when a server hangs up in the middle of being asked, as in a failover."""
    with suppress(redis.ConnectionError, redis.TimeoutError):
        return condition()
    return None
