"""A next hop that broke off or refused the gateway after EHLO was tried again and again, and every
mail put off with 451, while the second next hop stood by."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.relay import hop as relay_hop
from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import Settings, customer
from tests.e2e.inside import InsideGateway
from tests.e2e.ports import LOOPBACK
from tests.e2e.session import Session, letter
from tests.faults.hop import Action, Hop, Step

SENDER = "news@acme.test"
RECIPIENTS = ["a@inbox.test", "b@inbox.test"]
REFUSAL = "554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied"


@pytest.fixture(scope="module")
def hops() -> Iterator[tuple[Hop, Hop]]:
    """The first next hop and the second."""
    with Hop() as first, Hop() as second:
        yield first, second


@pytest.fixture(scope="module")
def house(
    hops: tuple[Hop, Hop], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InsideGateway]:
    """A gateway in front of both, which tries the first one again at once."""
    folder = tmp_path_factory.mktemp("house")
    settings = Settings(
        hops[0].port,
        trusted=None,
        gateway={
            "next_hops": [
                {"name": name, "host": LOOPBACK, "port": hop.port}
                for name, hop in zip(("first", "second"), hops, strict=True)
            ]
        },
        tenants={"acme": customer("acme")},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relay_hop, "MAX_BACKOFF", 0.0)
        with InsideGateway(folder, settings, make_certificates(folder / "tls")) as running:
            yield running


@pytest.mark.parametrize(
    ("verb", "trouble"),
    [
        ("MAIL", Action.DROP),
        ("DATA", Action.DROP),
        ("MAIL", "421 4.3.2 too busy"),
        ("RCPT", "421 4.3.2 too busy"),
        ("MAIL", "garbage"),
        ("RCPT", REFUSAL),
        ("MAIL", "530 5.7.0 Must issue a STARTTLS command first"),
    ],
    ids=str,
)
def test_the_second_takes_the_mail(
    verb: str, trouble: Step, hops: tuple[Hop, Hop], house: InsideGateway
) -> None:
    """The customer's first try is answered 250, with each recipient's mail at the second, once, and
    nothing at the first; when the first is well again, it serves again."""
    first, second = hops
    for broken, server, other in ((True, second, first), (False, first, second)):
        first.usual = (lambda said: trouble if said == verb else None) if broken else None
        first.kept.clear()
        second.kept.clear()
        with Session(house.open, "acme") as session:
            assert session.send(SENDER, RECIPIENTS, letter(SENDER)).code == 250
        assert sorted(name for one in server.kept for name in one.recipients) == RECIPIENTS
        assert other.kept == []
