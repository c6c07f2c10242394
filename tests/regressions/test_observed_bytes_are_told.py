"""What `bytes` would have refused at the final dot was told only when it refused, not observed."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import Settings, acme
from tests.e2e.inside import InsideGateway
from tests.e2e.session import Session, letter, wait_until
from tests.e2e.sink import Sink


def test_observed_is_recorded(tmp_path: Path) -> None:
    """A message over the observed daily bytes goes out, and its record says what it was over."""
    with Sink() as sink:
        settings = Settings(
            sink.port,
            gateway={"policies": [{"bytes": "observe"}]},
            tenants={"acme": acme(limits={"bytes_per_day": 1000})},
        )
        with (
            InsideGateway(tmp_path, settings, make_certificates(tmp_path / "tls")) as house,
            Session(house.open) as session,
        ):
            raw = letter("news@acme.test", size=2000)
            assert session.send("news@acme.test", ["anna@inbox.test"], raw).code == 250
            (event,) = wait_until(
                lambda: [one for one in house.events() if one["kind"] == "message.relayed"]
            )
    (entry,) = event["detail"]["trail"]["confirm"]
    assert (entry["tag"], entry["observed"]) == ("TOO-BIG", True)
