"""`batch_idle` was read from the configuration and then not used: it was always 10 s."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import Settings, acme
from tests.e2e.inside import InsideGateway
from tests.e2e.ports import free_port
from tests.e2e.session import Session


def test_setting_counts(tmp_path: Path) -> None:
    """A silent holder is closed after the tenant's own `batch_idle`."""
    tenants = {"acme": acme(limits={"batch_idle": "0.2s", "batch_wait": "8s"})}
    settings = Settings(free_port(), tenants=tenants)
    with (
        InsideGateway(tmp_path, settings, make_certificates(tmp_path / "tls")) as house,
        Session(house.open) as holder,
        Session(house.open) as other,
    ):
        holder.mail("news@acme.test")
        assert other.mail("news@acme.test").code == 250
        assert "nothing for 0.2 s" in holder.answer().text
