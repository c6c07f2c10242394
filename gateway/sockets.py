"""Where a process has its listening sockets from: its supervisor, or itself when it runs alone.

The supervisor keeps every socket (`gateway.socket_keeper`), so that connections wait in it while a
process is started anew, and all workers accept from the same one. `Sockets.take` asks for one over
`<state_dir>/listeners.sock`; `ready` says which of them are in use from now on, and that the
process serves. A connection is for one request and one answer, a line of JSON each; an answer may
carry one descriptor (SCM_RIGHTS). Calls block for as long as the keeper takes, at most `PATIENCE`.
Raises ConfigurationError when an address cannot be listened on.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import orjson

from gateway.config.values import Endpoint
from gateway.errors import ConfigurationError

SOCKET = "listeners.sock"
BACKLOG = 1024
MAX_LINE = 65_536
"""Octets of a request or an answer."""
PATIENCE = 5.0

Key = tuple[str, int, str]
"""What a socket is known by: host, port, and with port 0 the name of what listens on it."""


def key_of(name: str, endpoint: Endpoint) -> Key:
    """Port 0 takes any free one, so only there the name tells two of them apart."""
    return (endpoint.host, endpoint.port, "" if endpoint.port else name)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket that does not block. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.create_server((host, port), family=family, backlog=BACKLOG)
    made.setblocking(False)
    return made


class Sockets:
    """The listening sockets of the process called `process`."""

    def __init__(self, state_dir: Path, process: str) -> None:
        self._path = state_dir / SOCKET
        self._process = process

    def take(self, name: str, endpoint: Endpoint) -> socket.socket:
        """A socket that listens on `endpoint`, the caller's to close; `name` is for errors."""
        request = {"process": self._process, "take": key_of(name, endpoint)}
        try:
            try:
                answer, descriptors = _ask(self._path, request)
            except (FileNotFoundError, ConnectionRefusedError):  # nobody keeps any: we run alone
                return listen(endpoint.host, endpoint.port)
        except OSError as error:
            raise ConfigurationError(f"{name}: {endpoint}: {error.strerror or error}") from error
        if not descriptors:
            raise ConfigurationError(f"{name}: {endpoint}: {answer.get('error')}")
        taken = socket.socket(fileno=descriptors[0])
        taken.setblocking(False)
        return taken

    def ready(self, used: Iterable[Key]) -> None:
        """Say that this process serves, and uses these sockets and no other from now on."""
        with suppress(OSError):  # nobody keeps them; or the supervisor has gone, and we go with it
            _ask(self._path, {"process": self._process, "ready": list(used), "pid": os.getpid()})


def _ask(path: Path, request: Mapping[str, object]) -> tuple[dict[str, object], list[int]]:
    """The keeper's answer, and the descriptors that came with it. Raises OSError."""
    with socket.socket(socket.AF_UNIX) as keeper:
        keeper.settimeout(PATIENCE)
        keeper.connect(str(path))
        keeper.sendall(orjson.dumps(request, option=orjson.OPT_APPEND_NEWLINE))
        line, descriptors = b"", list[int]()
        while not line.endswith(b"\n"):
            octets, more, _flags, _address = socket.recv_fds(keeper, MAX_LINE, 1)
            descriptors += more
            line += octets
            if not octets or len(line) > MAX_LINE:
                raise ConnectionResetError("the supervisor gave no answer")
    answer: dict[str, object] = orjson.loads(line)
    return answer, descriptors
