"""A refusal for how an address is written stood in the journal with the address in it."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import Gateway, Settings
from tests.e2e.session import Session
from tests.faults.hop import Hop
from tests.faults.houses import Inside

PATHS = ("<@relay.test:anna@inbox.test>", "<anna%b@inbox.test>", "<anna@[192.0.2.1]>")


def test_no_address_is_recorded(tmp_path: Path) -> None:
    """The customer sees what it wrote, the journal only what was wrong with it."""
    with Hop() as hop:
        harness = Gateway(tmp_path, Settings(hop.port), make_certificates(tmp_path / "tls"))
        with Inside(harness) as house, Session(house.port) as session:
            said = [session.command(f"MAIL FROM:{path}") for path in PATHS]
            session.mail("news@acme.test")
            said += [session.command(f"RCPT TO:{path}") for path in PATHS]
            events = [event for event in house.events if event.kind.endswith(".refused")]
    assert all("anna" in answer.text for answer in said)
    shown = [str(event.detail["reply"]) for event in events]
    assert len(shown) == 2 * len(PATHS)
    assert all("is no acceptable address" in reply for reply in shown)
    assert not [reply for reply in shown if "anna" in reply]
