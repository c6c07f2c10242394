"""Whom something is counted for when all that is known of somebody is an address on the network.

Takes an address as text, gives a name for whoever has it. Pure; raises ValueError for a text that
is none.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address


def network_of(ip: str) -> str:
    """An IPv4 address, or the /64 that one site has of IPv6 (RFC 6177); "" stays ""."""
    address = ip_address(ip) if ip else None
    if not isinstance(address, IPv6Address):
        return ip
    if address.ipv4_mapped is not None:  # at a socket that takes both (RFC 4291 section 2.5.5.2)
        return str(address.ipv4_mapped)
    return str(int(address) >> 64)
