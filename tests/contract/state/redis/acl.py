"""A user of Redis who may do what docs/redis.md says and nothing else."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from gateway.config.redis import RedisSettings
from tests.servers.redis import RedisServer

PAGE = (Path(__file__).parents[4] / "docs/redis.md").read_text()
PASSWORD = "the password of the page"


class Server(Protocol):
    """A server of tests/servers, or several."""

    servers: Sequence[RedisServer]

    def settings(self, **more: Any) -> dict[str, Any]:
        """The gateway's `redis` section."""


def rules() -> list[str]:
    """The line of the page that makes the user, as words of ACL SETUSER."""
    (line,) = re.findall(r"^user (consentry .*)$", PAGE, re.MULTILINE)
    name, *words = line.replace(">secret", f">{PASSWORD.replace(' ', '-')}").split()
    return [name, "reset", *words]


@asynccontextmanager
async def restricted(server: Server) -> AsyncIterator[RedisSettings]:
    """Settings that sign in as that user, who is there meanwhile."""
    servers = [server] if isinstance(server, RedisServer) else server.servers
    for one in servers:
        one.ask("ACL", "SETUSER", *rules())
    file = servers[0].password_file(PASSWORD.replace(" ", "-"))
    try:
        signs_in = server.settings(username="consentry", password_file=str(file))
        # A call may take longer than an operator may set, however slow the machine.
        yield RedisSettings(**signs_in).model_copy(update={"timeout": 5.0})
    finally:
        for one in servers:
            one.ask("ACL", "DELUSER", "consentry")
