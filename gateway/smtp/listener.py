"""The listening sockets: accepts connections and starts a session on each.

A listener keeps its socket over a reload; what it offers is looked up for each new connection. On
a listener that names balancers, connections from them must begin with a PROXY header, which is
read from the socket before any other octet is, so that TLS can follow in the same segment. Several
processes may accept from the same socket.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from ipaddress import ip_address

from gateway.config.values import Endpoint
from gateway.smtp import proxy
from gateway.smtp.connection import TLS_GOODBYE, Connection
from gateway.smtp.engine import Engine
from gateway.smtp.services import Listening, Services
from gateway.smtp.session import HANDSHAKE, serve

ACCEPT_PAUSE = 0.1
"""Seconds without accepting when there is no descriptor left."""
PROXY_PATIENCE = 5.0
"""Seconds a balancer may take to send its header."""


class Listener:
    """One listening socket. `listening` may be replaced at any time."""

    def __init__(
        self,
        endpoint: Endpoint,
        listening: Listening,
        listener: socket.socket,
        services: Services,
    ) -> None:
        """`listener` listens on `endpoint` and does not block; it is closed with this object."""
        self.endpoint = endpoint
        self.listening = listening
        self._services = services
        self._socket = listener
        self.port = int(listener.getsockname()[1])
        """The port in use, also when 0 was asked for."""
        self._pause: asyncio.TimerHandle | None = None
        self._openings: set[asyncio.Task[None]] = set()

    @property
    def is_opening(self) -> bool:
        """Whether a connection was accepted that is no session yet."""
        return bool(self._openings)

    def start(self) -> None:
        """Begin to accept."""
        self._pause = None
        asyncio.get_running_loop().add_reader(self._socket, self._accept)

    def close(self) -> None:
        """Accept no more; sessions go on. Safe to call twice."""
        if self._socket.fileno() < 0:
            return
        if self._pause is not None:
            self._pause.cancel()
        with suppress(RuntimeError):  # it never began
            asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _accept(self) -> None:
        # Nothing is awaited between accepting and opening: closing cannot lose a connection.
        loop = asyncio.get_running_loop()
        try:
            accepted, peer = self._socket.accept()
        except BlockingIOError:  # another process was faster
            return
        except OSError:
            # Out of descriptors, or the peer left at once: neither may end the listener.
            loop.remove_reader(self._socket)
            self._pause = loop.call_later(ACCEPT_PAUSE, self.start)
            return
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
