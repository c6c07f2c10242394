"""Handing one mail to next hops that are well, away, strict, silent, or refuse it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink as Swallow

from gateway.courier import Fate, Said, hand_over
from gateway.relay.settings import NextHopSettings, Timeouts, Tls
from tests.e2e.certificates import HOST, Certificates
from tests.e2e.deciding_hop import BREAK_OFF, DecidingHop
from tests.e2e.ports import LOOPBACK, free_port
from tests.e2e.sink import Sink

READER, SENDER = "anna@inbox.test", "lists@acme.test"
MAIL = b"From: <lists@acme.test>\r\nSubject: x\r\n\r\n.dot\r\nza\xc5\xbc \xc3\xb3\r\n"
BRIEF = Timeouts(connect=5.0, greeting=5.0, command=5.0, data=5.0, dot=1.0)


def hop(port: int, **changes: object) -> NextHopSettings:
    """A next hop on loopback."""
    settings = {"name": f"hop{port}", "host": LOOPBACK, "port": port, "hostname": "gateway.test"}
    return NextHopSettings(**{**settings, "tls": Tls.NONE, "timeouts": BRIEF, **changes})  # type: ignore[arg-type]


def give(*hops: NextHopSettings, to: str = READER) -> Said:
    """Hand MAIL over."""
    return asyncio.run(hand_over(hops, SENDER, to, MAIL))


def test_the_octets_arrive_as_they_are() -> None:
    """Dots, 8-bit text and line ends: the hash in the evidence is of what the next hop has."""
    with Sink() as sink:
        said = give(hop(sink.port))
        assert (said.fate, said.hop) == (Fate.TAKEN, f"hop{sink.port}")
        assert said.words == "250 2.0.0 kept"
        (kept,) = sink.messages
    assert (kept.mail_from, kept.recipients, kept.raw) == (SENDER, (READER,), MAIL)


def test_tls_is_verified_and_the_login_used(certificates: Certificates) -> None:
    """The certificate must carry the configured name, and a wrong password is for another time."""
    login = ("relay", "secret")
    settings = {"tls": Tls.VERIFY, "ca_file": certificates.authority, "server_name": HOST}
    signed_in = {"username": login[0], "password": login[1]}
    with Sink(certificates=certificates, login=login) as sink:
        assert give(hop(sink.port, **settings, **signed_in)).fate is Fate.TAKEN
        for wrong in (
            {**settings, **signed_in, "server_name": "elsewhere.test"},
            {**settings, **signed_in, "ca_file": None},
            {**settings, **signed_in, "password": "guess"},
            {**settings, **signed_in, "ca_file": certificates.authority.with_name("gone.pem")},
            {**settings},
        ):
            assert give(hop(sink.port, **wrong)).fate is Fate.LATER
        assert len(sink.messages) == 1


def test_tls_from_the_first_octet(certificates: Certificates) -> None:
    """A next hop on port 465 is spoken to inside TLS, and its name verified."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.certificate, certificates.key)
    controller = Controller(Swallow(), hostname=LOOPBACK, port=free_port(), ssl_context=context)
    settings = {"tls": Tls.VERIFY, "ca_file": certificates.authority, "implicit_tls": True}
    controller.start()
    try:
        assert give(hop(controller.port, **settings, server_name=HOST)).fate is Fate.TAKEN
        wrong = give(hop(controller.port, **settings, server_name="elsewhere.test"))
        assert wrong.fate is Fate.LATER
    finally:
        controller.stop()


def test_the_next_one_is_tried_when_one_is_away() -> None:
    """In their order; who takes it is named."""
    with Sink() as sink:
        said = give(hop(free_port()), hop(sink.port))
        assert (said.fate, said.hop) == (Fate.TAKEN, f"hop{sink.port}")
    assert give(hop(free_port()), hop(free_port())).fate is Fate.LATER
    assert give().fate is Fate.LATER


@pytest.mark.parametrize(
    ("reply", "fate"),
    [
        ("550 5.1.1 no such mailbox", Fate.REFUSED),
        ("451 4.3.0 not now", Fate.LATER),
        ("554 5.7.1 Relay access denied", Fate.LATER),
    ],
)
@pytest.mark.parametrize("at", ["at_rcpt", "at_dot"])
def test_a_refusal_is_final_only_about_this_mail(reply: str, fate: Fate, at: str) -> None:
    """4xx, and what is about us and not about the mail, is for another time."""
    refuse: Callable[[str], str | None] = lambda _recipient: reply  # noqa: E731
    with DecidingHop() as sink, sink.judging(**{at: refuse}):
        said = give(hop(sink.port))
    assert said.fate is fate
    assert said.words == reply


def test_after_the_dot_nobody_else_gets_it() -> None:
    """A broken connection or silence then may hide that it was taken."""
    broken: Callable[[str], str | None] = lambda _recipient: BREAK_OFF  # noqa: E731
    with Sink() as other, DecidingHop() as sink:
        with sink.judging(at_dot=broken):
            assert give(hop(sink.port), hop(other.port)).fate is Fate.UNKNOWN
        with sink.silent():
            assert give(hop(sink.port), hop(other.port)).fate is Fate.UNKNOWN
        assert not other.messages


def test_an_international_address_needs_smtputf8() -> None:
    """It is sent as it is where that is offered."""
    with Sink() as sink:
        assert give(hop(sink.port), to="zażółć@inbox.test").fate is Fate.TAKEN
        (kept,) = sink.messages
    assert kept.recipients == ("zażółć@inbox.test",)
    assert "SMTPUTF8" in kept.options
