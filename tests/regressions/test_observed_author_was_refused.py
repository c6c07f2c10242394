"""With from-alignment only observed, an author that could not be read was refused all the same, by
the rule that looks for blocked domains; and inquiries configured to be stamped were not."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import Settings, acme
from tests.e2e.inside import InsideGateway
from tests.e2e.session import Session
from tests.e2e.sink import Sink

SENDER, READER = "news@acme.test", "reader@inbox.test"
POLICIES = [
    "tenant-state", "sender-domain", "domain-block", "recipients", "batch", "bytes", "rate",
    "suppression", "consent", "message-sanity", "from-alignment", "unsubscribe-required",
]  # fmt: skip


def test_observed_author_passes(tmp_path: Path) -> None:
    """Two authors are reported and relayed, signed as the envelope's domain."""
    order = [{name: "observe" if name == "from-alignment" else "enforce"} for name in POLICIES]
    order[9] = {"message-sanity": "observe"}
    raw = b"From: a@acme.test, b@acme.test\r\nSubject: two\r\n\r\nhello\r\n"
    with Sink() as sink:
        settings = Settings(sink.port, tenants={"acme": acme()}, gateway={"policies": order})
        with (
            InsideGateway(tmp_path, settings, make_certificates(tmp_path / "tls")) as house,
            Session(house.open) as session,
        ):
            assert session.send(SENDER, [READER], raw).code == 250
        (message,) = sink.wait_for(1)
    assert b"d=acme.test" in message.raw


def test_inquiry_is_stamped_when_told_so(tmp_path: Path) -> None:
    """An inquiry stream with `unsubscribe: stamp` gives each reader a link of its own."""
    streams = {"offers": {"kind": "inquiry", "open": True, "unsubscribe": "stamp"}}
    raw = b"From: a@acme.test\r\nSubject: offer\r\n\r\nhello\r\n"
    with Sink() as sink:
        settings = Settings(sink.port, tenants={"acme": acme(streams=streams)})
        with (
            InsideGateway(tmp_path, settings, make_certificates(tmp_path / "tls")) as house,
            Session(house.open) as session,
        ):
            assert session.send(SENDER, [READER, f"x{READER}"], raw).code == 250
        links = {
            line
            for message in sink.wait_for(2)
            for line in message.raw.split(b"\r\n")
            if line.startswith(b"List-Unsubscribe: ")
        }
    assert len(links) == 2
