"""Lists that were never cleaned: 100 recipients of which 75 are unknown to the Postfix behind.

Stock Postfix waits a second after each refusal from the tenth on and hangs up at the twentieth;
set up as deploy/postfix shows it does neither. The customer must get the same answers from both.
"""

from __future__ import annotations

import smtplib
import ssl
import time
from collections.abc import Iterator

import pytest

from tests.e2e.certificates import HOST, Certificates
from tests.e2e.forms import SENDER, body_of, crowd, crowd_form
from tests.e2e.gateway import LOGIN, PASSWORD, Gateway, Settings
from tests.e2e.postfix import Postfix

KNOWN = crowd(25)
UNKNOWN = tuple(f"gone{number:02d}@inbox.test" for number in range(75))
# Every fourth is known, so that refusals come in runs of three.
MIXED = tuple(
    address for index, known in enumerate(KNOWN) for address in (*UNKNOWN[3 * index :][:3], known)
)


@pytest.fixture(scope="module")
def deployed_gateway(
    deployed_postfix: Postfix,
    certificates: Certificates,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """A gateway in front of the Postfix that deploy/ shows."""
    folder = tmp_path_factory.mktemp("deployed")
    with Gateway(folder, Settings(deployed_postfix.port), certificates) as running:
        yield running


def send_to_all(gateway: Gateway) -> tuple[float, list[tuple[int, bytes]], tuple[int, bytes]]:
    """Ask for every recipient, then send: seconds, each RCPT's reply, the reply to the message."""
    context = ssl.create_default_context(cafile=gateway.certificates.authority)
    with smtplib.SMTP(HOST, gateway.submission, timeout=60) as session:
        session.starttls(context=context)
        session.login(LOGIN, PASSWORD)
        began = time.monotonic()
        session.mail(SENDER)
        answers = [session.rcpt(address) for address in MIXED]
        final = session.data(crowd_form().fresh().raw)
        return time.monotonic() - began, answers, final


def assert_outcome(
    answers: list[tuple[int, bytes]], final: tuple[int, bytes], postfix: Postfix
) -> None:
    """75 refusals in the next hop's words, 25 copies delivered, and nothing else."""
    for address, (code, text) in zip(MIXED, answers, strict=True):
        if address in KNOWN:
            assert code == 250
        else:
            assert code == 550
            assert text.startswith(b"5.1.1 [RELAY-REFUSED]")
    assert final[0] == 250, final
    for address in KNOWN:
        (arrived,) = postfix.take(address)
        assert body_of(arrived) == crowd_form().body


def test_stock_postfix(gateway: Gateway, postfix: Postfix) -> None:
    """With stock settings every answer is right; connections change before Postfix slows down."""
    seconds, answers, final = send_to_all(gateway)
    assert_outcome(answers, final, postfix)
    assert "too many errors" not in postfix.log
    assert seconds < 10


def test_deployed_postfix(deployed_gateway: Gateway, deployed_postfix: Postfix) -> None:
    """With the settings of deploy/ it is quick, too."""
    seconds, answers, final = send_to_all(deployed_gateway)
    assert_outcome(answers, final, deployed_postfix)
    assert "too many errors" not in deployed_postfix.log
    assert seconds < 3


def test_pipelined_recipients(gateway: Gateway, postfix: Postfix) -> None:
    """All recipients in one write get the same answers as one by one."""
    commands = [f"MAIL FROM:<{SENDER}>", *(f"RCPT TO:<{address}>" for address in MIXED), "DATA"]
    with smtplib.SMTP(HOST, gateway.open, timeout=60) as session:
        session.ehlo()
        session.send("".join(f"{command}\r\n" for command in commands))
        assert session.getreply()[0] == 250
        answers = [session.getreply() for _ in MIXED]
        assert session.getreply()[0] == 354
        session.send(crowd_form().fresh().raw + b".\r\n")
        final = session.getreply()
    assert_outcome(answers, final, postfix)
