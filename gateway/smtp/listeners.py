"""All listening sockets, and how they change with the configuration: all at once or not at all.

A socket is known by where it listens, so a renamed listener keeps it. `bind` takes what is new from
`gateway.sockets` and changes nothing else; only `apply` closes what is no longer wanted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.config.values import Endpoint
from gateway.errors import ConfigurationError
from gateway.smtp.listener import Listener
from gateway.smtp.services import Listening, Services
from gateway.sockets import Key, Sockets, key_of

Wanted = Mapping[str, tuple[Endpoint, Listening]]
"""Listeners by name, as the configuration wants them."""


class Listeners:
    """The listeners in force."""

    def __init__(self, services: Services, sockets: Sockets) -> None:
        self._services = services
        self._sockets = sockets
        self._open: dict[Key, Listener] = {}

    def __iter__(self) -> Iterator[Listener]:
        return iter(self._open.values())

    def __len__(self) -> int:
        return len(self._open)

    @property
    def is_opening(self) -> bool:
        """Whether one has accepted a connection that is no session yet."""
        return any(listener.is_opening for listener in self._open.values())

    def bind(self, wanted: Wanted) -> dict[Key, Listener]:
        """Take the sockets that `wanted` adds; ConfigurationError, and none is open, if one fails.

        Blocks for a moment. Give what comes out to `apply` or to `discard`.
        """
        added: dict[Key, Listener] = {}
        try:
            for name, (endpoint, listening) in wanted.items():
                key = key_of(_said(name), endpoint)
                if key not in self._open:
                    taken = self._sockets.take(_said(name), endpoint)
                    added[key] = Listener(endpoint, listening, taken, self._services)
        except ConfigurationError:
            self.discard(added)
            raise
        return added

    def discard(self, added: Mapping[Key, Listener]) -> None:
        """Let go of what `bind` has taken: it will not be used."""
        for listener in added.values():
            listener.close()
        if self._open:  # else this process is not ready, but about to end
            self._sockets.ready(self._open)

    def apply(self, wanted: Wanted, added: Mapping[Key, Listener]) -> None:
        """Put `wanted` in force; sessions that are open go on in any case."""
        listening = {
            key_of(_said(name), endpoint): said for name, (endpoint, said) in wanted.items()
        }
        for key in [key for key in self._open if key not in listening]:
            self._open.pop(key).close()
        for key, listener in self._open.items():
            listener.listening = listening[key]
        for key, listener in added.items():
            self._open[key] = listener
            listener.start()
        self._sockets.ready(self._open)

    def close(self) -> None:
        """Accept no more; what the supervisor keeps stays open for a successor."""
        for listener in self._open.values():
            listener.close()

    def give_up(self) -> None:
        """Say that there will be no successor: whoever connects is then refused, not left waiting.

        Blocks for a moment.
        """
        self._sockets.ready(())


def _said(name: str) -> str:
    """A listener's name among all that listens, as errors tell it."""
    return f"listener {name}"
