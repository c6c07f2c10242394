"""STARTTLS on our side of a customer: what came before the handshake in the clear, in whatever
pieces, is nothing once TLS is up.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest

from tests.e2e.certificates import HOST, Certificates
from tests.e2e.gateway import PASSWORD
from tests.faults.customer import Customer
from tests.faults.hop import Hop
from tests.faults.hostile import SHORT, impatient_house
from tests.faults.houses import Inside


@pytest.fixture(scope="module")
def house(
    shared_hop: Hop, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Inside]:
    """A gateway of short patience and small memory."""
    with impatient_house(shared_hop, certificates, tmp_path_factory.mktemp("house")) as running:
        yield running


def test_what_is_pipelined_behind_starttls_is_forgotten(
    house: Inside, hop: Hop, certificates: Certificates
) -> None:
    """Neither a command nor a transaction from before TLS counts after it."""
    with Customer(house.harness.submission) as victim:
        victim.hello()
        victim.send(b"STARTTLS\r\nMAIL FROM:<news@acme.test>\r\nRSET\r\n")
        assert victim.answer().code == 220
        hello = victim.start_tls(certificates)
        assert (hello.code, "STARTTLS" in hello.text) == (250, False)
        assert victim.sign_in("acme", PASSWORD).code in (235, 421)
        assert victim.ask("NOOP").code in (250, 0)


def test_a_command_right_behind_the_handshake_is_answered(
    house: Inside, certificates: Certificates
) -> None:
    """EHLO in the same segment as the end of the handshake is inside TLS, and is kept."""
    with Customer(house.harness.submission) as quick:
        quick.hello()
        assert quick.ask("STARTTLS").code == 220
        into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=certificates.authority)
        tls = context.wrap_bio(into, out, server_hostname=HOST)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                if out.pending:
                    quick.send(out.read())
                into.write(quick.socket.recv(65_536))
        tls.write(b"EHLO client.test\r\n")
        quick.send(out.read())
        quick.socket.settimeout(SHORT / 2)
        reply = b""
        while b"250 HELP" not in reply:
            into.write(quick.socket.recv(65_536))
            try:
                reply += tls.read()
            except ssl.SSLWantReadError:
                continue
