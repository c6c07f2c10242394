"""A reload changed the gateway's name everywhere but in the rule that knows our own Received
fields: real loops passed, and mail that had met the old name was refused."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import Settings, acme
from tests.e2e.inside import InsideGateway
from tests.e2e.session import Session, letter
from tests.e2e.sink import Sink

SENDER, READER = "news@acme.test", ["reader@inbox.test"]


def test_new_name_counts(tmp_path: Path) -> None:
    """After the reload two traces of the new name are a loop, two of the old one are not."""
    with Sink() as sink:
        settings = Settings(sink.port, tenants={"acme": acme()})
        with InsideGateway(tmp_path, settings, make_certificates(tmp_path / "tls")) as house:
            config = json.loads(house.config.read_text())
            house.config.write_text(json.dumps(config | {"hostname": "new.test"}))
            house.on_loop(house.inner.reload())
            for name, answer in (("gateway.test", 250), ("new.test", 550)):
                trace = (
                    f"Received: from a.test by {name} with ESMTP; Fri, 20 Nov 2026 10:00:00 +0000"
                )
                raw = f"{trace}\r\n{trace}\r\n".encode() + letter(SENDER)
                with Session(house.open) as session:
                    assert session.send(SENDER, READER, raw).code == answer
