"""TLS and AUTH to the next hop, against aiosmtpd and against a hop that cheats."""

from __future__ import annotations

import asyncio
import datetime
import gc
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.relay.hops import NextHops
from gateway.relay.outcome import HopReply, State, Trouble
from gateway.relay.settings import NextHopSettings, Tls
from gateway.relay.transaction import Copy
from gateway.words import Body

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
OFFERS_TLS = b"250-hop.test\r\n250-PIPELINING\r\n250 STARTTLS\r\n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for localhost and 127.0.0.1, key included."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "hop.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


class Keeper:
    """An aiosmtpd handler that keeps what it takes, and whether it came over TLS."""

    def __init__(self) -> None:
        self.taken: list[tuple[bool, bytes]] = []

    async def handle_DATA(self, _server: Any, session: Any, envelope: Envelope) -> str:
        self.taken.append((session.ssl is not None, bytes(envelope.content or b"")))
        return "250 2.0.0 kept"


def check_login(_server: Any, _session: Any, _envelope: Any, mechanism: str, data: Any) -> Any:
    assert isinstance(data, LoginPassword)
    is_right = (data.login, data.password) == (b"gateway", b"s3cret")
    return AuthResult(success=is_right, handled=True)


@contextmanager
def aiosmtpd_hop(**options: Any) -> Iterator[tuple[Keeper, int]]:
    """A real aiosmtpd in its own thread."""
    keeper = Keeper()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(keeper, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield keeper, port
    finally:
        controller.stop()
        gc.collect()  # aiosmtpd leaves sockets open; found here, they disturb no other test


def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


async def relay_one(settings: NextHopSettings) -> HopReply:
    """One message; the reply to its recipient or, when that was good, to its dot."""
    hops = NextHops([settings], lambda _event: None)
    transaction = hops.transaction("a@b.example", size=None, body=Body.EIGHT_BIT, smtputf8=False)
    (reply,) = await transaction.ask(["r@x.example"])
    if reply.is_positive:
        copy = Copy(("r@x.example",), b"Subject: \xc3\xbc\r\n\r\n", (b".hello\r\n",))
        (outcome,) = await transaction.send(copy, lambda: None)
        assert outcome.state is State.TAKEN
        reply = outcome.reply
    await transaction.close()
    await hops.close()
    assert isinstance(reply, HopReply)
    return reply


@pytest.mark.parametrize("is_implicit", [True, False])
async def test_a_verified_next_hop_gets_the_message_over_tls(
    certificate: Path, is_implicit: bool
) -> None:
    """STARTTLS and implicit TLS both work, with AUTH behind them."""
    key = "ssl_context" if is_implicit else "tls_context"
    # aiosmtpd does not know that implicit TLS is TLS when it offers AUTH.
    options: dict[str, Any] = {key: server_context(certificate), "authenticator": check_login}
    options["auth_required"] = options["auth_require_tls"] = not is_implicit
    with aiosmtpd_hop(**options) as (keeper, port):
        reply = await relay_one(
            NextHopSettings(
                "hop",
                "127.0.0.1",
                port,
                ca_file=certificate,
                implicit_tls=is_implicit,
                username="gateway",
                password="s3cret",
            )
        )
    assert reply.text == "kept"
    assert [content for _, content in keeper.taken] == [b"Subject: \xc3\xbc\r\n\r\n.hello\r\n"]
    assert keeper.taken[0][0] or is_implicit


async def test_an_unknown_certificate_is_not_spoken_to(certificate: Path) -> None:
    """`verify` defers when the certificate is of nobody we trust; `opportunistic` goes on."""
    with aiosmtpd_hop(tls_context=server_context(certificate)) as (keeper, port):
        refused = await relay_one(NextHopSettings("hop", "127.0.0.1", port))
        taken = await relay_one(NextHopSettings("hop", "127.0.0.1", port, tls=Tls.OPPORTUNISTIC))
    assert refused.trouble is Trouble.AWAY
    assert "certificate" in refused.text.lower()
    assert taken.is_positive
    assert [is_tls for is_tls, _ in keeper.taken] == [True]


async def test_verify_never_goes_on_in_clear(hop: Any, relay_to: Callable[..., Any]) -> None:
    """Without STARTTLS on offer, or with STARTTLS refused, nothing is sent."""
    for answer in (b"250 hop.test\r\n", OFFERS_TLS):
        hop.on("EHLO", answer)
        hop.on("STARTTLS", b"454 4.7.0 not now\r\n")
        assert (await relay_one(relay_to(hop, tls=Tls.VERIFY).settings[0])).code == 451
    assert hop.of("MAIL") == []


async def test_opportunistic_goes_on_in_clear_but_never_with_a_password(
    hop: Any, relay_to: Callable[..., Any]
) -> None:
    """No TLS on offer: mail goes, the login does not."""
    settings = relay_to(hop, tls=Tls.OPPORTUNISTIC).settings[0]
    assert (await relay_one(settings)).is_positive
    settings = relay_to(hop, tls=Tls.OPPORTUNISTIC, username="u", password="p").settings[0]
    hop.on("EHLO", b"250-hop.test\r\n250 AUTH PLAIN\r\n")
    assert (await relay_one(settings)).trouble is Trouble.AWAY
    assert hop.of("AUTH") == []


@pytest.mark.parametrize("octets", [b"250 injected\r\n", b"2"])
async def test_octets_behind_the_starttls_reply_end_the_connection(
    hop: Any, relay_to: Callable[..., Any], octets: bytes
) -> None:
    """What somebody slipped in before the handshake is never read as a reply inside TLS."""
    hop.on("EHLO", lambda _: OFFERS_TLS)
    hop.on("STARTTLS", lambda _: b"220 2.0.0 go on\r\n" + octets)
    reply = await relay_one(relay_to(hop, tls=Tls.OPPORTUNISTIC).settings[0])
    assert reply.trouble is Trouble.AWAY
    assert "garbled" in reply.text
    assert len(hop.commands) == 2


async def test_half_a_handshake_ends_in_time(hop: Any, relay_to: Callable[..., Any]) -> None:
    """A next hop that goes silent within the TLS handshake does not hold us."""
    hop.on("EHLO", lambda _: OFFERS_TLS)
    hop.on("STARTTLS", lambda _: b"220 2.0.0 go on\r\n")
    reply = await asyncio.wait_for(
        relay_one(relay_to(hop, tls=Tls.OPPORTUNISTIC).settings[0]), timeout=60
    )
    assert reply.trouble is Trouble.AWAY


@pytest.mark.parametrize(
    ("offered", "commands"),
    [
        (b"PLAIN LOGIN", ["AUTH PLAIN AHUAcA=="]),
        (b"LOGIN", ["AUTH LOGIN", "dQ==", "cA=="]),
    ],
)
async def test_the_best_mechanism_offered_is_used(
    hop: Any, relay_to: Callable[..., Any], offered: bytes, commands: list[str]
) -> None:
    """PLAIN with its initial response, else LOGIN step by step."""
    hop.on("EHLO", b"250-hop.test\r\n250 AUTH " + offered + b"\r\n")
    hop.on("AUTH", b"334 VXNlcm5hbWU6\r\n" if len(commands) > 1 else b"235 2.7.0 Ok\r\n")
    hop.on("DQ==", b"334 UGFzc3dvcmQ6\r\n")
    hop.on("CA==", b"235 2.7.0 Ok\r\n")
    reply = await relay_one(relay_to(hop, username="u", password="p").settings[0])
    assert reply.is_positive
    assert [line for _, line in hop.commands][1 : 1 + len(commands)] == commands


async def test_a_refused_login_refuses_us(hop: Any, relay_to: Callable[..., Any]) -> None:
    """535 is the operator's to mend: the customer gets 451."""
    hop.on("EHLO", b"250-hop.test\r\n250 AUTH PLAIN\r\n")
    hop.on("AUTH", b"535 5.7.8 bad\r\n")
    settings = relay_to(hop, username="u", password="p").settings[0]
    assert (await relay_one(settings)).trouble is Trouble.REFUSES_US
    assert "password" not in repr(settings)
