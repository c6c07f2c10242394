"""MAIL FROM was compared with `mail_from` as it was spelled: `Newsletter@` went out by the rules of
the default stream, past the unsubscribes of the list it belongs to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import Settings, acme
from tests.e2e.inside import InsideGateway
from tests.e2e.ports import free_port
from tests.e2e.session import Session

STREAMS = {
    "orders": {"kind": "transactional", "verified": True, "default": True},
    "weekly": {"kind": "list", "mail_from": ["Newsletter@acme.test"]},
}
SPELLINGS = ["newsletter@acme.test", "Newsletter@acme.test", '"newsletter"@ACME.test']


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_the_lists(spelling: str, tmp_path: Path) -> None:
    """Who unsubscribed from the list is refused however its sender is written."""
    settings = Settings(free_port(), tenants={"acme": acme(streams=STREAMS)})
    with InsideGateway(tmp_path, settings, make_certificates(tmp_path / "tls")) as house:
        house.run("suppress", "add", "gone@inbox.test", "--reason", "unsubscribe", "--scope",
                  "acme/weekly")  # fmt: skip
        with Session(house.open) as session:
            assert session.mail(spelling).code == 250
            assert session.rcpt("gone@inbox.test")[0].short == "550 5.7.1 [UNSUB]"
