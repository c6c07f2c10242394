"""A next-hop connection stayed lent while its transaction only waited for the customer: as many
slow customers as connections, and every other tenant's RCPT waited in vain for [NEXT-HOP-AWAY]."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.relay import pool
from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import Settings, customer
from tests.e2e.inside import InsideGateway
from tests.e2e.ports import LOOPBACK
from tests.e2e.session import Session, letter
from tests.faults.hop import Hop

NAMES = ("silent", "uploading", "other")


def test_others_are_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one customer silent and one in the middle of its data, a third one's mail goes out over
    one of the two connections; then theirs goes out too, each once and to all its recipients."""
    monkeypatch.setattr(pool, "REST_SECONDS", 0.0)
    monkeypatch.setattr(pool, "LINE_SECONDS", 2.0)
    with Hop() as hop:
        next_hop = {"name": "main", "host": LOOPBACK, "port": hop.port, "max_connections": 2}
        settings = Settings(
            hop.port,
            trusted=None,
            gateway={"next_hops": [next_hop]},
            tenants={name: customer(name) for name in NAMES},
        )
        with (
            InsideGateway(tmp_path, settings, make_certificates(tmp_path / "tls")) as house,
            Session(house.open, "silent") as silent,
            Session(house.open, "uploading") as uploading,
            Session(house.open, "other") as other,
        ):
            for session, name in ((silent, "silent"), (uploading, "uploading")):
                session.mail(f"news@{name}.test")
                assert [said.code for said in session.rcpt("a@inbox.test", "b@inbox.test")] == [
                    250,
                    250,
                ]
            upload = letter("news@uploading.test", size=100_000)
            assert uploading.command("DATA").code == 354
            uploading.say_octets(upload[:50_000])

            for _ in range(3):
                sender = "news@other.test"
                assert other.send(sender, ["c@inbox.test"], letter(sender)).code == 250

            assert silent.rcpt("c@inbox.test")[0].code == 250
            assert silent.data(letter("news@silent.test")).code == 250
            uploading.say_octets(upload[50_000:] + b".\r\n")
            assert uploading.answer().code == 250
        kept = sorted((one.sender.split("@")[1], len(one.recipients)) for one in hop.kept)
        assert kept == [("other.test", 1)] * 3 + [("silent.test", 3), ("uploading.test", 2)]
        assert {one.connection for one in hop.kept} <= {1, 2}
