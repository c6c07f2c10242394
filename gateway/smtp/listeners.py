"""All listening sockets, and how they change with the configuration: all at once or not at all.

A socket is known by where it listens, so a renamed listener keeps it. `bind` opens what is new and
changes nothing else; only `apply` closes what is no longer wanted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.config.values import Endpoint
from gateway.errors import ConfigurationError
from gateway.smtp.listener import Listener
from gateway.smtp.services import Listening, Services

Wanted = Mapping[str, tuple[Endpoint, Listening]]
"""Listeners by name, as the configuration wants them."""
_Key = tuple[Endpoint, str]


class Listeners:
    """The listeners in force."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._open: dict[_Key, Listener] = {}

    def __iter__(self) -> Iterator[Listener]:
        return iter(self._open.values())

    def __len__(self) -> int:
        return len(self._open)

    def bind(self, wanted: Wanted) -> dict[_Key, Listener]:
        """Open the sockets that `wanted` adds; ConfigurationError, and none is open, if one fails.

        Give what comes out to `apply` or to `discard`.
        """
        added: dict[_Key, Listener] = {}
        try:
            for name, (endpoint, listening) in wanted.items():
                key = _key(name, endpoint)
                if key not in self._open:
                    added[key] = Listener(endpoint, listening, self._services)
        except ConfigurationError:
            self.discard(added)
            raise
        return added

    def discard(self, added: Mapping[_Key, Listener]) -> None:
        """Close what `bind` has opened: it will not be used."""
        for listener in added.values():
            listener.close()

    def apply(self, wanted: Wanted, added: Mapping[_Key, Listener]) -> None:
        """Put `wanted` in force; sessions that are open go on in any case."""
        listening = {_key(name, endpoint): said for name, (endpoint, said) in wanted.items()}
        for key in [key for key in self._open if key not in listening]:
            self._open.pop(key).close()
        for key, listener in self._open.items():
            listener.listening = listening[key]
        for key, listener in added.items():
            self._open[key] = listener
            listener.start()

    def close(self) -> None:
        """Accept no more."""
        for listener in self._open.values():
            listener.close()


def _key(name: str, endpoint: Endpoint) -> _Key:
    # Port 0 takes any free one, so there only the name tells two of them apart.
    return (endpoint, "" if endpoint.port else name)
