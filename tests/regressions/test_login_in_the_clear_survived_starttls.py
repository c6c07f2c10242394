"""Who had signed in before STARTTLS was still signed in after it, though RFC 3207 section 4.2 has
all that came in the clear forgotten: somebody on the way could have put the login there."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import LOGIN, PASSWORD, Gateway, Settings
from tests.e2e.ports import LOOPBACK, free_port
from tests.faults.customer import SENDER, Customer
from tests.faults.houses import Inside


def test_login_is_asked_for_again(tmp_path: Path) -> None:
    """After STARTTLS AUTH is offered anew, MAIL wants it, and with it MAIL is taken."""
    certificates, port = make_certificates(tmp_path / "tls"), free_port()
    listener = {
        "name": "either",
        "listen": f"{LOOPBACK}:{port}",
        "tls": "starttls",
        "require_tls": False,
    }
    settings = Settings(free_port(), gateway={"listeners": [listener]})
    with Inside(Gateway(tmp_path, settings, certificates)), Customer(port) as customer:
        customer.hello()
        assert customer.sign_in(LOGIN, PASSWORD).code == 235
        assert customer.ask("STARTTLS").code == 220
        assert "AUTH" in customer.start_tls(certificates).text
        answer = customer.ask(f"MAIL FROM:<{SENDER}>")
        assert (answer.code, answer.tag) == (530, "AUTH-REQUIRED")
        assert customer.sign_in(LOGIN, PASSWORD).code == 235
        assert customer.ask(f"MAIL FROM:<{SENDER}>").code == 250
