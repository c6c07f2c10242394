"""Recipients per message: the first hundred stand, the rest is asked for in another message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.certificates import Certificates
from tests.e2e.conftest import SHAPES
from tests.e2e.gateway import Settings, acme
from tests.e2e.inside import InsideGateway
from tests.e2e.session import Session, letter
from tests.e2e.sink import Sink

SENDER = "news@acme.test"
CROWD = [f"reader{number}@inbox.test" for number in range(1, 102)]
pytestmark = pytest.mark.parametrize("shape", SHAPES, indirect=True, scope="module")


@pytest.fixture(scope="module")
def sink(shape: dict[str, Any]) -> Iterator[Sink]:
    """The next hop, one for each shape."""
    with Sink() as running:
        yield running


@pytest.fixture(scope="module")
def house(
    sink: Sink,
    certificates: Certificates,
    shape: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[InsideGateway]:
    """A gateway with the usual limits."""
    tenants = {"acme": acme()}
    settings = Settings(sink.port, trusted=None, gateway=shape, tenants=tenants)
    with InsideGateway(tmp_path_factory.mktemp("house"), settings, certificates) as running:
        yield running


@pytest.mark.parametrize("is_pipelined", [True, False])
def test_hundred_and_first_waits(house: InsideGateway, sink: Sink, is_pipelined: bool) -> None:
    """The 101st recipient gets 452 4.5.3, the first 100 are delivered, the rest goes in the next
    message."""
    sink.messages.clear()
    with Session(house.open, "acme") as session:
        assert session.mail(SENDER).code == 250
        groups = [CROWD] if is_pipelined else [[one] for one in CROWD]
        answers = [answer for group in groups for answer in session.rcpt(*group)]
        assert [answer.code for answer in answers] == [250] * 100 + [452]
        assert answers[-1].short == "452 4.5.3 [RCPT-LIMIT]"
        assert session.data(letter(SENDER)).code == 250
        assert session.send(SENDER, CROWD[100:], letter(SENDER)).code == 250
    assert [message.recipients for message in sink.wait_for(2)] == [
        tuple(CROWD[:100]),
        tuple(CROWD[100:]),
    ]


def test_refused_do_not_count(house: InsideGateway, sink: Sink) -> None:
    """Recipients that the next hop refuses leave room for others."""
    sink.messages.clear()
    sink.refuse = lambda one: "550 5.1.1 No such user" if one.startswith("reader1@") else None
    try:
        with Session(house.open, "acme") as session:
            assert session.mail(SENDER).code == 250
            answers = session.rcpt(*CROWD)
            assert [answer.code for answer in answers] == [550] + [250] * 100
            assert session.data(letter(SENDER)).code == 250
    finally:
        sink.refuse = lambda _one: None
    (message,) = sink.wait_for(1)
    assert message.recipients == tuple(CROWD[1:])
