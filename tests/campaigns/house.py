"""The gateway that a campaign runs against: a real `consentry serve` that can be killed.

`house` writes its configuration: short patience with several next hops on the ports of
one `NextHop`, customer `acme` with a transactional and a list stream, addresses in the journal.
`House.kill` ends the SMTP process with SIGKILL, reads what it left behind before its successor
does, and measures how long nobody is greeted.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.ledger.intents import Intents
from gateway.relay.outcome import State
from tests.campaigns.next_hop import Port
from tests.e2e.certificates import HOST, Certificates
from tests.e2e.gateway import DOMAIN, Settings, acme
from tests.e2e.ports import LOOPBACK
from tests.faults.houses import STREAMS, Served

START_WITHIN = 120.0
"""Seconds after which a killed process that nobody has started again is given up."""

Unknown = set[tuple[str, bytes]]
"""Copies whose fate a process left open: ref and ledger key."""


@dataclass(frozen=True, slots=True)
class Kill:
    """One `kill -9`, at `at` (monotonic); `seconds` to the next greeting. `octets` is what the
    byte window held in the records when the process was dead."""

    at: float
    seconds: float
    unknown: Unknown
    octets: int = 0


class House(Served):
    """A running gateway whose SMTP process is killed now and then."""

    began = 0.0
    """When it was started first (Unix seconds)."""

    def start(self) -> None:
        """Start it; what is in the journal by now is history."""
        self.began = self.began or time.time()
        super().start()

    @property
    def journal_files(self) -> list[Path]:
        """What the SMTP processes have written."""
        files = sorted((self.folder / "state/journal").glob("smtp*.jsonl"))
        return [file for file in files if file.stat().st_mtime >= self.began]

    def kill(self, when_dead: Callable[[], None] = lambda: None) -> Kill:
        """Kill the SMTP process and wait for its successor; `when_dead` is called between."""
        old = self.child("smtp")
        at = time.monotonic()
        os.kill(old, signal.SIGKILL)
        while self._child("smtp") == old:
            time.sleep(0.002)
        unknown, octets = self.left_open(), self.window()
        when_dead()
        while not self._is_greeting():
            if time.monotonic() - at > START_WITHIN:
                raise RuntimeError(f"the SMTP process did not come back:\n{self.log}")
            time.sleep(0.005)
        return Kill(at, time.monotonic() - at, unknown, octets)

    def kill_everything(self) -> None:
        """Kill supervisor, SMTP and web process at once and start the gateway again."""
        children = [self.child(part) for part in ("web", "smtp")]
        process, self._process = self._process, None
        assert process is not None
        for pid in (process.pid, *children):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        self.start()

    def left_open(self) -> Unknown:
        """What a dead process's intent file and ledger call unknown."""
        found = Intents(self.folder / "state/intents").replay()
        unknown = {(ref, key) for ref, key, state, _ in found if state is State.UNKNOWN}
        return unknown | {
            (ref, key)
            for ref, key in self.rows("SELECT ref, key FROM ledger WHERE state = 'unknown'")
        }

    def window(self) -> int:
        """Octets of acme's byte window as the records hold them."""
        query = "SELECT coalesce(sum(amount), 0) FROM windows WHERE key = 'bytes:acme'"
        ((octets,),) = self.rows(query)
        return int(octets)

    def known(self) -> dict[bytes, str]:
        """The ledger: key to state."""
        return dict(self.rows("SELECT key, state FROM ledger"))

    def suppress(self, addresses: Iterable[str]) -> None:
        """Have these addresses complained about acme."""
        file = self.folder / "complaints.csv"
        file.write_text("address\n" + "".join(f"{one}\n" for one in addresses))
        self.run("suppress", "import", str(file), "--reason", "complaint", "--scope", "acme")

    @property
    def doors(self) -> list[tuple[str, int]]:
        """The listeners by how they encrypt."""
        return [
            ("none", self.open),
            ("starttls", self.submission),
            ("implicit", self.submissions),
        ]

    def _is_greeting(self) -> bool:
        with suppress(OSError), socket.create_connection((LOOPBACK, self.open), timeout=5) as one:
            return one.recv(4) == b"220 "
        return False


def house(folder: Path, ports: Sequence[Port], certificates: Certificates, seconds: float) -> House:
    """A gateway in front of these ports, not started; `seconds` is its patience with them."""
    signing = {DOMAIN: {"dkim": [{"selector": "ed", "key_file": "keys/ed.pem"}]}}
    tenants = {"acme": acme(domains=signing, streams=STREAMS)}
    return House(folder, settings_for(ports, certificates, seconds, tenants), certificates)


def settings_for(
    ports: Sequence[Port],
    certificates: Certificates,
    seconds: float,
    tenants: Mapping[str, Mapping[str, Any]],
) -> Settings:
    """What a gateway in front of these ports is set to: wide limits but those of `tenants`."""
    patience = dict.fromkeys(("greeting", "command", "data", "dot"), seconds)
    hops = [
        {
            "name": f"hop{port.number}",
            "host": LOOPBACK,
            "port": port.number,
            "max_connections": 60,
            "timeouts": patience | {"connect": 2 * seconds},
        }
        | (
            {"tls": "verify", "ca_file": str(certificates.authority), "server_name": HOST}
            if port.tls
            else {}
        )
        for port in ports
    ]
    return Settings(
        ports[0].number,
        gateway={
            "limits": {"batches": 1000, "bytes_per_day": 10**13},
            "session": {"per_address": 1000, "refusals_per_hour": 10**9},
            "journal": {"addresses": True, "keep_files": 10_000},
            "next_hops": hops,
        },
        tenants=tenants,
    )
