"""A next hop that misbehaves on purpose and counts what it kept, in threads on a loopback port.

It answers like a plain Postfix until `on` says otherwise for a verb (also GREETING and DOT): one
step for each time, used up in order. Every octet it was ever sent is in `octets`, every message it
has taken responsibility for in `kept`; `copies_of` counts those by the unique id in their text.
"""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType

from tests.e2e.ports import LOOPBACK
from tests.faults.waiting import eventually

EHLO = "250-hop.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES"


class Action(Enum):
    """What a step may be instead of a reply."""

    DROP = auto()
    """Break the connection; at the dot, the message is lost."""
    KEEP_AND_DROP = auto()
    """At the dot: keep the message, then break the connection without a word."""
    STALL = auto()
    """Answer nothing, ever."""
    HOLD = auto()
    """Answer as usual, but not before `release`; at the dot, the message is kept at once."""


Step = str | Action


@dataclass(frozen=True, slots=True)
class Kept:
    """A message as it arrived, dots unstuffed; `at` is monotonic."""

    connection: int
    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    at: float


class Hop:
    """A context manager that listens while it is open."""

    def __init__(self) -> None:
        hop = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                _Talk(hop, self.request).run()

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False
            request_queue_size = 200

            def handle_error(self, request: object, client_address: object) -> None:
                """The gateway broke off: that is what these tests are about."""

        self.kept: list[Kept] = []
        self.octets: dict[int, bytearray] = defaultdict(bytearray)
        self.held = 0
        self.usual: Callable[[str], Step | None] | None = None
        """What to do at a verb for which `on` has said nothing; None is to answer well."""
        self._steps: dict[str, deque[Step]] = defaultdict(deque)
        self._released = threading.Event()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._connections: dict[int, socket.socket] = {}
        self._server = Server((LOOPBACK, 0), Handler)
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Hop:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed.set()
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self.break_all()

    def on(self, verb: str, *steps: Step) -> None:
        """What to do the next times at `verb`."""
        self._released.clear()
        with self._lock:
            self._steps[verb].extend(steps)

    def forget(self) -> None:
        """Misbehave no more; what is held goes on."""
        with self._lock:
            self._steps.clear()
        self._released.set()

    def release(self) -> None:
        """Let everything held go on."""
        self._released.set()

    def break_all(self) -> None:
        """Break every connection."""
        with self._lock:
            open_ones = list(self._connections.values())
        for one in open_ones:
            _break(one)

    def say_to_all(self, text: str) -> None:
        """Say something on every open connection that nobody has asked for."""
        with self._lock:
            open_ones = list(self._connections.values())
        for one in open_ones:
            with suppress(OSError):
                one.sendall(text.encode() + b"\r\n")

    def wait_held(self, count: int = 1) -> None:
        """Return once so many connections are held."""
        eventually(lambda: self.held >= count)

    def copies_of(self, unique: str) -> int:
        """How many copies of the message with this id are kept."""
        return sum(unique.encode() in message.raw for message in list(self.kept))

    # ---- for the conversation -------------------------------------------------------------

    def opened(self, connection: socket.socket) -> int:
        with self._lock:
            number = len(self._connections) + 1
            self._connections[number] = connection
        return number

    def step(self, verb: str) -> Step | None:
        with self._lock:
            steps = self._steps.get(verb)
            if steps:
                return steps.popleft()
        return self.usual(verb) if self.usual else None

    def hold(self) -> None:
        with self._lock:
            self.held += 1
        self._released.wait(100)
        with self._lock:
            self.held -= 1

    def stall(self) -> None:
        self._closed.wait(100)


class _Talk:
    """One connection."""

    def __init__(self, hop: Hop, connection: socket.socket) -> None:
        self._hop = hop
        self._socket = connection
        # Replies to a pipelined group come as fast as any server's.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._number = hop.opened(connection)
        self._buffer = b""
        self._sender: str | None = None
        self._recipients: list[str] = []

    def run(self) -> None:
        try:
            self._answer("GREETING", "220 hop.test ESMTP")
            while (line := self._until(b"\r\n")) is not None:
                verb = line[:4].decode("latin-1").upper()
                if verb == "QUIT":
                    self._say("221 2.0.0 Bye")
                    return
                self._command(verb, line.decode("utf-8", "replace"))
        except OSError:
            pass
        finally:
            _break(self._socket)

    def _command(self, verb: str, line: str) -> None:
        address = line[line.find("<") + 1 : line.rfind(">")]
        match verb:
            case "EHLO":
                self._answer(verb, EHLO)
            case "MAIL":
                is_taken = self._answer(verb, "250 2.1.0 Ok")
                self._sender, self._recipients = address if is_taken else None, []
            case "RCPT":
                no_mail = "503 5.5.1 need MAIL command"
                if self._answer(verb, no_mail if self._sender is None else "250 2.1.5 Ok"):
                    self._recipients.append(address)
            case "DATA":
                usual = "354 go on" if self._recipients else "554 5.5.1 no valid recipients"
                if self._answer(verb, usual) and self._recipients:
                    self._message()
            case "RSET":
                self._sender, self._recipients = None, []
                self._answer(verb, "250 2.0.0 Ok")
            case _:
                self._say("502 5.5.2 unknown")

    def _message(self) -> None:
        self._buffer = b"\r\n" + self._buffer  # a dot at once ends a message of nothing
        data = self._until(b"\r\n.\r\n")
        if data is None:
            raise ConnectionError
        raw = (data + b"\r\n").replace(b"\r\n..", b"\r\n.")[2:]
        message = Kept(
            self._number, self._sender or "", tuple(self._recipients), raw, time.monotonic()
        )
        self._sender, self._recipients = None, []
        step = self._hop.step("DOT")
        if step in (None, Action.HOLD, Action.KEEP_AND_DROP) or str(step).startswith("250"):
            self._hop.kept.append(message)
        self._act(Action.DROP if step is Action.KEEP_AND_DROP else step, "250 2.0.0 queued")

    def _answer(self, verb: str, usual: str) -> bool:
        return self._act(self._hop.step(verb), usual)

    def _act(self, step: Step | None, usual: str) -> bool:
        """Answer; whether it was a yes."""
        match step:
            case Action.DROP | Action.KEEP_AND_DROP:
                raise ConnectionError
            case Action.STALL:
                self._hop.stall()
                raise ConnectionError
            case Action.HOLD:
                self._hop.hold()
                said = usual
            case None:
                said = usual
            case _:
                said = step
        self._say(said)
        if said.startswith("421"):
            raise ConnectionError
        return said[:1] in "23"

    def _say(self, text: str) -> None:
        self._socket.sendall(text.encode("latin-1") + b"\r\n")

    def _until(self, end: bytes) -> bytes | None:
        """The octets before `end`, or None when the gateway has left."""
        while end not in self._buffer:
            octets = self._socket.recv(65_536)
            if not octets:
                return None
            self._hop.octets[self._number] += octets
            self._buffer += octets
        found, _, self._buffer = self._buffer.partition(end)
        return found


def _break(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
