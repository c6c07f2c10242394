"""Made-up requests against the API of a real gateway: every answer is as its document says.

    python -m tests.campaigns.api_fuzz          (make api-fuzz)

Starts `consentry serve` and runs schemathesis with a staff token against `/v1/openapi.json`: the
document's examples, its edges, made-up requests right and wrong, and chains of calls that follow
each other. Promise: no fault (5xx), only documented statuses, media types, headers and bodies,
wrong requests refused, nothing without a token; no failure in the journal and no trace in the log.
Exit status 1 when a promise is broken.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from gateway.records.api_tokens import Permission
from tests.campaigns.broken import PROJECT
from tests.campaigns.vitals import say
from tests.e2e.certificates import HOST, make_certificates
from tests.e2e.gateway import COMMAND, Gateway, Settings, acme
from tests.e2e.sink import Sink

OPT_IN = {"sender": "weekly@acme.test", "privacy": "https://acme.test/privacy"}
SETTINGS = """\
[checks]
# What no schema can say: evidence must be believable.
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422"]
"""
_CASES = re.compile(r"^ +(\d+) generated(?:, (\d+) passed)?", re.MULTILINE)
UNLIMITED = {"requests_per_minute": 1_000_000, "refused_tokens_per_minute": 1_000_000}


def fuzz(house: Gateway, examples: int, seed: int) -> tuple[int, int]:
    """How many requests were made up, and how many of them were answered as they should be."""
    options = [part for name in Permission for part in ("--allow", name.value)]
    (row,) = json.loads(house.run("token", "add", "fuzz", "--staff", *options, "--json"))
    settings = house.folder / "schemathesis.toml"
    settings.write_text(SETTINGS)
    address = f"http://{HOST}:{house.web}/v1"
    command = [
        COMMAND.with_name("schemathesis"),
        *("--config-file", settings, "run", f"{address}/openapi.json", "--url", address),
        *("-H", f"Authorization: Bearer {row['secret']}", "--seed", str(seed)),
        *("--max-examples", str(examples), "--continue-on-failure"),
    ]
    done = subprocess.run(
        command,
        cwd=house.folder,
        env={
            **os.environ,
            "NO_COLOR": "1",
            "PYTHONPATH": str(PROJECT),
            "SCHEMATHESIS_HOOKS": "tests.campaigns.api_document",
        },
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    say(done.stdout)
    counts = _CASES.search(done.stdout)
    if counts is None:
        return 0, 0
    return int(counts[1]), int(counts[2] or 0) if done.returncode == 0 else 0


def broken(house: Gateway) -> list[str]:
    """What went wrong inside."""
    failed = [event for event in house.events() if event["kind"].endswith(".failed")]
    traces = ["a trace in the log"] if "Traceback" in house.log else []
    return [json.dumps(event) for event in failed[:10]] + traces


def main() -> int:
    """Run it and say what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--examples", type=int, default=200, help="of each call (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="of what is made up")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    with TemporaryDirectory() as name, Sink() as sink:
        folder = Path(name)
        streams = {**acme()["streams"], "weekly": {"kind": "list", "opt_in": OPT_IN}}
        tenants = {"acme": acme(streams=streams)}
        settings = Settings(sink.port, gateway={"api": UNLIMITED}, tenants=tenants)
        with Gateway(folder / "gateway", settings, make_certificates(folder)) as house:
            made, passed = fuzz(house, options.examples, options.seed)
            trouble = broken(house)
    if options.json:
        print(json.dumps({"made": made, "passed": passed, "trouble": trouble}))
    else:
        print(f"{made:,} requests made up, {passed:,} answered as documented", *trouble, sep="\n")
    return 0 if made and made == passed and not trouble else 1


if __name__ == "__main__":
    sys.exit(main())
