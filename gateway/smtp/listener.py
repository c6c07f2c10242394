"""The listening sockets: accepts connections and starts a session on each.

A listener keeps its socket over a reload; what it offers is looked up for each new connection. On
a listener that names balancers, connections from them must begin with a PROXY header, which is
read from the socket before any other octet is, so that TLS can follow in the same segment.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address

from gateway.config.values import Endpoint
from gateway.errors import ConfigurationError
from gateway.smtp import proxy
from gateway.smtp.connection import TLS_GOODBYE, Connection
from gateway.smtp.engine import Engine
from gateway.smtp.services import Listening, Services
from gateway.smtp.session import HANDSHAKE, serve

BACKLOG = 1024
PROXY_PATIENCE = 5.0
"""Seconds a balancer may take to send its header."""


class Listener:
    """One listening socket. `listening` may be replaced at any time."""

    def __init__(self, endpoint: Endpoint, listening: Listening, services: Services) -> None:
        """Raises ConfigurationError when the address cannot be listened on."""
        self.endpoint = endpoint
        self.listening = listening
        self._services = services
        family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
        try:
            self._socket = socket.create_server(
                (endpoint.host, endpoint.port), family=family, backlog=BACKLOG
            )
        except OSError as problem:
            raise ConfigurationError(
                f"listener {listening.name}: {endpoint}: {problem.strerror}"
            ) from problem
        self.port = int(self._socket.getsockname()[1])
        """The port in use, also when 0 was asked for."""
        self._socket.setblocking(False)
        self._task: asyncio.Task[None] | None = None
        self._openings: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to accept."""
        self._task = asyncio.get_running_loop().create_task(self._accept())

    def close(self) -> None:
        """Accept no more; sessions go on. Safe to call twice."""
        if self._task is None:
            self._socket.close()
            return
        self._task.cancel()
        # The socket is closed once the loop has let go of it.
        self._task.add_done_callback(lambda _task: self._socket.close())

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, peer = await loop.sock_accept(self._socket)
            except OSError:
                # Out of descriptors, or the peer left at once: neither may end the listener.
                await asyncio.sleep(0.1)
                continue
            opening = loop.create_task(self._open(accepted, str(peer[0])))
            self._openings.add(opening)
            opening.add_done_callback(self._openings.discard)

    async def _open(self, accepted: socket.socket, peer: str) -> None:
        listening = self.listening
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if listening.proxies and any(ip_address(peer) in net for net in listening.proxies):
                async with asyncio.timeout(PROXY_PATIENCE):
                    peer = await _proxied_client(accepted) or peer
            await self._connect(accepted, peer, listening)
        except (OSError, TimeoutError, proxy.ProxyError):
            accepted.close()

    async def _connect(self, accepted: socket.socket, peer: str, listening: Listening) -> None:
        services = self._services
        engine = Engine(listening.offer)
        engine.is_encrypted = listening.is_implicit
        connection = Connection(
            engine,
            peer,
            services.watch,
            lambda opened: serve(opened, services, listening),
            services.current().idle_seconds,
        )
        loop = asyncio.get_running_loop()
        if listening.is_implicit:
            # Counted from here on: half a handshake holds a descriptor as well as a session does.
            services.watch.add(connection)
            try:
                if services.watch.is_flooded_by(peer):
                    raise ConnectionRefusedError
                await loop.connect_accepted_socket(
                    lambda: connection,
                    accepted,
                    ssl=listening.context,
                    ssl_handshake_timeout=HANDSHAKE,
                    ssl_shutdown_timeout=TLS_GOODBYE,
                )
            finally:
                if connection.transport is None:
                    services.watch.remove(connection)
        else:
            await loop.connect_accepted_socket(lambda: connection, accepted)


async def _proxied_client(accepted: socket.socket) -> str | None:
    """Read the PROXY header, and not one octet more, off the socket."""
    loop = asyncio.get_running_loop()
    longest = max(proxy.V1_LONGEST, proxy.V2_LONGEST)
    seen = 0
    while True:
        ready = loop.create_future()
        loop.add_reader(accepted.fileno(), _wake, ready)
        try:
            await ready
        finally:
            loop.remove_reader(accepted.fileno())
        octets = accepted.recv(longest, socket.MSG_PEEK)
        header = proxy.parse(octets)
        if header is not None:
            accepted.recv(header.length)
            return header.client
        if len(octets) == seen:  # the same rest again: closed, or a trickle; do not spin
            if not octets:
                raise proxy.ProxyError("closed before the PROXY header")
            await asyncio.sleep(0.05)
        seen = len(octets)


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
