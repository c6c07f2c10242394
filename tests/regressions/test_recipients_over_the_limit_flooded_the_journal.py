"""Each recipient over the limit wrote an event: one list too long washed the journal away."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import Gateway, Settings, acme
from tests.e2e.session import Session
from tests.faults.hop import Hop
from tests.faults.houses import Inside


def test_one_event_for_each_transaction(tmp_path: Path) -> None:
    """All over the limit are told so; the first of a transaction is recorded with its number."""
    limits = {"recipients_per_message": 2}
    readers = [f"reader{number}@inbox.test" for number in range(1000)]
    with Hop() as hop:
        settings = Settings(hop.port, tenants={"acme": acme(limits=limits)})
        harness = Gateway(tmp_path, settings, make_certificates(tmp_path / "tls"))
        with Inside(harness) as house, Session(house.port) as session:
            for _ in range(2):
                session.mail("news@acme.test")
                answers = [answer.short for answer in session.rcpt(*readers)]
                assert answers == ["250 2.1.5"] * 2 + ["452 4.5.3 [RCPT-LIMIT]"] * 998
                session.command("RSET")
            refused = [event for event in house.events if event.kind == "rcpt.refused"]
    assert [(event.tag, event.detail["n"]) for event in refused] == [("RCPT-LIMIT", 3)] * 2
    assert refused[0].ref != refused[1].ref
