"""A reload that could not open a socket was refused half-way: the new configuration was in force
and the old listener gone. Renaming a listener was enough, for its port was taken by itself."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.control import SMTP_SOCKET, ControlError, ask
from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import Gateway, Settings
from tests.e2e.ports import LOOPBACK, free_port
from tests.e2e.session import Session
from tests.faults.houses import Inside


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Inside]:
    """A gateway to reload."""
    harness = Gateway(tmp_path, Settings(free_port()), make_certificates(tmp_path / "tls"))
    with Inside(harness) as running:
        yield running


def told(house: Inside, verb: str) -> Any:
    """What `consentry <verb>` is told."""
    return asyncio.run(ask(house.harness.folder / "state" / SMTP_SOCKET, verb))


def change(house: Inside, changes: Mapping[str, Mapping[str, str]]) -> None:
    """Change the keys of listeners, by name, in the configuration file."""
    path = house.harness.config
    config = json.loads(path.read_text())
    for listener in config["listeners"]:
        listener.update(changes.get(listener["name"], {}))
    path.write_text(json.dumps(config))


def test_a_renamed_listener_keeps_its_socket(house: Inside) -> None:
    """The reload succeeds; open sessions and new ones are served on the port under its new name."""
    before = told(house, "status")["listeners"]
    with Session(house.port) as old:
        change(house, {"open": {"name": "renamed"}})
        told(house, "reload")
        before["renamed"] = before.pop("open")
        assert told(house, "status")["listeners"] == before
        with Session(house.port) as new:
            assert [one.command("NOOP").code for one in (old, new)] == [250, 250]


def test_two_listeners_change_ports(house: Inside) -> None:
    """Listeners that swap ports, and with them what is asked on each, are no conflict."""
    harness = house.harness
    change(
        house,
        {
            "open": {"listen": f"{LOOPBACK}:{harness.submission}"},
            "submission": {"listen": f"{LOOPBACK}:{harness.open}"},
        },
    )
    told(house, "reload")
    with Session(harness.open) as closed, Session(harness.submission) as open_:
        assert closed.mail("news@acme.test").code == 530
        assert open_.mail("news@acme.test").code == 250


def test_an_occupied_port_changes_nothing(house: Inside) -> None:
    """Hash and listeners stay, no other new port is left open, and the reload may be repeated."""
    harness, elsewhere = house.harness, free_port()
    before = told(house, "status")
    with socket.create_server((LOOPBACK, 0)) as occupier:
        occupied = occupier.getsockname()[1]
        change(
            house,
            {
                "submission": {"listen": f"{LOOPBACK}:{elsewhere}"},
                "open": {"listen": f"{LOOPBACK}:{occupied}"},
            },
        )
        with pytest.raises(ControlError, match=str(occupied)):
            told(house, "reload")
    after = told(house, "status")
    for key in ("config", "listeners"):
        assert after[key] == before[key]
    for port in (harness.open, harness.submission):
        with Session(port) as session:
            assert session.greeting.code == 220
    with pytest.raises(ConnectionRefusedError):
        Session(elsewhere)

    told(house, "reload")
    assert told(house, "status")["config"] != before["config"]
    for port in (occupied, elsewhere):
        with Session(port) as session:
            assert session.greeting.code == 220
