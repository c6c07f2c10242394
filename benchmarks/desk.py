"""How fast every screen of the desk and the status pages answer over the records of a long year.

A gateway on the embedded database gets a million events, ten thousand cases with timelines, a
hundred thousand suppressions and consents, two thousand proofs (`desk_records.py`), and is started.
Each page is then asked for 21 times over HTTP by an operator, in turn with the health page, which
is as fast as anything can be here. The aim is 300 ms at the median; exit 1 when a page misses it.
It needs 2 GB of disk in `build/` and some minutes: `make bench-desk`, or
`make bench-desk BENCH="--events 20000 --cases 500"` for half a minute.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlencode

from benchmarks.desk_records import TENANTS, Filled, Size, fill, tenant_name
from benchmarks.records import mailable, suppressed
from gateway.config.load import load
from gateway.records import staff, staff_sessions
from gateway.records.blocks import case_id
from gateway.records.case_view import find_case
from gateway.records.database import open_database
from gateway.records.keyring import open_keyring
from gateway.records.streams import stream_number
from gateway.web.desk.gate import csrf_of
from gateway.web.desk.screens import SCREENS
from gateway.words import Role
from suppression.case_links import case_link
from suppression.tokens import Tokens
from tests.e2e.certificates import HOST, make_certificates
from tests.e2e.gateway import Gateway, Settings, customer
from tests.e2e.ports import LOOPBACK

BUILD = Path(__file__).parent.parent / "build"
AIM_MS, TIMES = 300.0, 21
FLOOR = "/healthz"
STREAMS = {
    "mail": {"kind": "transactional", "verified": True, "default": True},
    "news": {"kind": "transactional"},
}


@dataclass(frozen=True, slots=True)
class Page:
    """What is asked for; a form is posted."""

    name: str
    path: str
    form: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """One page's milliseconds, and the octets of its answer."""

    name: str
    median_ms: float
    p95_ms: float
    octets: int


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=Size().events, help="default %(default)s")
    parser.add_argument("--cases", type=int, default=Size().cases, help="default %(default)s")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    if options.events < 1000 or options.cases < 100:
        parser.error("1,000 events and 100 cases or more")
    few = options.cases if options.cases < Size().cases else None
    people = few * 10 if few else Size().suppressions
    size = Size(options.events, options.cases, people, people, few or Size().proofs)
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as name:
        figures = measure(Path(name), size)
    print(json.dumps([asdict(one) for one in figures], indent=1) if options.json else text(figures))
    slow = [one.name for one in figures if one.median_ms >= AIM_MS]
    if slow:
        sys.exit(f"slower than {AIM_MS:.0f} ms at the median: {', '.join(slow)}")


def measure(folder: Path, size: Size) -> list[Figure]:
    """Make the records, start the gateway, ask; the health page comes first."""
    certificates = make_certificates(folder)
    tenants = {
        tenant_name(number): customer(tenant_name(number), streams=STREAMS)
        for number in range(TENANTS)
    }
    more = {"sanctions": {"preset": "niebieski"}}
    gateway = Gateway(folder / "house", Settings(9, None, more, tenants), certificates)
    gateway.write()
    filled = fill(gateway.config, size, _say)
    cookie, pages = _pages(gateway, filled)
    _say("asking")
    gateway.start()
    try:
        return _ask_all(gateway.web, cookie, pages)
    finally:
        gateway.stop()


def _pages(gateway: Gateway, filled: Filled) -> tuple[str, list[Page]]:
    """A session's cookie, and every page with something to show."""
    loaded = load(gateway.config)
    database = open_database(loaded.config.database, loaded.config.opt_out_log)
    now = time.time()
    with database.transaction() as connection:
        staff.add(connection, "bench", Role.OPERATOR, "Europe/Warsaw", "x", None, "bench", now)
        member = staff.member(connection, "bench")
        cookie = staff_sessions.begin(connection, member.id, is_complete=True, now=now)
        case = find_case(connection, filled.case)
        assert case is not None
        number = stream_number(connection, case.case.tenant)
        tokens = Tokens(open_keyring(database, loaded.config.keyring))
    database.close()
    token = (("csrf", csrf_of(cookie)),)
    named = {"cases/{name}": f"cases/{case_id(filled.case)}", "reports/{number}": "reports/1"}
    pages = [Page("health", FLOOR)]
    pages += [Page(one.name, f"/desk/{named.get(one.path, one.path)}") for one in SCREENS]
    pages += [
        Page("cases, over", "/desk/cases?show=over"),
        Page("one tenant", f"/desk/tenants/{filled.tenant}"),
        Page("one proof", f"/desk/consents/{filled.proof}"),
        Page("one request", "/desk/subjects/1"),
        Page("list sources", "/desk/lists/sources"),
        Page("attestations", "/desk/consents/attestations"),
        Page("counters", "/desk/live/queues"),
        Page("look up a person", "/desk/look-up", (*token, ("what", mailable(7).text))),
        Page("look up an entry", "/desk/look-up", (*token, ("what", suppressed(7).text))),
        Page("look up a ref", "/desk/look-up", (*token, ("what", filled.ref))),
        Page("audit of a person", "/desk/audit?actor=abuse"),
        Page("status of a case", case_link("", tokens, number, case.tracking)),
        Page("status of a tenant", case_link("", tokens, number)),
    ]
    return cookie, pages


def _ask_all(port: int, cookie: str, pages: list[Page]) -> list[Figure]:
    """All pages in turn, so that what disturbs one round disturbs each page of it."""
    took: dict[str, list[float]] = {page.name: [] for page in pages}
    octets = {}
    for _ in range(TIMES):
        for page in pages:
            started = time.perf_counter()
            octets[page.name] = _ask(port, cookie, page)
            took[page.name].append((time.perf_counter() - started) * 1000)
    return [
        Figure(
            name,
            round(statistics.median(times), 1),
            round(sorted(times)[int(0.95 * (len(times) - 1))], 1),
            octets[name],
        )
        for name, times in took.items()
    ]


def _ask(port: int, cookie: str, page: Page) -> int:
    headers = {
        "Host": f"{HOST}:{port}",
        "Cookie": f"desk={cookie}",
        "Sec-Fetch-Site": "same-origin",
    }
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=60)
    try:
        if page.form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            connection.request("POST", page.path, urlencode(page.form), headers)
        else:
            connection.request("GET", page.path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{page.name}: {page.path}: {answer.status}: {body[:500]!r}")
    return len(body)


def text(figures: list[Figure]) -> str:
    """The figures as a table."""
    lines = ["| page | median ms | p95 ms | kB |", "|---|---|---|---|"]
    lines += [
        f"| {one.name} | {one.median_ms:.1f} | {one.p95_ms:.1f} | {one.octets / 1000:.0f} |"
        for one in figures
    ]
    return "\n".join(lines)


def _say(text: str) -> None:
    print(f"{text} ...", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
