"""An idle customer that never answered the TLS goodbye held a shutdown up for 30 s."""

from __future__ import annotations

import time
from pathlib import Path

from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import Gateway, Settings
from tests.e2e.ports import free_port
from tests.faults.customer import Customer


def test_sigterm_ends_soon(tmp_path: Path) -> None:
    """Customers that do not even read, over both kinds of TLS, are given seconds."""
    certificates = make_certificates(tmp_path / "tls")
    with (
        Gateway(tmp_path, Settings(free_port()), certificates) as house,
        Customer(house.submissions, tls=certificates) as implicit,
        Customer(house.submission) as upgraded,
    ):
        assert implicit.hello().code == upgraded.hello().code == 250
        assert upgraded.ask("STARTTLS").code == 220
        assert upgraded.start_tls(certificates).code == 250
        started = time.monotonic()
        house.stop()
        assert time.monotonic() - started < 20
        assert [one.answer().tag for one in (implicit, upgraded)] == ["SHUTDOWN"] * 2
