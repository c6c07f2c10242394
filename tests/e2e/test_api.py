"""The HTTP API of a real gateway: the examples of its page, and what they do to the next RCPT."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.certificates import HOST, Certificates
from tests.e2e.gateway import COMMAND, Gateway, Settings, acme
from tests.e2e.session import Session
from tests.e2e.sink import Sink

PAGE = Path(__file__).parents[2] / "docs/api.md"
BLOCK = re.compile(r"^```(sh|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OPT_IN = {"sender": "weekly@acme.test", "privacy": "https://acme.test/privacy"}
ALL = (
    "suppressions:read",
    "suppressions:write",
    "consents:read",
    "consents:write",
    "pre-checks:write",
)


@contextmanager
def running(certificates: Certificates, folder: Path) -> Iterator[Gateway]:
    """A gateway whose list `acme/weekly` asks people by mail."""
    streams = {**acme()["streams"], "weekly": {"kind": "list", "opt_in": OPT_IN}}
    tenants = {"acme": acme(streams=streams)}
    with Sink() as sink:
        settings = Settings(sink.port, tenants=tenants)
        with Gateway(folder, settings, certificates) as gateway:
            yield gateway


def token_of(house: Gateway, name: str, *allow: str) -> tuple[int, str]:
    """Number and text of a new token of acme's."""
    options = [part for permission in allow for part in ("--allow", permission)]
    made = house.run("token", "add", name, "--tenant", "acme", *options, "--json")
    (row,) = json.loads(made)
    return row["token"], row["secret"]


def run(text: str, house: Gateway, token: str) -> str:
    """What a shell prints for an example; fails with it when a command of it fails."""
    environment = {
        **os.environ,
        "PATH": f"{COMMAND.parent}:{os.environ['PATH']}",
        "CONSENTRY_CONFIG": str(house.config),
        "COLUMNS": "200",
        "API": f"http://{HOST}:{house.web}/v1",
        "TOKEN": token,
    }
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", text],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}"
    return done.stdout


def test_every_example_works_and_counts_for_the_very_next_rcpt(
    certificates: Certificates, tmp_path: Path
) -> None:
    """Copied as they stand, in their order; where the page shows an answer, it is that one. What a
    call has answered is in force for the next RCPT, and a revoked token ends at its next call."""
    blocks = BLOCK.findall(PAGE.read_text())
    assert [kind for kind, _ in blocks].count("sh") >= 8
    (_, commands), *calls = blocks
    answer: Any = None
    with running(certificates, tmp_path) as house:
        assert run(commands, house, "").count("cs_") == 2
        _, token = token_of(house, "test", *ALL)
        for kind, text in calls:
            if kind == "sh":
                answer = json.loads(run(text, house, token))
            else:
                assert answer == json.loads(text)
        check_next_rcpt(house)


def check_next_rcpt(house: Gateway) -> None:
    """Added: refused. Lifted: taken. Revoked token: refused at its next call."""
    number, token = token_of(house, "caller", *ALL)
    headers = {"Authorization": f"Bearer {token}"}
    base = f"http://{HOST}:{house.web}/v1"
    entry = {"address": "jan@inbox.test", "reason": "manual", "scope": "acme"}
    with (
        httpx.Client(base_url=base, headers=headers) as client,
        Session(house.open) as session,
    ):
        session.mail("news@acme.test")
        assert session.rcpt("jan@inbox.test")[0].code == 250
        session.command("RSET")
        session.mail("news@acme.test")
        made = client.post("/suppressions", json=entry)
        assert made.status_code == 201
        assert session.rcpt("jan@inbox.test")[0].code == 550
        lifted = client.post(f"/suppressions/{made.json()['id']}/lift", json={"why": "test"})
        assert lifted.status_code == 200
        assert session.rcpt("jan@inbox.test")[0].code == 250
        assert client.get("/me").status_code == 200
        house.run("token", "revoke", str(number))
        refused = client.get("/me")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer ")
    assert "content-security-policy" in refused.headers
