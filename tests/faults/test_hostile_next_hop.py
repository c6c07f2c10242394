"""STARTTLS on our side of a next hop: somebody on the way injects, strips and refuses. What came in
the clear is never taken for an answer inside TLS, and with `verify` nothing goes out in the clear.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.relay import hop as relay_hop
from tests.e2e.certificates import HOST, Certificates, make_certificates
from tests.e2e.gateway import Gateway, Settings, write_private
from tests.faults.customer import message, new_id, send
from tests.faults.houses import Inside
from tests.faults.man_in_the_middle import INSIDE, OFFER, Middle
from tests.faults.waiting import eventually

SESSION = b"250 hop.test\r\n235 ok\r\n250 ok\r\n250 ok\r\n354 go on\r\n250 injected\r\n"
EHLO = b"EHLO gateway.test\r\n"
GO_ON = b"220 2.0.0 go on\r\n"
PASSWORD = base64.b64encode(b"\0gateway\0s3cret")
PLAIN = b"250-hop.test\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n"
MEDDLING: dict[str, tuple[str, list[bytes]]] = {
    "a reply behind the 220": ("STARTTLS", [GO_ON + b"250 injected\r\n"]),
    "a session behind the 220": ("STARTTLS", [GO_ON + SESSION]),
    "offers behind the 220": ("STARTTLS", [GO_ON + INSIDE]),
    "half an offer behind the 220": ("STARTTLS", [GO_ON + b"250-PIPELINING"]),
    "one octet behind the 220": ("STARTTLS", [GO_ON + b"2"]),
    "a line end behind the 220": ("STARTTLS", [GO_ON + b"\r\n"]),
    "a farewell behind the 220": ("STARTTLS", [GO_ON + b"421 4.3.2 bye\r\n"]),
    "a NUL behind the 220": ("STARTTLS", [GO_ON + b"\0"]),
    "a session in the next segment": ("STARTTLS", [GO_ON, SESSION]),
    "half an offer in the next segment": ("STARTTLS", [GO_ON, b"250-PIPELINING"]),
    "the 220 and more in pieces": ("STARTTLS", [b"220 2.0.0", b" go on\r", b"\n250 injected\r\n"]),
    "a 220 of two lines and more": ("STARTTLS", [b"220-go\r\n220 on\r\n250 injected\r\n"]),
    "a bare line feed": ("STARTTLS", [b"220 go on\n250 injected\r\n"]),
    "an answer before STARTTLS": ("EHLO", [OFFER + GO_ON]),
    "an answer before EHLO": ("GREETING", [b"220 hop.test\r\n" + OFFER]),
    "STARTTLS stripped": ("EHLO", [PLAIN]),
    "STARTTLS masked": ("EHLO", [OFFER.replace(b"STARTTLS", b"XXXXXXXA")]),
    "EHLO refused": ("EHLO", [b"502 5.5.2 what\r\n"]),
    "454 to STARTTLS": ("STARTTLS", [b"454 4.7.0 not now\r\n"]),
    "554 to STARTTLS": ("STARTTLS", [b"554 5.7.0 never\r\n"]),
    "250 to STARTTLS": ("STARTTLS", [b"250 2.0.0 ok\r\n"]),
    "354 to STARTTLS": ("STARTTLS", [b"354 go on\r\n"]),
    "421 to STARTTLS": ("STARTTLS", [b"421 4.3.2 bye\r\n"]),
}
"""What is said at a verb instead of the usual, in segments."""


@pytest.fixture(scope="module")
def middle(certificates: Certificates) -> Iterator[Middle]:
    """A next hop with a genuine certificate, and somebody before it."""
    with Middle(certificates) as running:
        yield running


@pytest.fixture(scope="module", params=["signs in", "without AUTH"])
def house(
    request: pytest.FixtureRequest,
    middle: Middle,
    certificates: Certificates,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Inside]:
    """A gateway that verifies its next hop, and signs in at it or not."""
    folder = tmp_path_factory.mktemp("house")
    write_private(folder / "password", b"s3cret\n")
    hop: dict[str, object] = {
        "name": "main",
        "host": HOST,
        "port": middle.port,
        "tls": "verify",
        "ca_file": str(certificates.authority),
        "messages_per_connection": 1,
    }
    if request.param == "signs in":
        hop["auth"] = {"username": "gateway", "password_file": str(folder / "password")}
    settings = Settings(middle.port, gateway={"next_hops": [hop]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relay_hop, "MAX_BACKOFF", 0.01)
        with Inside(Gateway(folder, settings, certificates)) as running:
            eventually(lambda: running.call(running.gateway.hops.describe)[0]["idle"] == 1)
            # That connection is for one message, like all here.
            assert send(running.port, message(new_id())).code == 250
            yield running


def assert_nothing_out(house: Inside, middle: Middle) -> None:
    """A message is put off; neither it nor the password was said to anybody."""
    answer = send(house.port, message(new_id()))
    assert (answer.code, answer.tag) in {(451, "NEXT-HOP-AWAY"), (451, "NEXT-HOP")}
    said = {line.split()[0].upper() for line in middle.clear + middle.inside}
    assert said <= {b"EHLO", b"HELO", b"STARTTLS"}
    assert middle.kept == 0


def assert_well_again(house: Inside, middle: Middle) -> None:
    """Left alone, the next hop gets everything inside TLS, by what it offers there."""
    middle.behave()
    eventually(lambda: send(house.port, message(new_id())).code == 250)
    assert middle.kept == 1
    assert {line.split()[0] for line in middle.clear} == {b"EHLO", b"STARTTLS"}
    first = [line.split(b" FROM")[0] for line in middle.inside[:3] if not line.startswith(b"RCPT")]
    login = [b"AUTH PLAIN " + PASSWORD + b"\r\n"]
    assert first in ([EHLO, *login, b"MAIL"], [EHLO, b"MAIL"])
    (mail,) = [line for line in middle.inside if line.startswith(b"MAIL")]
    assert b"SIZE" not in mail  # offered in the clear only


@pytest.mark.parametrize("how", MEDDLING)
def test_meddling_sends_nothing(how: str, house: Inside, middle: Middle) -> None:
    """Injected, stripped, refused: 451 for now, no mail and no password, and nothing is left of it
    when the meddling ends."""
    middle.behave()
    verb, segments = MEDDLING[how]
    middle.script = {verb: segments}
    assert_nothing_out(house, middle)
    assert_well_again(house, middle)


def test_plaintext_in_place_of_a_handshake_is_no_answer(house: Inside, middle: Middle) -> None:
    """A next hop that goes on in the clear behind its 220 hears a ClientHello and nothing more."""
    middle.behave()
    middle.has_tls = False
    middle.script = {"STARTTLS": [GO_ON, SESSION, SESSION]}
    answer = send(house.port, message(new_id()))
    assert (answer.code, answer.tag) == (451, "NEXT-HOP-AWAY")
    assert not any(b"MAIL FROM" in line or PASSWORD in line for line in middle.clear)
    assert_well_again(house, middle)


def test_another_s_certificate_is_not_spoken_to(
    house: Inside, middle: Middle, tmp_path: Path
) -> None:
    """Who terminates TLS on the way with a certificate of its own making hears nothing."""
    middle.behave()
    genuine, forged = middle.context, Middle(make_certificates(tmp_path))
    middle.context = forged.context
    try:
        assert_nothing_out(house, middle)
        assert middle.inside == []
    finally:
        middle.context = genuine
        forged._server.server_close()
    assert_well_again(house, middle)
