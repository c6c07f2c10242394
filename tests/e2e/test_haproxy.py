"""Behind a real HAProxy: the client's own address counts, and nobody else may claim one."""

from __future__ import annotations

import json
import smtplib
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.certificates import Certificates
from tests.e2e.gateway import DOMAIN, LOGIN, PASSWORD, Gateway, Settings
from tests.e2e.ports import LOOPBACK, free_port, wait_for_port
from tests.e2e.sink import Sink

CLIENT = "127.0.0.9"
MESSAGE = f"From: a@{DOMAIN}\r\nSubject: through a balancer\r\n\r\nhello\r\n"
CONFIGURATION = """\
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen starttls
    bind {host}:{starttls}
    server gateway {host}:{submission} send-proxy
listen implicit
    bind {host}:{implicit}
    server gateway {host}:{submissions} send-proxy-v2
"""


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    """The next hop."""
    with Sink() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(
    sink: Sink, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway whose TLS listeners believe the balancer on loopback."""
    made = Gateway(tmp_path_factory.mktemp("gateway"), Settings(sink.port), certificates)
    made.write()
    config = json.loads(made.config.read_text())
    for listener in config["listeners"][:2]:
        listener["proxy_from"] = ["127.0.0.1/32"]
    made.config.write_text(json.dumps(config))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def balancer(gateway: Gateway, tmp_path: Path) -> Iterator[dict[str, int]]:
    """HAProxy's two ports: `starttls` sends version 1 headers, `implicit` version 2."""
    ports = {"starttls": free_port(), "implicit": free_port()}
    file = tmp_path / "haproxy.cfg"
    file.write_text(
        CONFIGURATION.format(
            host=LOOPBACK,
            submission=gateway.submission,
            submissions=gateway.submissions,
            **ports,
        )
    )
    process = subprocess.Popen(["haproxy", "-db", "-f", file], stderr=subprocess.DEVNULL)
    try:
        for port in ports.values():
            wait_for_port(port)
        yield ports
    finally:
        process.terminate()
        process.wait(10)


def send(client: smtplib.SMTP, recipient: str) -> None:
    """One message over a connection that is encrypted already."""
    with client:
        client.login(LOGIN, PASSWORD)
        client.sendmail(f"a@{DOMAIN}", [recipient], MESSAGE)


def test_both_versions_of_the_header_carry_the_client(balancer, gateway, sink, certificates):
    """STARTTLS behind version 1 and TLS at once behind version 2: Received names the client."""
    context = ssl.create_default_context(cafile=certificates.authority)
    source = (CLIENT, 0)
    plain = smtplib.SMTP("localhost", balancer["starttls"], source_address=source)
    plain.starttls(context=context)
    send(plain, "one@inbox.test")
    implicit = smtplib.SMTP_SSL(
        "localhost", balancer["implicit"], context=context, source_address=source
    )
    send(implicit, "two@inbox.test")
    for message in sink.wait_for(2):
        assert f"([{CLIENT}])".encode() in message.raw.partition(b"\r\n\tby ")[0]


def test_a_connection_without_a_header_is_closed(gateway):
    """On a listener for balancers, what does not begin with a PROXY header gets no banner."""
    with socket.create_connection((LOOPBACK, gateway.submission), timeout=10) as bare:
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
