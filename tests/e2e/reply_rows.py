"""What each row of the reply table must show: the reply whole, its link and its ref explained."""

from __future__ import annotations

import html
import re
import time
import urllib.request

from typer.testing import CliRunner

from gateway.cli import app
from gateway.replies import BY_TAG
from tests.e2e.certificates import HOST
from tests.e2e.gateway import Gateway
from tests.e2e.swaks import Refusal, refusals


def row(gateway: Gateway, transcript: str, shown: tuple[int, str, str]) -> Refusal:
    """The last refusal with the tag: it has code, enhanced code, tag and link as they must be."""
    found = [one for one in refusals(transcript) if one.tag == shown[2]]
    assert found, transcript + gateway.log
    refusal = found[-1]
    assert (refusal.code, refusal.enhanced, refusal.tag) == shown
    # A block of the tenant's own leads to its case, everything else to what the tag means.
    page = "/status/" if refusal.tag == "DOMAIN-BLOCKED" else f"/replies/{refusal.tag}"
    assert refusal.link.startswith(f"http://{HOST}:{gateway.web}{page}")
    return refusal


def check(gateway: Gateway, transcript: str, shown: tuple[int, str, str]) -> None:
    """The row is shown whole, its link explains the tag (or shows the case that the refusal names),
    and its ref explains what happened."""
    refusal = row(gateway, transcript, shown)
    case = re.search(r"case (C-\d+)", transcript)
    explained = case[1] if case else BY_TAG[refusal.tag].explanation
    with urllib.request.urlopen(refusal.link, timeout=60) as page:
        assert explained in html.unescape(page.read().decode())
    assert refusal.tag in explain(gateway, refusal.ref, refusal.tag)


def explain(gateway: Gateway, ref: str, tag: str) -> str:
    """What `consentry explain` says, once the tag's event has reached the journal (in 50 ms)."""
    deadline = time.monotonic() + 5
    while True:
        told = CliRunner(env={"NO_COLOR": "1", "COLUMNS": "200"}).invoke(
            app, ["explain", ref, "--config", str(gateway.config)]
        )
        if told.exit_code == 0 and tag in told.output:
            return told.output
        assert time.monotonic() < deadline, told.output
