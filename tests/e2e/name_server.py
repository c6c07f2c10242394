"""A DNS server on a loopback port, over UDP and TCP, that answers from a table.

What the table does not know is NXDOMAIN, a name it knows without the type asked for is an empty
answer. UDP answers over 512 octets are cut and marked so (RFC 1035 section 4.2.1). `asked` is every
question, for tests that count; names in `silent` get no answer and those in `failing` SERVFAIL.
"""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.e2e.ports import LOOPBACK, free_port

Zone = Mapping[tuple[str, str], Sequence[str]]
"""Records in presentation form by name (no final dot) and type."""


def txt(text: str) -> str:
    """A TXT record's data: `text` in strings of at most 255 octets."""
    return " ".join(f'"{text[at : at + 255]}"' for at in range(0, len(text), 255))


class NameServer:
    """A context manager; `zone` may be changed while it runs."""

    def __init__(self, zone: Zone, ttl: int = 300) -> None:
        self.zone = dict(zone)
        self.ttl = ttl
        self.asked: list[tuple[str, str]] = []
        self.silent: set[str] = set()
        self.failing: set[str] = set()
        self.port = free_port()
        server = self

        class Datagram(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                octets, socket = self.request
                reply = server.answer(octets)
                if reply is not None:
                    wire = reply.to_wire()
                    if len(wire) > 512:
                        reply.answer.clear()
                        reply.flags |= dns.flags.TC
                        wire = reply.to_wire()
                    socket.sendto(wire, self.client_address)

        class Stream(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                (length,) = struct.unpack("!H", self.rfile.read(2))
                reply = server.answer(self.rfile.read(length))
                if reply is not None:
                    wire = reply.to_wire()
                    self.wfile.write(struct.pack("!H", len(wire)) + wire)

        self._servers: list[socketserver.BaseServer] = [
            socketserver.ThreadingUDPServer((LOOPBACK, self.port), Datagram),
            socketserver.ThreadingTCPServer((LOOPBACK, self.port), Stream),
        ]

    def __enter__(self) -> NameServer:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def answer(self, octets: bytes) -> dns.message.Message | None:
        """The reply to one query; None for silence."""
        query = dns.message.from_wire(octets)
        (question,) = query.question
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if name in self.silent:
            return None
        reply = dns.message.make_response(query)
        records = self.zone.get((name, kind))
        if name in self.failing:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif records:
            reply.answer.append(dns.rrset.from_text(question.name, self.ttl, "IN", kind, *records))
        elif not any(known == name for known, _ in self.zone):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply
