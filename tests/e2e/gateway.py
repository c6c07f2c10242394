"""The gateway as an operator runs it: a real `consentry serve` with a configuration of its own.

`Settings` is what tests vary; everything else is one demo-sized set-up: customer `acme` with the
streams `orders` (verified transactional, the default) and `weekly` (list), RSA and Ed25519 keys,
and four listeners: 587-like, 465-like, one without TLS or login for loopback, and the web.
Starting waits for all of them; stopping ends the process by its id and fails if it cannot.
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from argon2 import PasswordHasher

from gateway.control import ControlError, ask
from gateway.message.dkim_keys import KeyKind, dns_record, new_key
from suppression.keys import Keyring
from tests.e2e.certificates import HOST, Certificates
from tests.e2e.deployed import unit_command
from tests.e2e.ports import LOOPBACK, free_port, wait_for_port
from tests.e2e.verifiers import txt

LOGIN, PASSWORD = "acme", "correct horse"
DOMAIN = "acme.test"
COMMAND = Path(sys.executable).with_name("consentry")
CONFINE = Path(__file__).with_name("confine.py")
START_SECONDS, STOP_SECONDS = 120.0, 60.0


def acme(**changes: Any) -> dict[str, Any]:
    """The tenant file of `acme`; `changes` replace its top-level keys."""
    return {
        "state": "open",
        "domains": {
            DOMAIN: {
                "dkim": [
                    {"selector": name, "key_file": f"keys/{name}.pem"} for name in ("rsa", "ed")
                ]
            }
        },
        "logins": [{"name": LOGIN, "password_hash": password_hash(PASSWORD)}],
        "streams": {
            "orders": {"kind": "transactional", "verified": True, "default": True},
            "weekly": {"kind": "list"},
        },
        **changes,
    }


def customer(name: str, **changes: Any) -> dict[str, Any]:
    """A tenant with domain `<name>.test`, unsigned transactional mail and acme's password."""
    return {
        "state": "open",
        "domains": {f"{name}.test": {"dkim": "none"}},
        "logins": [{"name": name, "password_hash": password_hash(PASSWORD)}],
        "streams": {"mail": {"kind": "transactional", "verified": True}},
        **changes,
    }


@dataclass(frozen=True, slots=True)
class Settings:
    """What a test sets: keys of the gateway file, tenant files by name, and the next hop's port.

    `trusted` is the tenant that the open listener takes loopback for; None makes it ask for AUTH.
    """

    next_hop_port: int
    trusted: str | None = "acme"
    gateway: Mapping[str, Any] = field(default_factory=dict)
    tenants: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"acme": acme()})


class Gateway:
    """One running gateway; a context manager that starts and stops it."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        certificates: Certificates,
        *,
        confined: bool = False,
    ) -> None:
        """`confined`: under the limits of the systemd unit, as tests/e2e/confine.py puts them."""
        self._confined = ("/usr/bin/python3", CONFINE) if confined else ()
        self.folder = folder
        self.settings = settings
        self.certificates = certificates
        self.submission, self.submissions, self.open, self.web = (free_port() for _ in range(4))
        self.config = folder / "consentry.yaml"
        self.log_file = folder / "serve.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def keys(self) -> dict[str, str]:
        """The DKIM records of acme.test, as a verifier looks them up."""
        return {f"{name}._domainkey.{DOMAIN}": record for name, (_, record) in _dkim_keys().items()}

    @property
    def log(self) -> str:
        """What the process has written to its standard output and error."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def pid(self) -> int:
        """The process id of the supervisor."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Gateway:
        self.write()
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def write(self) -> None:
        """Write the configuration, its keys and its keyring."""
        (self.folder / "keys").mkdir(parents=True, exist_ok=True)
        (self.folder / "tenants").mkdir(exist_ok=True)
        for name, (pem, _) in _dkim_keys().items():
            write_private(self.folder / f"keys/{name}.pem", pem)
        keyring = self.folder / "keys/keyring.json"
        if not keyring.exists():
            Keyring.create(keyring)
        listeners: list[dict[str, Any]] = [
            {"name": "submission", "listen": f"{LOOPBACK}:{self.submission}", "tls": "starttls"},
            {"name": "submissions", "listen": f"{LOOPBACK}:{self.submissions}", "tls": "implicit"},
            {"name": "open", "listen": f"{LOOPBACK}:{self.open}", "tls": "none"},
        ]
        if self.settings.trusted:
            trusted = {"networks": ["127.0.0.1/32"], "tenant": self.settings.trusted}
            listeners[-1]["trusted"] = [trusted]
        config = {
            "hostname": "gateway.test",
            "web": {
                "listen": f"{LOOPBACK}:{self.web}",
                "base_url": f"http://{HOST}:{self.web}",
                "mailto_domain": "unsubscribe.test",
            },
            "tls": {
                "certificate": str(self.certificates.certificate),
                "key": str(self.certificates.key),
            },
            "listeners": listeners,
            "next_hops": [{"name": "main", "host": LOOPBACK, "port": self.settings.next_hop_port}],
            **copy.deepcopy(dict(self.settings.gateway)),
        }
        # JSON is YAML.
        write_private(self.config, json.dumps(config, indent=1).encode())
        for name, tenant in self.settings.tenants.items():
            write_private(
                self.folder / f"tenants/{name}.yaml", json.dumps(tenant, indent=1).encode()
            )

    def start(self) -> None:
        """Start the process and wait until every listener answers."""
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._confined, *unit_command("ExecStart", COMMAND, self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        try:
            for port in (self.submission, self.submissions, self.open, self.web):
                wait_for_port(port, START_SECONDS)
            self.wait_until_served()
        except TimeoutError as error:
            self.stop()
            raise RuntimeError(f"the gateway did not start:\n{self.log}") from error

    def wait_until_served(self) -> None:
        """Wait until every process says that it serves: a port alone is open before, and while a
        process is started anew."""
        deadline = time.monotonic() + START_SECONDS
        socket = self.folder / "state/supervisor.sock"
        while True:
            try:
                # In a thread of its own: a test with a browser has a loop running in this one.
                with ThreadPoolExecutor(1) as thread:
                    children: Any = thread.submit(
                        lambda: asyncio.run(ask(socket, "status"))
                    ).result()
                if all(child["serves"] for child in children):
                    return
            except ControlError:
                children = []
            if time.monotonic() > deadline:
                raise TimeoutError(f"not all processes serve: {children}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it as an operator would (SIGTERM) and wait until it has gone."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise RuntimeError(f"the gateway did not stop:\n{self.log}") from None

    def run(self, *arguments: str, check: bool = True) -> str:
        """What a `consentry` command prints for this configuration."""
        done = subprocess.run(
            [COMMAND, *arguments, "--config", self.config],
            check=False,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
            timeout=200,
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"consentry {' '.join(arguments)} failed:\n{done.stdout}")
        return done.stdout

    def age_entries(self, seconds: int = 2 * 86_400) -> None:
        """Have all suppressions stand since so much longer: young ones excuse who mails them."""
        records = sqlite3.connect(self.folder / "state/consentry.db", timeout=60)
        with closing(records), records:
            records.execute("UPDATE suppressions SET created_at = created_at - ?", (seconds,))

    def events(self) -> Iterator[dict[str, Any]]:
        """Every event in the journal, file by file; not the line that is being written just now."""
        for file in sorted((self.folder / "state/journal").glob("*.jsonl*")):
            for line in file.read_bytes().split(b"\n")[:-1]:
                yield json.loads(line)


def write_private(path: Path, octets: bytes) -> None:
    """Write a file that only its owner may read."""
    path.touch(mode=0o600)
    path.write_bytes(octets)


@cache
def password_hash(password: str) -> str:
    """A cheap Argon2 hash: tests sign in often."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)


@cache
def _dkim_keys() -> dict[str, tuple[bytes, str]]:
    """One RSA and one Ed25519 key for the whole run: PEM and DNS record."""
    pems = {"rsa": new_key(KeyKind.RSA), "ed": new_key(KeyKind.ED25519)}
    return {name: (pem, txt(dns_record(pem))) for name, pem in pems.items()}
