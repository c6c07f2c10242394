"""A PROXY line with a NUL in its address raised past the listener, which left the socket open."""

from __future__ import annotations

import pytest

from gateway.smtp.proxy import ProxyError, parse


@pytest.mark.parametrize("address", [b"192.0\0.2.1", b"2001:d\0b8::1", b"\0", b"\xff", b"x"])
@pytest.mark.parametrize("family", [b"TCP4", b"TCP6"])
def test_it_is_no_header(family: bytes, address: bytes) -> None:
    """Whatever is no address is refused in the one way the listener knows."""
    with pytest.raises(ProxyError):
        parse(b"PROXY %b %b 198.51.100.9 56324 25\r\n" % (family, address))
