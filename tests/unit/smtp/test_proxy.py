"""The PROXY protocol header: taken exactly, or refused."""

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.smtp.proxy import SIGNATURE, ProxyError, ProxyHeader, parse


def version_2(command: int, family: int, addresses: bytes) -> bytes:
    """A version 2 header."""
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, family, len(addresses)) + addresses


FOUR = socket.inet_aton("192.0.2.7") + socket.inet_aton("192.0.2.1") + b"\x01\x00\x02\x4b"
SIX = socket.inet_pton(socket.AF_INET6, "2001:db8::7") * 2 + b"\x01\x00\x02\x4b"


@pytest.mark.parametrize(
    ("octets", "client"),
    [
        (b"PROXY TCP4 192.0.2.7 192.0.2.1 256 587\r\n", "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 256 587\r\n", "2001:db8::7"),
        (b"PROXY UNKNOWN\r\n", None),
        (version_2(1, 0x11, FOUR), "192.0.2.7"),
        (version_2(1, 0x21, SIX), "2001:db8::7"),
        (version_2(1, 0x11, FOUR + b"\x04\x00\x01x"), "192.0.2.7"),
        (version_2(0, 0, b""), None),
    ],
)
def test_a_header_names_the_client_and_its_own_length(octets, client):
    """What follows the header is left alone; an incomplete header is waited for."""
    assert parse(octets + b"EHLO x\r\n") == ProxyHeader(len(octets), client)
    for end in range(len(octets)):
        assert parse(octets[:end]) is None


@pytest.mark.parametrize(
    "octets",
    [
        b"EHLO x\r\n",
        b"PROXY TCP4 not.an.ip 192.0.2.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7\r\n",
        b"PROXY " + b"x" * 200,
        version_2(1, 0x31, b"x" * 216),
        version_2(2, 0x11, FOUR),
        version_2(1, 0x11, b"x"),
        SIGNATURE + b"\x11\x11\x00\x0c",
        SIGNATURE + b"\x21\x11\xff\xff",
    ],
)
def test_what_is_no_header_is_refused(octets):
    """A balancer that does not say who is calling is not believed."""
    with pytest.raises(ProxyError):
        parse(octets)


@given(st.binary(max_size=300))
def test_any_octets_are_a_header_or_not(octets):
    """Nothing but the three answers, whatever comes."""
    try:
        header = parse(octets)
    except ProxyError:
        return
    assert header is None or 0 < header.length <= len(octets)
