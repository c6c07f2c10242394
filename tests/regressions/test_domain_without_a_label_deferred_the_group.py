"""A domain that no IDN can be made of passed for an address: as a recipient it deferred all that
was pipelined with it, and as a sender it closed the session with a 451."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import Gateway, Settings
from tests.e2e.session import Session
from tests.faults.hop import Hop
from tests.faults.houses import Inside

SNOWMAN = "x@\u2603.test"


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A customer's session."""
    with Hop() as hop:
        harness = Gateway(tmp_path, Settings(hop.port), make_certificates(tmp_path / "tls"))
        with Inside(harness) as house, Session(house.port) as opened:
            yield opened


def test_a_recipient_is_refused_for_itself(session: Session) -> None:
    """Those before and behind it in the group are taken."""
    assert session.command("MAIL FROM:<news@acme.test> SMTPUTF8").code == 250
    answers = session.rcpt("anna@inbox.test", SNOWMAN, "bert@inbox.test")
    assert [(one.code, one.tag) for one in answers] == [(250, ""), (553, "RCPT-SYNTAX"), (250, "")]


def test_a_sender_is_refused_and_the_session_goes_on(session: Session) -> None:
    """The next MAIL of the same session is taken."""
    answer = session.command(f"MAIL FROM:<{SNOWMAN}> SMTPUTF8")
    assert (answer.code, answer.tag) == (553, "SENDER-SYNTAX")
    assert session.mail("news@acme.test").code == 250
