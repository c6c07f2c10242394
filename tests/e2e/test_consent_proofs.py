"""Hosted double opt-in against a real gateway and a real next hop, from the command to the RCPT.

The same from the API and in a browser is in `browser/test_opt_in.py`.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from email import message_from_bytes, policy
from hashlib import sha256

import pytest

from tests.e2e.certificates import Certificates
from tests.e2e.gateway import Gateway, Settings, acme
from tests.e2e.session import Session
from tests.e2e.sink import Captured, Sink
from tests.e2e.verifiers import by_dkimpy, by_perl

SENDER = "news@acme.test"
ASKS = {"sender": "lists@acme.test", "privacy": "https://acme.test/privacy"}
OK, NO_OPTIN, UNSUB = "250 2.1.5", "550 5.7.1 [NO-OPTIN]", "550 5.7.1 [UNSUB]"
WORDS = "Zgadzam się na otrzymywanie „Nowości”."


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    """The next hop; it knows nobody called `unknown`."""

    def refuse(recipient: str) -> str | None:
        return "550 5.1.1 no such mailbox" if recipient.startswith("unknown@") else None

    with Sink(refuse=refuse) as running:
        yield running


@pytest.fixture(scope="module")
def house(
    sink: Sink, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway whose customer has lists of levels 2, 3 and 4."""
    streams = {
        "orders": {"kind": "transactional", "verified": True, "default": True},
        **{f"level{n}": {"kind": "list", "consent_level": n, "opt_in": ASKS} for n in (2, 3, 4)},
    }
    tenants = {"acme": acme(streams=streams, display_name="Róg")}
    settings = Settings(sink.port, trusted=None, tenants=tenants)
    with Gateway(tmp_path_factory.mktemp("house"), settings, certificates) as running:
        (running.folder / "words.txt").write_text(WORDS)
        yield running


def request(house: Gateway, reader: str, *more: str, scope: str = "acme/level4") -> str:
    """Ask `reader` by command; the tracking number."""
    words = str(house.folder / "words.txt")
    given = ("--scope", scope, "--text", words, "--language", "pl", "--json")
    (row,) = json.loads(house.run("consent", "request", reader, *given, *more))
    return str(row["tracking"])


def mail_to(sink: Sink, reader: str) -> Captured:
    """The first mail to `reader`, once it is there."""
    for count in range(len(sink.messages), len(sink.messages) + 5):
        for message in sink.messages:
            if message.recipients == (reader,):
                return message
        sink.wait_for(count + 1)
    raise AssertionError(f"no mail to {reader}")


def link_in(mail: Captured) -> str:
    """The one link of a confirmation mail to the gateway."""
    message = message_from_bytes(mail.raw, policy=policy.default)
    texts = [part.get_content() for part in message.iter_parts()]
    (link,) = {found for text in texts for found in re.findall(r"http://\S+/c/[a-z2-7]{52}", text)}
    return str(link)


def answer(link: str, **form: str) -> int:
    """What a POST of `form`, or a GET without one, is answered."""
    octets = urllib.parse.urlencode(form).encode() if form else None
    try:
        with urllib.request.urlopen(link, octets, timeout=60) as page:
            return int(page.status)
    except urllib.error.HTTPError as error:
        return error.code


def asked(house: Gateway, stream: str, reader: str) -> str:
    """What the next RCPT for `reader` on a stream comes to."""
    with Session(house.open, f"acme/{stream}") as session:
        session.mail(SENDER)
        return session.rcpt(reader)[0].short


def test_from_the_command_to_the_list_and_back(house: Gateway, sink: Sink) -> None:
    """Refused before the click, taken after it, refused once withdrawn; a GET is no click."""
    reader = "anna@inbox.test"
    assert asked(house, "level4", reader) == NO_OPTIN
    tracking = request(house, reader)
    mail = mail_to(sink, reader)
    assert mail.mail_from == "lists@acme.test"
    for signatures in (by_dkimpy(mail.raw, house.keys), by_perl(mail.raw, house.keys)):
        valid = {signature.algorithm for signature in signatures if signature.is_valid}
        assert "rsa-sha256" in valid
        assert {signature.domain for signature in signatures} == {"acme.test"}
    link = link_in(mail)
    assert answer(link) == 200
    assert asked(house, "level4", reader) == NO_OPTIN
    assert answer(link, answer="confirm") == 200
    assert answer(link, answer="confirm") == 200
    assert asked(house, "level4", reader) == OK
    assert asked(house, "level3", reader) == NO_OPTIN

    (shown,) = json.loads(house.run("consent", "show", tracking, "--json", "--reveal", "test"))
    assert [step["what"] for step in shown["steps"]] == [
        "requested",
        "sending",
        "mailed",
        "confirmed",
    ]
    sending, mailed, confirmed = shown["steps"][1:]
    assert sending["facts"]["sha256"] == sha256(mail.raw).hexdigest()
    assert f"Message-ID: {sending['facts']['message_id']}\r\n".encode() in mail.raw
    assert mailed["personal"]["reply"].startswith("250 2.0.0 kept")
    assert confirmed["personal"]["ip"] == "127.0.0.1"
    assert link.rpartition("/")[2] in confirmed["personal"]["line"]

    assert answer(link, answer="withdraw") == 200
    assert asked(house, "level4", reader) == UNSUB
    assert answer(link, answer="confirm") == 410
    assert asked(house, "level4", reader) == UNSUB
    house.run("consent", "verify")


def test_a_refused_mail_ends_the_request(house: Gateway) -> None:
    """A mailbox that is not there is not asked again."""
    tracking = request(house, "unknown@inbox.test")
    kinds: list[str] = []
    while "opt_in.failed" not in kinds:
        kinds = [
            event["kind"]
            for event in house.events()
            if event.get("detail", {}).get("proof") == tracking
        ]
    (shown,) = json.loads(house.run("consent", "show", tracking, "--json"))
    assert shown["status"] == "failed"


@pytest.mark.parametrize("level", [2, 3])
def test_supplied_evidence_opens_lists_up_to_its_level(house: Gateway, level: int) -> None:
    """Level 2 is not enough for a list that asks for 3, nor 3 for one that asks for 4."""
    reader = f"supplied{level}@inbox.test"
    words = str(house.folder / "words.txt")
    confirmed = () if level == 2 else ("--confirmed-at", "2026-03-01T10:00:00")
    confirmed += () if level == 2 else ("--confirmed-ip", "203.0.113.9", "--source", "fair")
    for stream in ("level2", "level3", "level4"):
        house.run(
            *("consent", "evidence", reader, "--scope", f"acme/{stream}", "--level", str(level)),
            *("--text", words, "--subscribed-at", "2026-03-01T09:30:00"),
            *("--subscribed-ip", "203.0.113.8", *confirmed),
        )
    expected = [OK if n <= level else NO_OPTIN for n in (2, 3, 4)]
    assert [asked(house, f"level{n}", reader) for n in (2, 3, 4)] == expected


def test_a_killed_gateway_forgets_no_request(house: Gateway, sink: Sink) -> None:
    """What was asked for while it was down is mailed once it is back."""
    reader = "later@inbox.test"
    house.stop()
    request(house, reader)
    assert all(message.recipients != (reader,) for message in sink.messages)
    house.start()
    mail_to(sink, reader)
