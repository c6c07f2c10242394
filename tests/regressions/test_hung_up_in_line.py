"""A customer that hung up while waiting in line kept its place: the holder was closed for nobody,
and a [BATCH-BUSY] that nobody heard made the next connection's MAIL a defiance."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import Settings, acme
from tests.e2e.inside import InsideGateway
from tests.e2e.ports import free_port
from tests.e2e.session import Session, wait_until

SENDER = "news@acme.test"


def test_place_is_given_up(tmp_path: Path) -> None:
    """With the only other one gone the holder may be silent, and the next MAIL is no defiance."""
    tenants = {"acme": acme(limits={"batch_idle": "0.5s", "batch_wait": "1s"})}
    settings = Settings(free_port(), tenants=tenants)
    with (
        InsideGateway(tmp_path, settings, make_certificates(tmp_path / "tls")) as house,
        Session(house.open) as holder,
        Session(house.open) as leaver,
        Session(house.open) as other,
    ):
        holder.mail(SENDER)
        leaver.say(f"MAIL FROM:<{SENDER}>")
        wait_until(lambda: house.line("acme") == (1, 1))
        leaver.drop()
        assert holder.is_waiting(2.2)
        other.say(f"MAIL FROM:<{SENDER}>")
        holder.command("RSET")
        assert other.answer().code == 250
    assert not [event for event in house.events() if event["kind"] == "fact.recorded"]
