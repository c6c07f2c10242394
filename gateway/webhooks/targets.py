"""Where a call may go: to public addresses only, unless the operator names others.

A tenant's webhook is an address that somebody else chose, and the gateway stands inside the
operator's network. So the name is resolved here, every address it has is judged, and the call goes
to the very address that was judged: a name that changes its mind in between changes nothing. Raises
TargetRefused, whose text holds no address of a person.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Every address of a name, as text. Raises OSError."""

RESOLVERS = 16
"""Threads that wait for DNS; their own, so that a dead name server stops nothing else."""

_NOT_PUBLIC = tuple(
    ip_network(text)
    for text in (
        # IANA's special-purpose registries (RFC 6890), IPv4
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        # what is special within 2000::/3: protocol assignments with Teredo, documentation, 6to4
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    )
)
_UNICAST = ip_network("2000::/3")
"""All other IPv6 is loopback, local, multicast, or stands for an IPv4 address (RFC 4291)."""


class TargetRefused(Exception):
    """The name has no address, or one that may not be called."""


def is_public(address: IpAddress) -> bool:
    """Whether an address is a unicast address of the public internet."""
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    return not any(address in network for network in _NOT_PUBLIC)


class Targets:
    """Resolves names and judges what comes out."""

    def __init__(self, resolve: Resolve | None = None) -> None:
        self._pool = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="webhook-resolver")
        self._resolve = resolve or self._ask

    async def find(
        self, host: str, port: int, allowed: Sequence[IpNetwork], needs_allowed: bool
    ) -> list[str]:
        """The addresses to call. With `needs_allowed` (no TLS) being public is not enough.

        One address that may not be called spoils the name: an honest one has none.
        """
        try:
            texts = await self._resolve(host, port)
            addresses = [ip_address(text) for text in texts]
        except (OSError, ValueError) as error:
            raise TargetRefused("the name cannot be resolved") from error
        for address in addresses:
            is_allowed = any(address in network for network in allowed)
            if not is_allowed and not is_public(address):
                raise TargetRefused("the name leads to an address that is not public")
            if not is_allowed and needs_allowed:
                raise TargetRefused("without TLS only networks in allow_private_targets are called")
        return [str(address) for address in dict.fromkeys(addresses)]

    def close(self) -> None:
        """Let the threads go; one that still waits for DNS ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _ask(self, host: str, port: int) -> Sequence[str]:
        def ask() -> list[str]:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            return [str(entry[4][0]) for entry in found]

        return await asyncio.get_running_loop().run_in_executor(self._pool, ask)
