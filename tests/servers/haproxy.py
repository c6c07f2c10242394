"""A real HAProxy in front of what a test starts, from the text of its configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.e2e.ports import wait_for_port
from tests.servers.program import Program


class HaProxy(Program):
    """One HAProxy; serves once every port of `ports` takes connections."""

    def __init__(self, configuration: str, ports: Sequence[int]) -> None:
        """`configuration` is the text of its whole file, `ports` where it listens on loopback."""
        super().__init__("haproxy")
        self._file = self.folder / "haproxy.cfg"
        self._file.write_text(configuration)
        self._ports = tuple(ports)

    def command(self) -> Sequence[str | Path]:
        """HAProxy in the foreground."""
        return ["haproxy", "-db", "-f", self._file]

    def is_ready(self) -> bool:
        """Whether every port takes connections on loopback."""
        for port in self._ports:
            wait_for_port(port, 0)
        return True
