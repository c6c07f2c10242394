"""Processes killed, and customers that vanish, at the worst moment: what the records say after it.

One real gateway. What the next hop has is counted by unique ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.certificates import Certificates
from tests.e2e.gateway import Settings, acme
from tests.faults.customer import ANNA, SENDER, Answer, Customer, message, new_id, send
from tests.faults.hop import Action, Hop
from tests.faults.houses import STREAMS, WEEKLY, Served
from tests.faults.waiting import eventually


@pytest.fixture(scope="module")
def house(
    shared_hop: Hop, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A gateway whose processes are killed again and again."""
    settings = Settings(shared_hop.port, tenants={"acme": acme(streams=STREAMS)})
    with Served(tmp_path_factory.mktemp("house"), settings, certificates) as running:
        yield running


def test_killed_while_the_next_hop_sits_on_the_dot(house: Served, hop: Hop) -> None:
    """The copy is unknown; the customer's retry is sent again, flagged; no octet is miscounted."""
    first, second = new_id(), new_id()
    assert send(house.open, message(first, size=50_000)).code == 250
    before = house.octets
    saved = "SELECT coalesce(sum(amount), 0) FROM windows WHERE key='bytes:acme'"
    eventually(lambda: house.rows(saved) == [(before,)])

    hop.on("DOT", Action.HOLD)
    with Customer(house.open) as customer:
        customer.hello()
        assert customer.envelope(ANNA).code == 354
        customer.send(message(second) + b".\r\n")
        hop.wait_held()
        house.crash("smtp")
        assert customer.answer().code == 0
    hop.release()
    assert hop.copies_of(second) == 1
    assert house.octets == before
    eventually(lambda: house.rows("SELECT 1 FROM ledger WHERE state='unknown'"))

    retry = send(house.open, message(second))
    assert (retry.code, hop.copies_of(second)) == (250, 2)
    detail = relayed(house, retry)
    assert detail["possible_doubles"] == [1]
    assert house.octets == before + detail["octets"]
    # The 250 was seen: the same bytes are a new mail from now on.
    assert "possible_doubles" not in relayed(house, send(house.open, message(second)))


def test_killed_before_the_dot_nothing_is_unknown(house: Served, hop: Hop) -> None:
    """What the next hop was not sent whole is sent once, by the retry, and not flagged."""
    unique = new_id()
    hop.on("DATA", Action.HOLD)
    with Customer(house.open) as customer:
        customer.hello()
        customer.envelope(ANNA)
        customer.send(message(unique) + b".\r\n")
        hop.wait_held()
        house.crash("smtp")
    hop.release()
    retry = send(house.open, message(unique))
    assert (retry.code, hop.copies_of(unique)) == (250, 1)
    assert "possible_doubles" not in relayed(house, retry)


@pytest.mark.parametrize("behind", [b"", b"QUIT\r\n"], ids=["alone", "pipelined"])
@pytest.mark.parametrize("leaves", ["politely", "with a reset"])
def test_gone_after_the_dot(leaves: str, behind: bytes, house: Served, hop: Hop) -> None:
    """The relay is finished without its customer, and the retry of the same bytes is not sent."""
    unique = new_id()
    hop.on("DOT", Action.HOLD)
    with Customer(house.open) as customer:
        customer.hello()
        customer.envelope(ANNA)
        customer.send(message(unique) + b".\r\n" + behind)
        hop.wait_held()
        customer.leave(resets=leaves == "with a reset")
    hop.release()
    eventually(lambda: house.state_of(message(unique), "acme/news", SENDER, ANNA) == "taken")
    for copies in (1, 2):  # the retry is seen, so what comes after it is new
        assert send(house.open, message(unique)).code == 250
        assert hop.copies_of(unique) == copies


def test_gone_before_the_dot(house: Served, hop: Hop) -> None:
    """A message that was not finished is nobody's: it is not relayed."""
    unique = new_id()
    with Customer(house.open) as customer:
        customer.hello()
        customer.envelope(ANNA)
        customer.send(message(unique))
    assert send(house.open, message(new_id())).code == 250
    assert hop.copies_of(unique) == 0


def test_an_unsubscribe_that_was_answered_200_outlives_every_process(
    house: Served, hop: Hop
) -> None:
    """Both processes are killed the moment the 200 is there; the recipient stays unsubscribed."""
    unique, reader = new_id(), f"{new_id()}@inbox.test"
    weekly = message(unique, sender=WEEKLY)
    assert send(house.open, weekly, reader, sender=WEEKLY).code == 250
    link = unsubscribe_link(hop, unique)
    assert house.unsubscribe(link) == 200
    house.crash("web")
    house.crash("smtp")
    answer = send(house.open, message(new_id(), sender=WEEKLY), reader, sender=WEEKLY)
    assert (answer.code, answer.tag) == (550, "UNSUB")
    assert house.unsubscribe(link) == 200


def relayed(house: Served, answer: Answer) -> dict[str, Any]:
    """What the journal says of the message that was answered so."""
    detail: dict[str, Any] = house.event("message.relayed", ref=answer.ref)["detail"]
    return detail


def unsubscribe_link(hop: Hop, unique: str) -> str:
    """The link in the header of the message that the next hop keeps under that id."""
    (kept,) = [one for one in hop.kept if unique.encode() in one.raw]
    found = re.search(rb"(?m)^List-Unsubscribe:[^<]*<(http[^>]*)>", kept.raw)
    assert found, kept.raw
    return found[1].decode()
