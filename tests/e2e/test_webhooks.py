"""A tenant is told by signed calls of what people did, through a running gateway and over HTTPS."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

from tests.e2e.certificates import HOST, Certificates
from tests.e2e.gateway import Settings, acme, write_private
from tests.e2e.ports import free_port
from tests.e2e.receiver import SECRET, Receiver
from tests.e2e.session import Session, letter, wait_until
from tests.e2e.sink import Sink
from tests.faults.houses import Served

SENDER = "news@acme.test"
READER, OTHER = "anna@inbox.test", "bert@inbox.test"
ASKS = {"sender": "lists@acme.test", "privacy": "https://acme.test/privacy"}
ONE_CLICK = b"List-Unsubscribe=One-Click"


def post(link: str, octets: bytes) -> None:
    """A POST to a page; it must be answered 200."""
    with urllib.request.urlopen(link, octets, timeout=60) as answer:
        assert answer.status == 200


def link_in(sink: Sink, reader: str, pattern: bytes) -> str:
    """The link of that form in the newest mail to a reader, once it is there."""
    raw = wait_until(
        lambda: next((m.raw for m in reversed(sink.messages) if m.recipients == (reader,)), b"")
    )
    # Soft line breaks of quoted-printable.
    found = re.search(pattern, raw.replace(b"=\r\n", b""))
    assert found, raw
    return found[0].decode()


def unsubscribe(house: Served, sink: Sink, reader: str, stream: str) -> None:
    """Mail a reader and have them press the button of their mail program."""
    sink.messages.clear()
    with Session(house.open, f"acme/{stream}") as session:
        assert session.send(SENDER, [reader], letter(SENDER)).code == 250
    post(link_in(sink, reader, rb"http://[^/]+/u/[a-z2-7]+"), ONE_CLICK)


def failures(house: Served) -> list[Any]:
    """The details of every call that failed."""
    return [event["detail"] for event in house.events() if event["kind"] == "webhook.failed"]


def test_what_people_do_is_told(certificates: Certificates, tmp_path: Path) -> None:
    """A consent confirmed and an unsubscribe arrive signed, with the address that the tenant gave;
    what a receiver that is down missed comes under the same id, also after `kill -9`."""
    port = free_port()
    webhook = {
        "url": f"https://{HOST}:{port}/hook",
        "secret_file": "keys/acme.webhook",
        "allow_private_targets": ["127.0.0.0/8", "::1/128"],
        "ca_file": str(certificates.authority),
    }
    streams = {
        "weekly": {"kind": "list", "default": True, "consent_level": 0},
        "asked": {"kind": "list", "consent_level": 4, "opt_in": ASKS},
    }
    tenants = {"acme": acme(streams=streams, webhook=webhook)}
    (tmp_path / "keys").mkdir()
    write_private(tmp_path / "keys/acme.webhook", f"{SECRET}\n".encode())
    (tmp_path / "words.txt").write_text("I want the letter.")
    with (
        Sink() as sink,
        Served(tmp_path, Settings(sink.port, trusted=None, tenants=tenants), certificates) as house,
    ):
        with Receiver(certificates, port=port) as receiver:
            words = ("--text", str(tmp_path / "words.txt"), "--language", "en", "--json")
            made = house.run("consent", "request", READER, "--scope", "acme/asked", *words)
            (request,) = json.loads(made)
            post(link_in(sink, READER, rb"http://[^/]+/c/[a-z2-7]{52}"), b"answer=confirm")
            confirmed = receiver.wait(1)[0]
            unsubscribe(house, sink, READER, "asked")
            unsubscribed = receiver.wait(2)[1]
        assert confirmed.is_signed()
        assert unsubscribed.is_signed()
        assert confirmed.path == "/hook"
        assert confirmed.said["type"] == "consent.confirmed"
        told = {"stream": "asked", "tracking": request["tracking"], "level": 4, "address": READER}
        assert confirmed.said["data"] == told
        assert unsubscribed.said["type"] == "unsubscribed"
        told = {"stream": "asked", "reason": "unsubscribe", "address": READER}
        assert unsubscribed.said["data"] == told

        unsubscribe(house, sink, OTHER, "weekly")
        (missed,) = wait_until(lambda: failures(house))
        house.crash("web")
        with Receiver(certificates, port=port) as receiver:
            late = receiver.wait(1)[0]
        assert late.is_signed()
        assert late.id == missed["id"]
        assert late.said["type"] == "unsubscribed"
        # The gateway knows the reader by the key of the link only: no records of acme's have more.
        assert late.said["data"] == {"stream": "weekly", "reason": "unsubscribe", "address": None}
