"""The control socket: how the command line and the web process speak with the others.

A Unix socket in the state folder, mode 0600, JSON lines: `{"verb": "status", ...}` is answered
`{"ok": true, "result": ...}` or `{"ok": false, "error": "..."}`. `ControlServer` answers from a
dict of handlers, `ask` is the client. A handler gets the request's other members, returns
something JSON-able and raises ConsentryError for what the asker should read; other exceptions are
told by their name only. Raises ConfigurationError when the socket cannot be set up, and
ControlError (with `is_away` when nobody listens) to the client. Knows no verb itself; those of an
SMTP worker are

    status   what runs, for people: any mapping
    health   {check: bool} with the checks named in gateway/node.py
    metrics  Prometheus' text format, a string
    reload   {"config": hash, "warnings": [...]}; an error leaves the old configuration in force
    rotate   begin a new journal file
    drain    stop taking mail and end when the open transactions have ended

the web process answers `status`, `reload` and `rotate`, that for jobs `metrics`, too. The
supervisor answers `status` and `restart`: one process after the other, told by lines in `done`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import orjson

from gateway.errors import ConfigurationError, ConsentryError

MAX_REQUEST = 65_536
MAX_ANSWER = 16_777_216
IDLE_SECONDS = 60.0

SMTP_SOCKET = "control.sock"
"""That of the first worker; `gateway.processes` names them all."""

Handler = Callable[[Mapping[str, object]], Awaitable[object]]

log = logging.getLogger(__name__)


class ControlError(ConsentryError):
    """The other side refused, or is not there (`is_away`)."""

    def __init__(self, text: str, *, is_away: bool = False) -> None:
        super().__init__(text)
        self.is_away = is_away


class ControlServer:
    """Answers on `path` until closed."""

    def __init__(self, path: Path, handlers: Mapping[str, Handler]) -> None:
        self._path = path
        self._handlers = handlers
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. ConfigurationError when another process answers there, or it cannot be made."""
        try:
            listener = bind(self._path)
        except OSError as error:
            raise ConfigurationError(f"{self._path}: {error.strerror or error}") from error
        self._server = await asyncio.start_unix_server(
            self._serve, sock=listener, limit=MAX_REQUEST
        )

    async def close(self) -> None:
        """Stop listening, drop the clients and remove the socket."""
        if self._server is None:
            return
        self._server.close()
        self._path.unlink(missing_ok=True)
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._clients.add(task)
            task.add_done_callback(self._clients.discard)
        try:
            while line := await asyncio.wait_for(reader.readline(), IDLE_SECONDS):
                writer.write(await self._answer(line))
                await writer.drain()
        except (TimeoutError, ConnectionError, ValueError, asyncio.CancelledError):
            pass  # silent, gone, a line too long, or we are closing
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> bytes:
        answer: dict[str, object]
        try:
            answer = {"ok": True, "result": await self._handle(line)}
        except ConsentryError as error:
            answer = {"ok": False, "error": str(error)}
        except Exception as error:
            log.exception("control request failed")
            answer = {"ok": False, "error": f"internal error: {type(error).__name__}"}
        return orjson.dumps(answer, str, orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)

    async def _handle(self, line: bytes) -> object:
        try:
            request = orjson.loads(line)
            verb = request.pop("verb")
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
            raise ControlError("a request is one line of JSON with a `verb`") from None
        handler = self._handlers.get(verb) if isinstance(verb, str) else None
        if handler is None:
            raise ControlError(f"unknown verb; known are {', '.join(sorted(self._handlers))}")
        return await handler(request)


async def ask(path: Path, verb: str, *, patience: float = 10.0, **arguments: object) -> object:
    """Ask the process behind `path` one thing; its result within `patience` s, or ControlError."""
    try:
        async with asyncio.timeout(patience):
            reader, writer = await asyncio.open_unix_connection(path, limit=MAX_ANSWER)
            try:
                writer.write(orjson.dumps({"verb": verb, **arguments}) + b"\n")
                answer = orjson.loads(await reader.readline())
            finally:
                writer.close()
    except (FileNotFoundError, ConnectionRefusedError):
        raise ControlError(f"no gateway answers at {path}; is it running?", is_away=True) from None
    except TimeoutError:
        raise ControlError(f"no answer to {verb} within {patience:g} s", is_away=True) from None
    except (OSError, ValueError) as error:
        raise ControlError(f"{verb} was not answered: {error}", is_away=True) from None
    if not answer["ok"]:
        raise ControlError(answer["error"])
    result: object = answer["result"]
    return result


def bind(path: Path) -> socket.socket:
    """A listening Unix socket that is ours alone from its first moment on.

    Raises ConfigurationError when another process answers there, and OSError.
    """
    with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
        probe.connect(str(path))
        raise ConfigurationError(f"{path}: another gateway runs on this state folder")
    path.unlink(missing_ok=True)  # left by a process that was killed
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    listener.listen()
    return listener
