"""How fast and whether at all a tenant may send: states, rate windows, announced days."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.errors import ConfigurationError
from tests.e2e.certificates import Certificates
from tests.e2e.gateway import Settings, customer, write_private
from tests.e2e.inside import InsideGateway
from tests.e2e.session import Session, letter
from tests.e2e.sink import Sink

HOUR, DAY = 3600, 86_400
LIMIT = 5000
READERS = [f"reader{number}@inbox.test" for number in range(12)]


def announcement(ahead: timedelta) -> dict[str, Any]:
    """50,000 octets on the day after tomorrow, announced that long before it begins."""
    begins = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    return {
        "announced": (begins - ahead).isoformat(),
        "from": begins.isoformat(),
        "to": (begins + timedelta(days=1)).isoformat(),
        "bytes_per_day": 50_000,
    }


def announcing(name: str, ahead: timedelta) -> dict[str, Any]:
    """A tenant with 5,000 octets a day and that announcement."""
    limits = {"bytes_per_day": LIMIT}
    return customer(name, limits=limits, announcements=[announcement(ahead)])


TENANTS = {
    "closed": customer("closed", state="closed"),
    "starter": customer("starter", state="starter", starter_messages_per_hour=3),
    "shut": customer(
        "shut",
        streams={
            "mail": {"kind": "transactional", "default": True},
            "offers": {"kind": "inquiry"},
        },
    ),
    "windows": customer(
        "windows",
        limits={
            "rates": [
                {"unit": "messages", "count": 2, "per": "1m"},
                {"unit": "messages", "count": 3, "per": "1h"},
            ]
        },
    ),
    "crowd": customer(
        "crowd", limits={"rates": [{"unit": "recipients", "count": 10, "per": "1h"}]}
    ),
    "ahead": announcing("ahead", timedelta(hours=24)),
    "late": customer("late", limits={"bytes_per_day": LIMIT}),
}


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    """The next hop."""
    with Sink() as running:
        yield running


@pytest.fixture(scope="module")
def house(
    sink: Sink, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InsideGateway]:
    """The gateway."""
    settings = Settings(sink.port, trusted=None, tenants=TENANTS)
    with InsideGateway(tmp_path_factory.mktemp("house"), settings, certificates) as running:
        yield running


@pytest.fixture(autouse=True)
def _now(house: InsideGateway) -> Iterator[None]:
    """Every test begins and ends in the present."""
    yield
    house.clock.ahead = 0.0


def send(session: Session, tenant: str, size: int = 0) -> str:
    """Send one message of the tenant's and give what it came to."""
    sender = f"news@{tenant}.test"
    return session.send(sender, READERS[:1], letter(sender, size=size)).short


OK = "250 2.0.0"


def test_closed_tenant_is_deferred(house: InsideGateway) -> None:
    """A closed tenant may sign in, but its mail waits until the operator opens it."""
    with Session(house.open, "closed") as session:
        assert session.signed_in.code == 235
        assert send(session, "closed") == "451 4.7.1 [TENANT-CLOSED]"


def test_closed_stream_is_deferred(house: InsideGateway) -> None:
    """An inquiry stream is closed until the operator opens it; the tenant's others are not."""
    with Session(house.open, "shut/offers") as session:
        assert send(session, "shut") == "451 4.7.1 [STREAM-CLOSED]"
    with Session(house.open, "shut") as session:
        assert send(session, "shut") == OK


def test_starter_speed(house: InsideGateway) -> None:
    """A starter may begin so many messages an hour, and goes on when the hour has passed."""
    with Session(house.open, "starter") as session:
        assert [send(session, "starter") for _ in range(4)] == [OK] * 3 + ["451 4.7.1 [RATE]"]
        house.clock.ahead = HOUR - 60
        assert send(session, "starter") == "451 4.7.1 [RATE]"
        house.clock.ahead = HOUR + 60
        assert send(session, "starter") == OK


def test_several_windows_count_at_once(house: InsideGateway) -> None:
    """The minute and the hour both hold; the reply names the one that is full."""
    with Session(house.open, "windows") as session:
        assert [send(session, "windows") for _ in range(2)] == [OK] * 2
        said = session.mail("news@windows.test")
        assert said.short == "451 4.7.1 [RATE]"
        assert "2 of 2 messages per minute are used" in said.text
        house.clock.ahead = 62
        assert send(session, "windows") == OK
        house.clock.ahead = 124
        said = session.mail("news@windows.test")
        assert "3 of 3 messages per hour are used" in said.text
        house.clock.ahead = HOUR + 200
        assert send(session, "windows") == OK


def test_recipients_per_hour(house: InsideGateway, sink: Sink) -> None:
    """Recipients over the rate are deferred one by one; those within it are delivered."""
    sender = "news@crowd.test"
    with Session(house.open, "crowd") as session:
        session.mail(sender)
        answers = [answer.short for answer in session.rcpt(*READERS)]
        assert answers == ["250 2.1.5"] * 10 + ["451 4.7.1 [RATE]"] * 2
        assert session.data(letter(sender)).code == 250
    (message,) = [message for message in sink.messages if message.mail_from == sender]
    assert message.recipients == tuple(READERS[:10])


def test_announced_day_raises_the_limit(house: InsideGateway) -> None:
    """What was announced 24 h ahead holds on its day, and neither before nor after."""
    with Session(house.open, "ahead") as session:
        assert send(session, "ahead", 20_000) == "552 5.3.4 [TOO-BIG]"
        house.clock.ahead = 2 * DAY - HOUR
        assert send(session, "ahead", 20_000) == "552 5.3.4 [TOO-BIG]"
        house.clock.ahead = 2 * DAY + HOUR
        assert [send(session, "ahead", 20_000) for _ in range(2)] == [OK] * 2
        assert send(session, "ahead", 20_000) == "451 4.7.1 [BYTES]"
        house.clock.ahead = 3 * DAY + 2 * HOUR
        assert send(session, "ahead", 20_000) == "552 5.3.4 [TOO-BIG]"
        assert send(session, "ahead", 2000) == OK


def test_late_announcement_raises_nothing(house: InsideGateway) -> None:
    """One made less than 24 h ahead is refused when it is put in force, and the limit stays."""
    file = house.folder / "tenants/late.yaml"
    before = file.read_bytes()
    late = announcing("late", timedelta(hours=24) - timedelta(seconds=1))
    write_private(file, json.dumps(late, indent=1).encode())
    try:
        with pytest.raises(ConfigurationError, match="24 hours"):
            house.on_loop(house.inner.reload())
        with Session(house.open, "late") as session:
            house.clock.ahead = 2 * DAY + HOUR
            assert send(session, "late", 20_000) == "552 5.3.4 [TOO-BIG]"
    finally:
        write_private(file, before)
