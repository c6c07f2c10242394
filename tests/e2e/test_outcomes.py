"""What the next hop says of a recipient counts at the next RCPT; what it says of us is an alarm."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator

import pytest

from tests.e2e.certificates import Certificates
from tests.e2e.deciding_hop import DecidingHop
from tests.e2e.gateway import Gateway, Settings, acme
from tests.e2e.ports import LOOPBACK, free_port
from tests.e2e.session import Session, letter, wait_until

SENDER = "news@acme.test"
UNKNOWN = "550 5.1.1 no such user here"
BOUNCED = "550 5.1.1 [BOUNCED]"
TAKEN = 'consentry_outcomes_total{outcome="taken"}'
SAID_OF_US = {
    "relay@inbox.test": "550 5.7.1 Relay access denied",
    "relaying@inbox.test": "550 5.1.1 <relaying@inbox.test>... Relaying denied",
}
"""The first is known for what it is at once, the second by the table of rules alone."""


@pytest.fixture(scope="module")
def hop() -> Iterator[DecidingHop]:
    """The next hop."""
    with DecidingHop() as running:
        yield running


@pytest.fixture(scope="module")
def house(
    hop: DecidingHop, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway that waits a second for a storm."""
    feedback = {
        "listen": f"{LOOPBACK}:{free_port()}",
        "domain": "back.test",
        "storm": {"within": "1s"},
    }
    settings = Settings(
        hop.port, trusted=None, gateway={"feedback": feedback}, tenants={"acme": acme()}
    )
    with Gateway(tmp_path_factory.mktemp("house"), settings, certificates) as running:
        yield running


def asked(house: Gateway, address: str) -> str:
    """What RCPT comes to in a new transaction."""
    with Session(house.open, "acme/weekly") as session:
        session.mail(SENDER)
        return session.rcpt(address)[0].short


def alarms(house: Gateway) -> list[str]:
    """The words of every alarm in the journal."""
    return [
        event["detail"]["words"]
        for event in house.events()
        if event["kind"] == "next_hop.refused_us"
    ]


def measured(house: Gateway, metric: str) -> float:
    """A metric's value, of these labels if any are named; else all its lines together."""
    with urllib.request.urlopen(f"http://{LOOPBACK}:{house.web}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    return sum(
        map(float, re.findall(rf"^{re.escape(metric)}(?:{{.*}})? (\S+)$", text, re.MULTILINE))
    )


def test_an_unknown_mailbox_is_not_asked_for_again(house: Gateway, hop: DecidingHop) -> None:
    """Refused at RCPT or after its own dot, a recipient is suppressed once no storm has come; those
    of the same message who were taken are not."""
    at_rcpt, at_dot, fine = (f"{name}@inbox.test" for name in ("rcpt", "dot", "fine"))
    with (
        hop.judging(
            at_rcpt=lambda to: UNKNOWN if to == at_rcpt else None,
            at_dot=lambda to: UNKNOWN if to == at_dot else None,
        ),
        Session(house.open, "acme/weekly") as session,
    ):
        session.mail(SENDER)
        refused, *accepted = session.rcpt(at_rcpt, at_dot, fine)
        assert refused.short != BOUNCED
        assert [answer.code for answer in accepted] == [250, 250]
        assert session.data(letter(SENDER)).code == 250
    wait_until(lambda: asked(house, at_rcpt) == asked(house, at_dot) == BOUNCED)
    assert asked(house, fine) == "250 2.1.5"
    (entry,) = json.loads(house.run("suppress", "find", at_dot, "--json"))
    assert (entry["reason"], entry["state"]) == ("hard_bounce", "in force")
    believed = 'consentry_bounces_total{class="invalid-mailbox",state="believed"}'
    assert measured(house, believed) == 2
    with Session(house.open, "acme/weekly") as session:
        session.mail(SENDER)
        assert session.rcpt(at_dot)[0].short == BOUNCED


def test_a_retry_counts_only_what_it_sent_itself(house: Gateway, hop: DecidingHop) -> None:
    """One of two copies is put off; the customer's retry sends that one, and both count once."""
    first, later = "first@inbox.test", "later@inbox.test"
    before = measured(house, TAKEN)
    raw = letter(SENDER)
    with Session(house.open, "acme/weekly") as session:
        with hop.judging(at_dot=lambda to: "451 4.3.2 not now" if to == later else None):
            assert session.send(SENDER, [first, later], raw).code == 451
        assert session.send(SENDER, [first, later], raw).code == 250
    wait_until(lambda: measured(house, TAKEN) >= before + 2)
    told = [event for event in house.events() if event["kind"].startswith("message.")][-2:]
    assert [
        [(one["state"], one.get("earlier", False)) for one in event["detail"]["recipients"]]
        for event in told
    ] == [[("taken", False), ("deferred", False)], [("taken", True), ("taken", False)]]
    (rate,) = json.loads(house.run("feedback", "rates", "acme", "--by", "stream", "--json"))
    assert (rate["stream"], rate["delivered"]) == ("weekly", measured(house, TAKEN))


def test_who_refuses_us_is_an_alarm_and_nobodys_bounce(house: Gateway, hop: DecidingHop) -> None:
    """Relaying denied: event and metric, whether the relay knew it for what it is or the table; the
    recipients are mailed as before once it is over."""
    before = measured(house, "consentry_next_hop_refusals_total")
    with hop.judging(at_rcpt=SAID_OF_US.get):
        assert asked(house, "relay@inbox.test") == "451 4.3.5 [NEXT-HOP]"
        assert asked(house, "relaying@inbox.test").startswith("550 5.1.1")
        wait_until(lambda: len(alarms(house)) == 2)
    assert sorted(words.rpartition(" ")[2] for words in alarms(house)) == ["denied", "denied"]
    wait_until(lambda: measured(house, "consentry_next_hop_refusals_total") == before + 2)
    for address in SAID_OF_US:
        assert json.loads(house.run("suppress", "find", address, "--json", check=False)) == []
        assert asked(house, address) == "250 2.1.5"
