"""What was pipelined behind a refused MAIL or behind refused RCPTs counted as errors, and errors
counted for ever: an honest session was closed because another connection held the batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import Gateway, Settings, acme
from tests.e2e.session import Session, letter
from tests.faults.hop import Hop
from tests.faults.houses import Inside

SENDER, ANNA = "news@acme.test", "anna@inbox.test"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Inside]:
    """A gateway that closes a session at its third error."""
    tenants = {"acme": acme(limits={"batch_wait": "0.2s", "batch_idle": "20s"})}
    with Hop() as hop:
        settings = Settings(hop.port, gateway={"session": {"errors": 3}}, tenants=tenants)
        harness = Gateway(tmp_path, settings, make_certificates(tmp_path / "tls"))
        with Inside(harness) as running:
            yield running


def test_behind_a_deferred_mail(house: Inside) -> None:
    """RCPTs and DATA behind [BATCH-BUSY] are refused, and the session sends when it is its turn."""
    with Session(house.port) as holder, Session(house.port) as other:
        holder.mail(SENDER)
        other.say(f"MAIL FROM:<{SENDER}>", *[f"RCPT TO:<{ANNA}>"] * 250, "DATA")
        assert other.answer().tag == "BATCH-BUSY"
        assert {other.answer().short for _ in range(251)} == {"503 5.5.1 [SEQUENCE]"}
        holder.command("RSET")
        assert other.send(SENDER, [ANNA], letter(SENDER)).code == 250


def test_behind_refused_recipients(house: Inside) -> None:
    """A DATA for which no recipient is left is no error of the customer's."""
    with Session(house.port) as session:
        for _ in range(5):
            session.say(f"MAIL FROM:<{SENDER}>", "RCPT TO:<no one@inbox.test>", "DATA", "RSET")
            assert [session.answer().code for _ in range(4)] == [250, 553, 554, 250]
        assert session.send(SENDER, [ANNA], letter(SENDER)).code == 250


def test_errors_are_forgotten_after_a_message(house: Inside) -> None:
    """Two errors between messages may be made again and again; three in a row may not."""
    with Session(house.port) as session:
        for _ in range(3):
            assert [session.command("HELLO?").code for _ in range(2)] == [500, 500]
            assert session.send(SENDER, [ANNA], letter(SENDER)).code == 250
        for _ in range(3):
            assert session.command("HELLO?").code == 500
        assert session.answer().tag == "TOO-MANY-ERRORS"
