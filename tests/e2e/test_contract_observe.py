"""A rule in `observe` mode says what it would have refused, and refuses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from policies.registry import REGISTRY
from tests.e2e.certificates import Certificates
from tests.e2e.gateway import Settings, customer
from tests.e2e.inside import InsideGateway
from tests.e2e.session import Session, letter, wait_until
from tests.e2e.sink import Sink

OBSERVED = {"suppression", "recipients", "bytes", "batch", "from-alignment"}
SENDER = "news@watched.test"
GUARDED = [f"guarded{number}@inbox.test" for number in range(11)]


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    """The next hop."""
    with Sink() as running:
        yield running


@pytest.fixture(scope="module")
def house(
    sink: Sink, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InsideGateway]:
    """A gateway that observes some rules, and a tenant that breaks them all."""
    policies = [{name: "observe" if name in OBSERVED else "enforce"} for name in REGISTRY]
    limits = {"recipients_per_message": 5, "bytes_per_day": 2000}
    tenant = customer("watched", limits=limits, streams={"mail": {"kind": "transactional"}})
    settings = Settings(
        sink.port, trusted=None, gateway={"policies": policies}, tenants={"watched": tenant}
    )
    with InsideGateway(tmp_path_factory.mktemp("house"), settings, certificates) as running:
        listed = running.folder / "guarded.txt"
        listed.write_text("".join(f"{address}\n" for address in GUARDED))
        running.run("suppress", "import", str(listed), "--reason", "protected", "--scope", "*")
        yield running


def test_observed_rules_only_report(house: InsideGateway, sink: Sink) -> None:
    """The message goes out whole; the record of it names each rule that would have refused it, and
    `explain` shows them."""
    with Session(house.open, "watched") as holder, Session(house.open, "watched") as session:
        assert holder.mail(SENDER).code == 250
        assert session.mail(SENDER).code == 250
        assert [answer.code for answer in session.rcpt(*GUARDED)] == [250] * len(GUARDED)
        raw = letter("boss@elsewhere.test", size=5000)
        assert session.data(raw).code == 250
    (message,) = sink.wait_for(1)
    assert message.recipients == tuple(GUARDED)
    (event,) = wait_until(lambda: [e for e in house.events() if e["kind"] == "message.relayed"])
    trail: dict[str, Any] = event["detail"]["trail"]
    said = [*trail["mail"], *trail["message"], *trail.get("confirm", [])]
    said += [entry for noted in trail["rcpt"] for entry in noted["trail"]]
    tags = {entry["tag"] for entry in said if entry["tag"] and entry["observed"]}
    assert tags == {"PROTECTED", "RCPT-LIMIT", "TOO-BIG", "BATCH-BUSY", "FROM-ALIGN"}
    assert not [entry for entry in said if entry["tag"] and not entry["observed"]]
    assert "PROTECTED" in house.run("explain", event["ref"])


def test_observed_hits_are_no_facts(house: InsideGateway) -> None:
    """What was not refused is not held against the tenant: eleven hits block nothing."""
    with Session(house.open, "watched") as session:
        session.mail(SENDER)
        assert {answer.code for answer in session.rcpt(*GUARDED)} == {250}
        session.command("RSET")
        assert session.mail(SENDER).code == 250
    assert not [event for event in house.events() if event["kind"] == "fact.recorded"]


def test_enforced_rules_still_hold(house: InsideGateway) -> None:
    """The rules beside them refuse as ever."""
    with Session(house.open, "watched") as session:
        assert session.mail("news@other.test").tag == "SENDER"
