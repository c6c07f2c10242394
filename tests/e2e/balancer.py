"""HAProxy as deploy/haproxy shows it: that file, with ports and addresses of this test in it.

`Balancer` takes the gateways (two, as in the file) and gives the ports of the three front ends.
A context manager: starting waits until HAProxy listens, stopping ends the process by its id;
`wait_for` waits until it takes gateways for up or down. Raises RuntimeError with HAProxy's words
when it does not start.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.e2e.certificates import Certificates
from tests.e2e.ports import LOOPBACK, free_port, wait_for_port

FILE = Path(__file__).parents[2] / "deploy/haproxy/haproxy.cfg"
CERTIFICATE = "/etc/haproxy/web.pem"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where one gateway listens on loopback."""

    submission: int
    submissions: int
    web: int


class Balancer:
    """One HAProxy in front of `gateways`, in the order of the file."""

    def __init__(
        self,
        folder: Path,
        gateways: Sequence[Ports],
        certificates: Certificates,
        *,
        version: int = 2,
    ) -> None:
        """`folder` exists and gets its files; `version` of the PROXY header: the file has 2."""
        self.submission, self.submissions, self.web = (free_port() for _ in range(3))
        self._gateways = gateways
        self._certificates = certificates
        self._version = version
        self._folder = folder
        self._socket = folder / "admin.sock"
        self._log = folder / "haproxy.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Balancer:
        pem = self._folder / "web.pem"
        pem.touch(mode=0o600)
        pem.write_bytes(
            self._certificates.certificate.read_bytes() + self._certificates.key.read_bytes()
        )
        file = self._folder / "haproxy.cfg"
        file.write_text(self.configuration(pem))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["haproxy", "-db", "-f", file], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            wait_for_port(self.submission)
        except TimeoutError as error:
            self.stop()
            raise RuntimeError(f"HAProxy did not start:\n{self._log.read_text()}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def configuration(self, certificate: Path) -> str:
        """The file with this test's places; AssertionError when one is not in it as expected."""
        text = FILE.read_text()
        places = {
            "bind :::587 v4v6": f"bind {LOOPBACK}:{self.submission}",
            "bind :::465 v4v6": f"bind {LOOPBACK}:{self.submissions}",
            "bind :::443 v4v6": f"bind {LOOPBACK}:{self.web}",
            CERTIFICATE: str(certificate),
            # The only addition: where a test asks which gateways are up.
            "global\n": f"global\n    stats socket {self._socket} level admin\n",
        }
        for number, ports in enumerate(self._gateways, 1):
            places[f"gateway{number}:587"] = f"{LOOPBACK}:{ports.submission}"
            places[f"gateway{number}:465"] = f"{LOOPBACK}:{ports.submissions}"
            places[f"gateway{number}:8080"] = f"{LOOPBACK}:{ports.web}"
        if self._version == 1:
            text = text.replace("send-proxy-v2", "send-proxy")
        for documented, ours in places.items():
            assert text.count(documented) == 1, documented
            text = text.replace(documented, ours)
        return text

    def stop(self) -> None:
        """End HAProxy; does nothing when it has ended."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(60)

    def states(self, backend: str = "submission") -> dict[str, bool]:
        """Which gateways HAProxy sends new connections to, by their names in the file."""
        with socket.socket(socket.AF_UNIX) as asked:
            asked.connect(str(self._socket))
            asked.sendall(f"show servers state {backend}\n".encode())
            answer = asked.makefile().read()
        rows = [line.split() for line in answer.splitlines()[2:] if line]
        return {row[3]: row[5] == "2" for row in rows}

    def wait_for(self, backend: str = "submission", **expected: bool) -> None:
        """Return once HAProxy takes the gateways for up or down as `expected`; TimeoutError."""
        deadline = time.monotonic() + 60
        while not expected.items() <= (states := self.states(backend)).items():
            if time.monotonic() > deadline:
                raise TimeoutError(f"HAProxy sees {states}, not {expected}")
            time.sleep(0.02)
