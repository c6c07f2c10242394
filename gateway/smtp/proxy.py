"""The PROXY protocol, versions 1 and 2: who is really connecting through a balancer. Pure.

The format is HAProxy's proxy-protocol.txt. Only listed balancers are ever asked (the listener sees
to that), and from them the header is required: a connection without one is closed.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V1_LONGEST = 107
"""Octets of the longest version 1 line, CRLF included."""
V2_LONGEST = 16 + 2048
"""Octets of version 2 header and addresses that are waited for; TLVs beyond are refused."""


class ProxyError(ValueError):
    """What came is no PROXY header."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """`length` octets of header; `client` is the real address, None for a health check."""

    length: int
    client: str | None


def parse(octets: bytes) -> ProxyHeader | None:
    """The header that `octets` begin with, or None while more is needed. Raises `ProxyError`."""
    if octets[:12] == SIGNATURE[: len(octets[:12])]:
        return _version_2(octets) if len(octets) >= 16 else None
    if octets[:6] == b"PROXY "[: len(octets[:6])]:
        return _version_1(octets)
    raise ProxyError("no PROXY header")


def _version_1(octets: bytes) -> ProxyHeader | None:
    end = octets.find(b"\r\n", 0, V1_LONGEST)
    if end < 0:
        if len(octets) >= V1_LONGEST:
            raise ProxyError("PROXY line is too long")
        return None
    words = octets[:end].split(b" ")
    if words[1:2] == [b"UNKNOWN"]:
        return ProxyHeader(end + 2, None)
    family = {b"TCP4": socket.AF_INET, b"TCP6": socket.AF_INET6}.get(words[1] if words[1:] else b"")
    if len(words) != 6 or family is None:
        raise ProxyError("PROXY line is malformed")
    try:
        client = socket.inet_ntop(family, socket.inet_pton(family, words[2].decode("ascii")))
    except (OSError, ValueError) as problem:  # ValueError: not ASCII, or a NUL
        raise ProxyError("PROXY line has no address") from problem
    return ProxyHeader(end + 2, client)


def _version_2(octets: bytes) -> ProxyHeader | None:
    version_command, family, size = struct.unpack("!BBH", octets[12:16])
    length = 16 + size
    if version_command >> 4 != 2 or length > V2_LONGEST:
        raise ProxyError("PROXY header is malformed")
    if len(octets) < length:
        return None
    command = version_command & 0x0F
    if command == 0:  # LOCAL: the balancer's own health check
        return ProxyHeader(length, None)
    if command != 1:
        raise ProxyError("PROXY command is unknown")
    if family == 0x11 and size >= 12:
        return ProxyHeader(length, socket.inet_ntop(socket.AF_INET, octets[16:20]))
    if family == 0x21 and size >= 36:
        return ProxyHeader(length, socket.inet_ntop(socket.AF_INET6, octets[16:32]))
    raise ProxyError("PROXY family is not TCP over IPv4 or IPv6")
