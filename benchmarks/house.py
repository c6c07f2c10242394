"""The gateway that is measured: twenty customers, every policy on, a million suppressions.

Each customer has one list stream, with an unsubscribe pair stamped on every copy, signs with
RSA-2048 and may have one transaction open at a time, as the default contract says. Nothing else
differs from the defaults, but that all connections may come from one address.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from benchmarks import records
from benchmarks.processes import MEASURED, OTHER, move, on_core
from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import PASSWORD, Gateway, Settings

TENANTS = 20
NAMES = [f"customer{number}" for number in range(TENANTS)]
DOMAINS = [f"{name}.test" for name in NAMES]
LOGINS = [f"{name}:{PASSWORD}" for name in NAMES]
CONNECTIONS = 2_100


@dataclass(frozen=True, slots=True)
class House:
    """A running gateway: its SMTP processes, and its ports without and with (implicit) TLS."""

    workers: tuple[int, ...]
    plain: int
    tls: int

    @property
    def smtp(self) -> int:
        """The first SMTP process."""
        return self.workers[0]


@contextmanager
def house(
    folder: Path, next_hop: int, sections: Mapping[str, Any] | None = None, cores: int = 1
) -> Iterator[House]:
    """Run the gateway in `folder`, its first SMTP process alone on its core, further ones on the
    other one when `cores` is 2. `sections` are further keys of the gateway file; with
    `postgresql` the records are empty."""
    settings = _settings(next_hop, sections or {})
    gateway = Gateway(folder, settings, make_certificates(folder / "certificates"))
    if "postgresql" not in settings.gateway:
        _copy_records(folder)
    gateway.write()
    with on_core(MEASURED):
        gateway.start()
    try:
        yield House(_keep_apart(gateway.pid, cores), gateway.open, gateway.submissions)
    finally:
        gateway.stop()


def _copy_records(folder: Path) -> None:
    prepared = records.prepared()
    for name, place in (
        (records.DATABASE, "state"),
        (records.KEYRING, "keys"),
        (records.OPT_OUTS, "opt-outs"),
    ):
        (folder / place).mkdir(mode=0o700)
        shutil.copy(prepared / name, folder / place / name)


def _settings(next_hop: int, sections: Mapping[str, Any]) -> Settings:
    session = {"max_connections": CONNECTIONS, "per_address": CONNECTIONS}
    password = PasswordHasher().hash(PASSWORD)
    tenants = {name: _customer(name, password) for name in NAMES}
    gateway = {"session": session, **sections}
    return Settings(next_hop, trusted=None, gateway=gateway, tenants=tenants)


def _customer(name: str, password_hash: str) -> dict[str, Any]:
    return {
        "state": "open",
        "domains": {f"{name}.test": {"dkim": [{"selector": "rsa", "key_file": "keys/rsa.pem"}]}},
        "logins": [{"name": name, "password_hash": password_hash}],
        "streams": {"news": {"kind": "list"}},
    }


def _keep_apart(supervisor: int, cores: int) -> tuple[int, ...]:
    """Move all of the gateway but its SMTP processes to the other core; the ids of those."""
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
    workers = [pid for pid, command in commands.items() if b"smtp" in command.split(b"\0")]
    for pid in {supervisor, *commands} - set(workers):
        move(pid, OTHER)
    for number, pid in enumerate(workers):
        move(pid, (MEASURED, OTHER)[number % cores])
    return tuple(workers)
