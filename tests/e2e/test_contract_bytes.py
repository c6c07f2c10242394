"""Octets in 24 h: the limit refuses, refunds and resets, with and without SIZE, for all copies.

Each test has a tenant of its own, so that what it counts is its own; the clock is the test's.
"""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Iterator
from time import strptime
from typing import Any

import pytest

from tests.e2e.certificates import Certificates
from tests.e2e.conftest import SHAPES
from tests.e2e.deciding_hop import DecidingHop
from tests.e2e.gateway import Settings, acme, customer
from tests.e2e.inside import InsideGateway
from tests.e2e.session import Said, Session, letter, wait_until

DAY = 86_400
BUCKET = 300
LIMIT = 10_000
READERS = [f"reader{number}@inbox.test" for number in range(4)]
CASES = [
    pytest.param(announced, stream, id=f"{'SIZE' if announced else 'no-SIZE'}-{stream}")
    for announced in (True, False)
    for stream in ("orders", "weekly")
]
pytestmark = pytest.mark.parametrize("shape", SHAPES[:2], indirect=True, scope="module")


def limited(name: str) -> dict[str, object]:
    """A tenant with 10,000 octets a day, one stream of one copy and one of a copy each."""
    return acme(
        domains={f"{name}.test": acme()["domains"]["acme.test"]},
        logins=customer(name)["logins"],
        limits={"bytes_per_day": LIMIT, "batches": 2},
    )


NAMES = [
    "refund",
    "unsent",
    "refused",
    "taken",
    "reserved",
    "gone",
    "big",
    "many",
    "sizeless",
    "copies",
    "warned",
]
NAMES += [f"day{number}" for number in range(len(CASES))]


@pytest.fixture(scope="module")
def hop(shape: dict[str, Any]) -> Iterator[DecidingHop]:
    """The next hop, one for each shape."""
    with DecidingHop() as running:
        yield running


@pytest.fixture(scope="module")
def house(
    hop: DecidingHop,
    certificates: Certificates,
    shape: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[InsideGateway]:
    """The gateway."""
    tenants = {name: limited(name) for name in NAMES}
    tenants["warned"] = {**limited("warned"), "limits": {"bytes_per_day": 10 * LIMIT}}
    settings = Settings(hop.port, trusted=None, gateway=shape, tenants=tenants)
    with InsideGateway(tmp_path_factory.mktemp("house"), settings, certificates) as running:
        yield running


def sender(tenant: str) -> str:
    """An address of the tenant's."""
    return f"news@{tenant}.test"


def octets(hop: DecidingHop, tenant: str) -> int:
    """Octets that the next hop took from that tenant."""
    return sum(len(message.raw) for message in hop.taken(sender(tenant)))


def free_at(said: Said) -> float:
    """The reset time that a [BYTES] reply names."""
    found = re.search(r"free again at (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", said.text)
    assert found, said.text
    return timegm(strptime(found[1], "%Y-%m-%d %H:%M:%S"))


@pytest.mark.parametrize(("is_announced", "stream"), CASES)
def test_limit_refuses_and_resets(
    house: InsideGateway, hop: DecidingHop, is_announced: bool, stream: str
) -> None:
    """What the next hop took is counted to the octet; what does not fit any more gets 451 with the
    time when it will, sends nothing, and passes at that time and not before."""
    number = next(n for n, case in enumerate(CASES) if case.values == (is_announced, stream))
    name = f"day{number}"
    # 4,000 octets go once to all readers, or as two copies of 2,000 each and the header.
    readers = READERS[:2]
    size = 4000 if stream == "orders" else 1200
    announced = size if is_announced else None
    with Session(house.open, f"{name}/{stream}") as session:
        sent = 0
        while (raw := letter(sender(name), size=size)) and (
            said := session.send(sender(name), readers, raw, announced)
        ).code == 250:
            sent += 1
            assert house.bytes_used(name) == octets(hop, name)
        assert sent >= 1
        assert said.short == "451 4.7.1 [BYTES]"
        assert f" of {LIMIT} bytes in 24 h are used" in said.text
        assert octets(hop, name) == house.bytes_used(name) <= LIMIT
        assert len(hop.taken(sender(name))) == sent * (1 if stream == "orders" else 2)

        start = house.clock()
        assert DAY - BUCKET <= free_at(said) - start <= DAY + BUCKET
        try:
            house.clock.ahead += free_at(said) - start - 60
            assert session.send(sender(name), readers, raw, announced).tag == "BYTES"
            house.clock.ahead += 60 + 1
            assert session.send(sender(name), readers, raw, announced).code == 250
        finally:
            house.clock.ahead = 0.0


@pytest.mark.parametrize("announced", [9000, None])
def test_refused_message_is_refunded(house: InsideGateway, announced: int | None) -> None:
    """A message that is refused at its final dot gives back all that it had reserved."""
    with Session(house.open, "refund/weekly") as session:
        for extra in ("From: <other@refund.test>\r\n", "X-Bad: a\rb\r\n"):
            raw = letter(sender("refund"), size=4000, extra=extra)
            said = session.send(sender("refund"), READERS[:1], raw, announced)
            assert said.tag in {"FROM-ALIGN", "BAD-MESSAGE"}
            assert house.bytes_used("refund") == 0


def test_reserved_at_mail(house: InsideGateway) -> None:
    """SIZE is set aside at MAIL, a copy more at each further RCPT of a list stream, and given back
    when the transaction ends without a message."""
    with Session(house.open, "reserved/weekly") as first, Session(house.open, "reserved") as second:
        assert first.mail(sender("reserved"), 3000).code == 250
        assert house.bytes_used("reserved") == 3000
        answers = first.rcpt(*READERS)
        assert [answer.code for answer in answers] == [250, 250, 250, 451]
        assert answers[-1].tag == "BYTES"
        assert house.bytes_used("reserved") == 9000
        assert second.mail(sender("reserved"), 2000).tag == "BYTES"
        first.command("RSET")
        assert house.bytes_used("reserved") == 0
        assert second.mail(sender("reserved"), 2000).code == 250
        assert [answer.code for answer in second.rcpt(*READERS)] == [250] * 4
        assert house.bytes_used("reserved") == 2000


@pytest.mark.parametrize("end", ["EHLO again.test", "QUIT", "drop"])
def test_any_end_refunds(house: InsideGateway, end: str) -> None:
    """Whatever ends a transaction before its message gives the reservation back."""
    with Session(house.open, "gone") as session, Session(house.open, "gone") as other:
        assert session.mail(sender("gone"), 9000).code == 250
        assert other.mail(sender("gone"), 2000).tag == "BYTES"
        if end == "drop":
            session.drop()
        else:
            session.command(end)
        wait_until(lambda: other.mail(sender("gone"), 2000).code == 250)


@pytest.mark.parametrize("code", [450, 550])
@pytest.mark.parametrize("stream", ["orders", "weekly"])
def test_not_taken_is_refunded(
    house: InsideGateway, hop: DecidingHop, code: int, stream: str
) -> None:
    """A message that the next hop does not take counts for nothing."""
    with (
        Session(house.open, f"unsent/{stream}") as session,
        hop.judging(at_dot=lambda recipient: f"{code} {code // 100}.2.0 Not today"),
    ):
        raw = letter(sender("unsent"), size=2500)
        assert session.send(sender("unsent"), READERS[:2], raw, 2500).code == code
        assert house.bytes_used("unsent") == 0


def test_only_taken_copies_count(house: InsideGateway, hop: DecidingHop) -> None:
    """Of several copies those that the next hop took are counted, the others given back."""
    with (
        hop.judging(
            at_dot=lambda recipient: "450 4.2.1 Later" if recipient == READERS[1] else None
        ),
        Session(house.open, "taken/weekly") as session,
    ):
        raw = letter(sender("taken"), size=1000)
        assert session.send(sender("taken"), READERS[:3], raw, 1000).tag == "PARTIAL"
    assert len(hop.taken(sender("taken"))) == 2
    assert house.bytes_used("taken") == octets(hop, "taken")


def test_refused_recipients_do_not_count(house: InsideGateway, hop: DecidingHop) -> None:
    """Recipients that the next hop refuses at RCPT cost nothing."""
    with (
        hop.judging(
            at_rcpt=lambda recipient: None if recipient == READERS[0] else "550 5.1.1 No such user"
        ),
        Session(house.open, "refused/weekly") as session,
    ):
        raw = letter(sender("refused"), size=2000)
        assert session.send(sender("refused"), READERS, raw, 2000).code == 250
    assert house.bytes_used("refused") == octets(hop, "refused") > 2000


def test_too_big_alone(house: InsideGateway, hop: DecidingHop) -> None:
    """A message that can never fit is refused for good: at MAIL when SIZE says so, else at its
    final dot."""
    with Session(house.open, "big") as session:
        assert session.mail(sender("big"), LIMIT + 1).short == "552 5.3.4 [TOO-BIG]"
        raw = letter(sender("big"), size=LIMIT + 1)
        assert session.send(sender("big"), READERS[:1], raw).short == "552 5.3.4 [TOO-BIG]"


def test_copies_that_fit_go_first(house: InsideGateway, hop: DecidingHop) -> None:
    """Copies that together exceed the whole day are no reason to bounce: those that fit go, and the
    retry a day later sends the rest, each reader getting one."""
    raw = letter(sender("many"), size=2500)
    with Session(house.open, "many/weekly") as session:
        assert session.send(sender("many"), READERS, raw).short == "451 4.4.0 [PARTIAL]"
        assert len(hop.taken(sender("many"))) == 2
        house.clock.ahead += DAY + BUCKET
        assert session.send(sender("many"), READERS, raw).code == 250
    readers = [recipient for one in hop.taken(sender("many")) for recipient in one.recipients]
    assert sorted(readers) == READERS


def test_understated_size_is_found_out(house: InsideGateway, hop: DecidingHop) -> None:
    """The true octets decide, whatever SIZE said, before any copy goes out."""
    with Session(house.open, "sizeless/weekly") as session:
        raw = letter(sender("sizeless"), size=2500)
        assert session.send(sender("sizeless"), READERS[:2], raw, 100).code == 250
        used = house.bytes_used("sizeless")
        raw = letter(sender("sizeless"), size=2500)
        assert session.send(sender("sizeless"), READERS[:2], raw, 100).tag == "BYTES"
        assert house.bytes_used("sizeless") == used
    assert len(hop.taken(sender("sizeless"))) == 2


def test_size_times_copies(house: InsideGateway, hop: DecidingHop) -> None:
    """One copy for many recipients counts once, a copy for each counts for each."""
    with Session(house.open, "copies/orders") as session:
        assert session.send(sender("copies"), READERS, letter(sender("copies"))).code == 250
    once = house.bytes_used("copies")
    assert once == octets(hop, "copies") == len(hop.taken(sender("copies"))[0].raw)
    with Session(house.open, "copies/weekly") as session:
        assert session.send(sender("copies"), READERS[:3], letter(sender("copies"))).code == 250
    assert len(hop.taken(sender("copies"))) == 4
    assert house.bytes_used("copies") == octets(hop, "copies") > 3 * once


def test_warned_once_at_each_mark(house: InsideGateway) -> None:
    """At 80 % and at 95 % of the day's octets the tenant is warned, once each."""
    with Session(house.open, "warned/weekly") as session:
        while session.send(sender("warned"), READERS[:1], letter(sender("warned"))).code == 250:
            pass

    def warnings() -> list[int]:
        events = [event for event in house.events() if event["kind"] == "limit.warned"]
        return [event["detail"]["percent"] for event in events if event["tenant"] == "warned"]

    wait_until(lambda: len(warnings()) >= 2)
    assert warnings() == [80, 95]
