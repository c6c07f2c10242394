"""Behind a real HAProxy: the client's own address counts, and nobody else may claim one."""

from __future__ import annotations

import json
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

from tests.e2e.balancer import Balancer, Ports
from tests.e2e.certificates import Certificates
from tests.e2e.gateway import DOMAIN, LOGIN, PASSWORD, Gateway, Settings
from tests.e2e.ports import LOOPBACK
from tests.e2e.sink import Sink

CLIENT = "127.0.0.9"
MESSAGE = f"From: a@{DOMAIN}\r\nSubject: through a balancer\r\n\r\nhello\r\n"


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    """The next hop."""
    with Sink() as running:
        yield running


@pytest.fixture(scope="module")
def gateways(
    sink: Sink, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Gateway, Gateway]]:
    """Two gateways whose listeners with TLS believe the balancer; only the first one runs."""
    made = [
        Gateway(tmp_path_factory.mktemp("gateway"), Settings(sink.port), certificates)
        for _ in range(2)
    ]
    for gateway in made:
        gateway.write()
        config = json.loads(gateway.config.read_text())
        for listener in config["listeners"][:2]:
            listener["proxy_from"] = ["127.0.0.1/32"]
        gateway.config.write_text(json.dumps(config))
    made[0].start()
    yield made[0], made[1]
    made[0].stop()


@pytest.fixture
def gateway(gateways: tuple[Gateway, Gateway]) -> Gateway:
    """The one that runs."""
    return gateways[0]


@pytest.fixture
def balancer(
    request: pytest.FixtureRequest,
    gateways: tuple[Gateway, Gateway],
    certificates: Certificates,
    tmp_path: Path,
) -> Iterator[Balancer]:
    """HAProxy as deploy/haproxy shows it in front of the two; the parameter is the header's
    version."""
    places = [Ports(one.submission, one.submissions, one.web) for one in gateways]
    version = getattr(request, "param", 2)
    with Balancer(tmp_path, places, certificates, version=version) as running:
        yield running


def send(client: smtplib.SMTP, recipient: str) -> None:
    """One message over a connection that is encrypted already."""
    with client:
        client.login(LOGIN, PASSWORD)
        client.sendmail(f"a@{DOMAIN}", [recipient], MESSAGE)


@pytest.mark.parametrize("balancer", [1, 2], indirect=True)
def test_the_header_carries_the_client(balancer, sink, certificates):
    """With STARTTLS and with TLS at once, Received names the client, not the balancer."""
    context = ssl.create_default_context(cafile=certificates.authority)
    source = (CLIENT, 0)
    sink.messages.clear()
    plain = smtplib.SMTP("localhost", balancer.submission, source_address=source)
    plain.starttls(context=context)
    send(plain, "one@inbox.test")
    implicit = smtplib.SMTP_SSL(
        "localhost", balancer.submissions, context=context, source_address=source
    )
    send(implicit, "two@inbox.test")
    for message in sink.wait_for(2):
        assert f"([{CLIENT}])".encode() in message.raw.partition(b"\r\n\tby ")[0]


def test_pages_come_through_tls_and_metrics_do_not(balancer, certificates):
    """The web front end answers under its certificate, and says to the gateway who really asks."""
    context = ssl.create_default_context(cafile=certificates.authority)
    with httpx.Client(base_url=f"https://localhost:{balancer.web}", verify=context) as browser:
        assert browser.get("/healthz").json() == {"alive": True}
        assert browser.get("/metrics").status_code == HTTPStatus.NOT_FOUND


def test_a_gateway_that_ended_gets_no_connections(balancer, gateways):
    """The health check finds a gateway that started and leaves it out, on both ports, once gone."""
    gateways[1].start()
    try:
        balancer.wait_for(gateway1=True, gateway2=True)
    finally:
        gateways[1].stop()
    balancer.wait_for(gateway1=True, gateway2=False)
    balancer.wait_for("submissions", gateway1=True, gateway2=False)
    for _ in range(4):
        with smtplib.SMTP("localhost", balancer.submission) as client:
            assert client.noop()[0] == 250


def test_a_connection_without_a_header_is_closed(gateway):
    """On a listener for balancers, what does not begin with a PROXY header gets no banner."""
    with socket.create_connection((LOOPBACK, gateway.submission), timeout=60) as bare:
        bare.sendall(b"EHLO me\r\n")
        heard = b""
        with suppress(ConnectionResetError):
            heard = bare.recv(100)
        assert heard == b""


def test_a_header_from_elsewhere_is_no_header(gateway):
    """Who is not a listed balancer is greeted as itself, and its header is an unknown command."""
    with socket.create_connection(
        (LOOPBACK, gateway.submission), timeout=10, source_address=("127.0.0.5", 0)
    ) as other:
        other.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 587\r\n")
        answers = other.makefile("rb")
        assert answers.readline().startswith(b"220 ")
        assert b"[SYNTAX]" in answers.readline()
