"""What the load campaigns play on: twenty customers who sign, a next hop that takes everything.

`Stage` is a context manager over a real `consentry serve`: its SMTP process has core 0 to itself
when there are two, all else runs on core 1 (`pin`). Every customer has a transactional stream and
a list, sends in the clear with AUTH on the open listener or with TLS on the submissions listener.
`Sink` is Postfix's smtp-sink, which counts the messages it has taken.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.campaigns.traffic import Plan
from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import Settings, customer
from tests.e2e.ports import LOOPBACK, free_port, wait_for_port
from tests.faults.houses import Served

NAMES = tuple(f"customer{number}" for number in range(20))
GATEWAY_CORE, OTHER_CORE = 0, 1
FIRST = -15
"""How nice those are that go first; not the least, for the system's own work comes before."""


def tenant(name: str, **limits: object) -> dict[str, Any]:
    """A customer who signs with RSA-2048: `news@` is transactional, `weekly@` goes to a list."""
    return customer(
        name,
        domains={f"{name}.test": {"dkim": [{"selector": "rsa", "key_file": "keys/rsa.pem"}]}},
        streams={
            "mail": {"kind": "transactional", "verified": True, "default": True},
            "weekly": {"kind": "list", "mail_from": [f"weekly@{name}.test"]},
        },
        limits={"bytes_per_day": "10TB", **limits},
    )


class Sink:
    """smtp-sink on a port; `taken` is how many messages it has accepted."""

    def __init__(self) -> None:
        self.port = free_port()
        self.taken = 0

    def __enter__(self) -> Sink:
        command = ["smtp-sink", "-c", f"{LOOPBACK}:{self.port}", "1000"]
        if os.geteuid() == 0:
            command[1:1] = ["-u", "nobody"]
        path = os.environ["PATH"] + ":/usr/sbin:/sbin"
        self._process = subprocess.Popen(
            command, env={**os.environ, "PATH": path}, stdout=subprocess.PIPE
        )
        self._reading = threading.Thread(target=self._read)
        self._reading.start()
        wait_for_port(self.port)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait()
        self._reading.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        rest = b""
        while block := os.read(self._process.stdout.fileno(), 65_536):
            *counts, rest = (rest + block).split(b"\r")
            if counts and (found := re.search(rb"mesg=(\d+)", counts[-1])):
                self.taken = int(found[1])


class Stage:
    """A gateway before a sink; a context manager. `house` reaches its processes."""

    def __init__(
        self,
        gateway: Mapping[str, Any] | None = None,
        more: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        goes_first: bool = False,
    ) -> None:
        """`gateway` are keys of the gateway file, `more` further tenants; see `go_first`."""
        self._goes_first = goes_first
        pin(0, OTHER_CORE)
        self._folder = tempfile.TemporaryDirectory(prefix="consentry-campaign-")
        self.folder = Path(self._folder.name)
        self.certificates = make_certificates(self.folder / "certificates")
        self.sink = Sink()
        settings = Settings(
            self.sink.port,
            trusted=None,
            gateway={**(gateway or {})},
            tenants={**{name: tenant(name) for name in NAMES}, **(more or {})},
        )
        self.house = Served(self.folder / "house", settings, self.certificates)

    def __enter__(self) -> Stage:
        self.sink.__enter__()
        self.house.write()
        pin(0, GATEWAY_CORE)
        try:
            self.house.start()
        except BaseException:
            self.sink.__exit__(None, None, None)
            raise
        finally:
            pin(0, OTHER_CORE)
        pin(self.house.pid, OTHER_CORE)
        pin(self.house.child("web"), OTHER_CORE)
        if self._goes_first:
            for process in ("smtp", "web"):
                go_first(self.house.child(process))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.house.stop()
        finally:
            self.sink.__exit__(None, None, None)
            self._folder.cleanup()

    def plan(self, rate: float, **changes: Any) -> Plan:
        """Traffic of all customers, `rate` messages a second together."""
        numbers = self.house.rows("SELECT tenant, number FROM streams WHERE name = 'weekly'")
        return Plan(
            **{
                "smtp": self.house.open,
                "steady": NAMES,
                "rate": rate,
                "smtps": self.house.submissions,
                "authority": self.certificates.authority,
                "web": self.house.web,
                "keyring": self.house.folder / "keys/keyring.json",
                "lists": dict(numbers),
                **changes,
            }
        )


def pin(pid: int, core: int) -> None:
    """Run a process (0: this one) with all its threads on `core`, where there are several."""
    if (os.cpu_count() or 1) > 1:
        for thread in Path(f"/proc/{pid or os.getpid()}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})


def go_first(pid: int) -> None:
    """Have the session of a process go before what runs here besides, if the system lets it.

    Then its delays are its own, on a machine that is busy otherwise too. Its threads' priorities
    among themselves stay as they are (sched(7), autogroup).
    """
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(FIRST))
