"""A pre-check says of each address what RCPT says, and lets a stream that asks for it pass."""

from __future__ import annotations

import csv
import io
import random
import smtplib
from pathlib import Path

from tests.e2e.certificates import Certificates
from tests.e2e.gateway import Gateway, Settings, acme
from tests.e2e.ports import LOOPBACK
from tests.e2e.sink import Sink

SEED = 4
REASONS = ("objection", "complaint", "unsubscribe", "hard_bounce", "manual")
STREAMS = {
    "weekly": {"kind": "list", "default": True, "consent_level": 1, "pre_check": "required"},
    "other": {"kind": "list", "consent_level": 0},
}


def _at_rcpt(gateway: Gateway, addresses: list[str]) -> list[str]:
    """The tag of each answer, "" where the recipient is taken."""
    tags = []
    for start in range(0, len(addresses), 50):
        with smtplib.SMTP(LOOPBACK, gateway.open) as session:
            session.ehlo()
            assert session.mail("news@acme.test")[0] == 250
            for address in addresses[start : start + 50]:
                code, text = session.docmd(f"RCPT TO:<{address}>")
                tags.append("" if code == 250 else text.decode().split("[")[1].split("]")[0])
    return tags


def test_the_verdicts_are_those_of_rcpt(certificates: Certificates, tmp_path: Path) -> None:
    """Before it everybody not suppressed waits; after it each verdict is RCPT's own answer, for the
    malformed, undisclosed and not consenting too; who is suppressed later is refused all the same.
    """
    chance = random.Random(SEED)
    addresses = [f"p{number}@inbox.test" for number in range(200)]
    rows = []
    for address in addresses:
        # Few are protected: more hits would have the sender domain blocked.
        is_protected = address in addresses[-3:]
        reason = "protected" if is_protected else chance.choice(("", "", *REASONS))
        scope = "*" if reason == "protected" else chance.choice(("acme", "beta"))
        if reason:
            rows.append(f"{address},{reason},{scope}")
    beta = acme(
        domains={"beta.test": acme()["domains"]["acme.test"]},
        logins=[],
        streams={"x": STREAMS["other"]},
    )
    with Sink() as sink:
        tenants = {"acme": acme(streams=STREAMS), "beta": beta}
        with Gateway(tmp_path, Settings(sink.port, tenants=tenants), certificates) as gateway:
            entries = tmp_path / "entries.csv"
            entries.write_text("\n".join(["address,reason,scope", *rows]))
            gateway.run("suppress", "import", str(entries), "--reason", "manual", "--scope", "acme")
            hidden = ("--reason", "complaint", "--scope", "acme", "--undisclosed")
            gateway.run("suppress", "add", "hidden@inbox.test", *hidden)
            agreed = tmp_path / "agreed.csv"
            agreed.write_text("\n".join([*addresses[10:], "hidden@inbox.test"]))
            gateway.run(
                "consent", "import", str(agreed), "--scope", "acme/weekly", "--source", "form"
            )
            assert "PRE-CHECK" in _at_rcpt(gateway, addresses[:20])
            addresses += ["hidden@inbox.test", "two..dots@inbox.test", "nobody@-.test"]
            asked = tmp_path / "list.csv"
            asked.write_text("\n".join(addresses))
            told = gateway.run("pre-check", str(asked), "--scope", "acme/weekly", check=False)
            lines = [line for line in told.splitlines() if line.partition(",")[0].isdigit()]
            verdicts = [row[3] for row in csv.reader(io.StringIO("\n".join(lines)))]
            assert len(verdicts) == len(addresses)
            assert verdicts == _at_rcpt(gateway, addresses)
            assert {"", "NO-OPTIN", "POLICY", "RCPT-SYNTAX", "PROTECTED"} <= set(verdicts)
            assert len(set(verdicts)) >= 8
            later = addresses[verdicts.index("")]
            gateway.run("suppress", "add", later, "--reason", "complaint", "--scope", "acme")
            assert _at_rcpt(gateway, [later]) == ["COMPLAINT"]
