r"""SMTP dialogues as text files: read, and played against a server.

Each line is one step; empty lines and lines beginning with `#` are comment.

    on submissions   connect to this listener (first line; default `open`, which has no TLS)
    C: text          send the line and CRLF; C: lines in a row go out in one write (pipelining)
    C> text          send octets as they are, without CRLF
    S: text          the next reply's first line begins so; `...` stands for anything
    S~ regex         a line of the same reply matches
    S! regex         no line of the same reply matches
    TLS              do the TLS handshake
    CLOSED           the server closes the connection, with nothing before
    HOP n            the next hop has got n messages since the dialogue began

In what is sent, `\r`, `\n`, `\t`, `\0`, `\xNN` and `\\` are escapes and `{text*600}` repeats.
`C2:`, `S2:` and so on speak on a second connection, made when it is first used. A reply is all its
lines; for `S:` the hyphen after the code counts as a space.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SECONDS = 15.0
_STEP = re.compile(
    r"(?P<verb>C:|C>|S:|S~|S!|C\d:|C\d>|S\d:|S\d~|S\d!|TLS|CLOSED|HOP|on)( (?P<text>.*))?"
)
_REPEAT = re.compile(r"\{(?P<text>[^{}]*)\*(?P<times>\d+)\}")
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|[rnt0\\])")
_PLAIN = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a dialogue; `line` is its number."""

    line: int
    verb: str
    text: str
    connection: int = 1


@dataclass(frozen=True, slots=True)
class Server:
    """What a dialogue is played against: how to connect, and what the next hop has got."""

    port: Callable[[str], int]
    tls: ssl.SSLContext
    host: str
    arrived: Callable[[], int]


class DialogError(AssertionError):
    """The dialogue did not go as written; names file and line."""


def read(path: Path) -> tuple[str, list[Step]]:
    """The listener and the steps of a file; ValueError for a line that is no step."""
    steps, listener = [], "open"
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _STEP.fullmatch(line)
        if match is None:
            raise ValueError(f"{path.name}:{number}: no step: {line}")
        verb, text = match["verb"], match["text"] or ""
        if verb == "on":
            listener = text
        elif verb[1].isdigit():
            steps.append(Step(number, verb[0] + verb[2], text, int(verb[1])))
        else:
            steps.append(Step(number, verb, text))
    return listener, steps


def play(path: Path, server: Server) -> None:
    """Play the file against `server`; raises DialogError at the first step that differs."""
    listener, steps = read(path)
    before = server.arrived()
    connections: dict[int, _Connection] = {}
    try:
        for index, step in enumerate(steps):
            if step.connection not in connections:
                connections[step.connection] = _Connection(server.port(listener))
            connection = connections[step.connection]
            following = steps[index + 1] if index + 1 < len(steps) else None
            try:
                _take(step, following, connection, server, before)
            except (AssertionError, OSError) as error:
                raise DialogError(f"{path.name}:{step.line}: {step.text}: {error}") from error
    finally:
        for connection in connections.values():
            connection.close()


def _take(
    step: Step, following: Step | None, connection: _Connection, server: Server, before: int
) -> None:
    match step.verb:
        case "C:" | "C>":
            end = b"\r\n" if step.verb == "C:" else b""
            connection.queue(_octets(step.text) + end)
            if following is None or (following.verb, following.connection) not in {
                ("C:", step.connection),
                ("C>", step.connection),
            }:
                connection.flush()
        case "S:":
            first = connection.next_reply()[0].replace("-", " ", 1)
            pattern = ".*".join(re.escape(part) for part in step.text.split("..."))
            assert re.match(pattern, first), f"got {first}"
        case "S~":
            assert any(re.search(step.text, line) for line in connection.reply), connection.reply
        case "S!":
            assert not any(re.search(step.text, line) for line in connection.reply), (
                connection.reply
            )
        case "TLS":
            connection.start_tls(server)
        case "CLOSED":
            assert (rest := connection.rest()) == b"", f"got {rest!r}"
        case "HOP":
            assert server.arrived() - before == int(step.text), f"{server.arrived() - before}"


class _Connection:
    """One client connection; blocking, with a time limit."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self._file = self._socket.makefile("rb")
        self._out = b""
        self.reply: list[str] = []

    def queue(self, octets: bytes) -> None:
        self._out += octets

    def flush(self) -> None:
        self._socket.sendall(self._out)
        self._out = b""

    def next_reply(self) -> list[str]:
        self.reply = []
        while True:
            line = self._file.readline()
            assert line.endswith(b"\r\n"), f"no whole reply line but {line!r}"
            self.reply.append(line[:-2].decode("ascii"))
            if line[3:4] != b"-":
                return self.reply

    def start_tls(self, server: Server) -> None:
        self._file.close()
        self._socket = server.tls.wrap_socket(self._socket, server_hostname=server.host)
        self._file = self._socket.makefile("rb")

    def rest(self) -> bytes:
        return self._file.read()

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def _octets(text: str) -> bytes:
    text = _REPEAT.sub(lambda match: match["text"] * int(match["times"]), text)
    parts = _ESCAPE.split(text)
    octets = b""
    for index, part in enumerate(parts):
        if index % 2 == 0:
            octets += part.encode()
        elif part[0] == "x":
            octets += bytes([int(part[1:], 16)])
        else:
            octets += _PLAIN[part].encode()
    return octets
