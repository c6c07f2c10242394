"""A reload while the tenants folder was moved or not mounted put an empty house in force: every
customer was turned away for good, with nothing but a warning."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.control import SMTP_SOCKET, ControlError, ask
from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import Gateway, Settings
from tests.e2e.ports import free_port
from tests.e2e.session import Session
from tests.faults.houses import Inside


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Inside]:
    """A gateway with one tenant, which no listener names."""
    settings = Settings(free_port(), trusted=None)
    harness = Gateway(tmp_path, settings, make_certificates(tmp_path / "tls"))
    with Inside(harness) as running:
        yield running


def told(house: Inside, verb: str) -> Any:
    """What `consentry <verb>` is told."""
    return asyncio.run(ask(house.harness.folder / "state" / SMTP_SOCKET, verb))


@pytest.mark.parametrize("left_behind", ["nothing", "an empty folder"])
def test_the_house_is_kept(house: Inside, left_behind: str) -> None:
    """The reload is refused by the folder's name, and the customers are served as before."""
    before = told(house, "status")["config"]
    tenants = house.harness.folder / "tenants"
    tenants.rename(tenants.with_name("moved"))
    if left_behind == "an empty folder":
        tenants.mkdir()
    with pytest.raises(ControlError, match="tenants_dir") as refusal:
        told(house, "reload")
    assert str(tenants) in str(refusal.value)
    assert told(house, "status")["config"] == before
    with Session(house.port, "acme") as session:
        assert session.mail("news@acme.test").code == 250
