"""Ten thousand one-click opt-outs with `kill -9` in between: none that was answered 200 is missing.

    python -m tests.campaigns.opt_outs          (make opt-outs)

A real `consentry serve` is sent the POSTs of RFC 8058, each for a recipient of its own, half as
urlencoded and half as multipart forms, by eight clients at once; whoever gets no 200 tries again.
Meanwhile all processes of the gateway are killed and started again and again. One answer in twenty
is followed by a RCPT on an SMTP session that is open already: it must be refused at once. Then a
list of a million suppressions is imported while POSTs go on at a steady rate, and their times are
taken. At the end every recipient whose 200 was seen is asked for. Exits 1 when one of them is not
refused with [UNSUB], or when the 99th percentile during the import is over 300 ms. `--broken
forget` runs a gateway that answers before it has written, to show that this is seen.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import ssl
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import httpx

from gateway.message.address import parse_mailbox
from suppression.keys import Keyring
from suppression.tokens import Purpose, Tokens
from tests.campaigns.broken import FAULTS, in_use
from tests.campaigns.house import House
from tests.campaigns.stage import Sink
from tests.campaigns.vitals import say
from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import COMMAND, DOMAIN, LOGIN, Settings, acme
from tests.e2e.ports import LOOPBACK
from tests.e2e.session import Session

CLIENTS = 8
CHECKED = 20
"""One answer in so many is followed by a RCPT at once."""
LIMIT = 0.3
"""Seconds, of the 99th percentile during an import."""
SENDER = f"news@{DOMAIN}"
STREAM = f"{LOGIN}/weekly"
FORM = "List-Unsubscribe=One-Click"
BOUNDARY = "one-click"
MULTIPART = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\n'
    f"One-Click\r\n--{BOUNDARY}--\r\n"
)
BODIES = (
    (FORM, "application/x-www-form-urlencoded"),
    (MULTIPART, f"multipart/form-data; boundary={BOUNDARY}"),
)


class Clicks:
    """The recipients, their links, and whose opt-out was confirmed."""

    def __init__(
        self, gateway: House, *, base: str = "", doors: Sequence[int] = (), grace: float = 0.0
    ) -> None:
        """`base` is where POSTs go, `doors` are the SMTP ports where each opt-out must be in force
        `grace` seconds after its 200; the gateway's own when not given."""
        ((number,),) = gateway.rows(
            "SELECT number FROM streams WHERE tenant = 'acme' AND name = 'weekly'"
        )
        keyring = Keyring.load(gateway.folder / "keys/keyring.json")
        tokens = Tokens(keyring)
        self._base = base or f"http://{LOOPBACK}:{gateway.web}"
        self._doors = doors or (gateway.open,)
        self._grace = grace
        self._link = lambda address: tokens.make(
            Purpose.UNSUBSCRIBE, number, keyring.exact_key(parse_mailbox(address))
        )
        self.confirmed: list[str] = []
        self.seconds: list[float] = []
        self.counts: Counter[str] = Counter()
        self._sessions: dict[int, Session] = {}
        self._asking = asyncio.Lock()

    async def post(self, client: httpx.AsyncClient, number: int) -> None:
        """Opt one recipient out, however often it takes."""
        address = f"reader{number}@inbox{number % 50}.test"
        body, kind = BODIES[number % 2]
        url = f"{self._base}/u/{self._link(address)}"
        while True:
            began = time.monotonic()
            try:
                answer = await client.post(url, content=body, headers={"Content-Type": kind})
            except httpx.HTTPError:
                self.counts["no answer, tried again"] += 1
                await asyncio.sleep(0.05)
                continue
            self.counts[f"answered {answer.status_code}"] += 1
            if answer.status_code == 200:
                break
            await asyncio.sleep(0.05)
        self.seconds.append(time.monotonic() - began)
        self.confirmed.append(address)
        if number % CHECKED == 0:
            async with self._asking:
                answered = time.monotonic()
                for door in self._doors:
                    await asyncio.to_thread(self._ask_now, door, address, answered)

    def _ask_now(self, door: int, address: str, answered: float) -> None:
        """The very next RCPT, on the open session unless a kill has taken it."""
        while True:
            is_late = time.monotonic() - answered >= self._grace
            try:
                session = self._sessions.get(door)
                if session is None:
                    session = self._sessions[door] = Session(door, STREAM)
                    if session.mail(SENDER).code != 250:
                        raise ConnectionError("deferred")
                (said,) = session.rcpt(address)
                if said.code == 421:
                    raise ConnectionError("leaving")
            except (OSError, ValueError):
                if (gone := self._sessions.pop(door, None)) is not None:
                    gone.drop()
                return
            is_refused = said.short == "550 5.7.1 [UNSUB]"
            if is_refused or is_late:
                self.counts["asked at once"] += 1
                # A store in trouble may defer; without one there is nothing to defer for.
                is_deferred = self._grace > 0 and said.code // 100 == 4
                self.counts["deferred at once"] += is_deferred
                self.counts["NOT IN FORCE at once"] += not (is_refused or is_deferred)
                return

    def missing(self) -> list[str]:
        """Whose opt-out is not in force now at every door, of those confirmed."""
        for session in self._sessions.values():
            session.drop()
        lost = []
        for door in self._doors:
            for start in range(0, len(self.confirmed), 100):
                group = self.confirmed[start : start + 100]
                with Session(door, STREAM) as session:
                    session.mail(SENDER)
                    answers = session.rcpt(*group)
                pairs = zip(group, answers, strict=True)
                lost += [address for address, said in pairs if said.tag != "UNSUB"]
        return lost


async def clicking(
    clicks: Clicks,
    numbers: Iterator[int],
    pause: float = 0.0,
    tls: ssl.SSLContext | None = None,
    at_once: int = CLIENTS,
) -> None:
    """All clients at once, until the numbers are used up; each waits `pause` after a click."""

    async def one(place: int) -> None:
        # Each from an address of its own: a balancer may send an address to one node always.
        transport = httpx.AsyncHTTPTransport(
            local_address=f"127.0.1.{place + 1}", verify=tls or True, trust_env=False
        )
        async with httpx.AsyncClient(timeout=30.0, transport=transport) as client:
            for number in numbers:
                await clicks.post(client, number)
                await asyncio.sleep(pause)

    await asyncio.gather(*(one(place) for place in range(at_once)))


async def killing(
    gateway: House, chance: random.Random, counts: Counter[str], is_over: asyncio.Event
) -> None:
    """Kill everything and start it again, until it is over."""
    while not is_over.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(is_over.wait(), chance.uniform(0.5, 3.0))
            return
        await asyncio.to_thread(gateway.kill_everything)
        counts["kills"] += 1


async def importing(gateway: House, lines: int, counts: Counter[str]) -> None:
    """A list of that many addresses."""
    file = gateway.folder / "list.csv"
    file.write_text("address\n" + "".join(f"listed{n}@list.test\n" for n in range(lines)))
    process = await asyncio.create_subprocess_exec(
        *(COMMAND, "suppress", "import", file, "--reason", "protected", "--scope", "*"),
        *("--config", gateway.config),
        stdout=asyncio.subprocess.DEVNULL,
    )
    if await process.wait():
        counts["FAILED imports"] += 1


async def campaign(
    gateway: House, posts: int, lines: int, rate: float, chance: random.Random
) -> dict[str, float]:
    """Both phases; the figures."""
    clicks = Clicks(gateway)
    numbers = iter(range(10**9))
    is_over = asyncio.Event()
    kills = asyncio.create_task(killing(gateway, chance, clicks.counts, is_over))
    say(f"{posts:,} opt-outs with kills")
    await clicking(clicks, (next(numbers) for _ in range(posts)), pause=0.08)
    is_over.set()
    await kills
    confirmed, clicks.seconds = len(clicks.confirmed), []
    say(f"an import of {lines:,} lines")
    work = asyncio.create_task(importing(gateway, lines, clicks.counts))
    while_importing = iter(lambda: next(numbers) if not work.done() else -1, -1)
    began = time.monotonic()
    await clicking(clicks, while_importing, pause=CLIENTS / rate)
    await work
    say("asking for everybody")
    lost = await asyncio.to_thread(clicks.missing)
    cuts = statistics.quantiles(clicks.seconds, n=100)
    return {
        "confirmed with kills": confirmed,
        "confirmed during the import": len(clicks.confirmed) - confirmed,
        **dict(sorted(clicks.counts.items())),
        "import, seconds": round(time.monotonic() - began, 1),
        "POST during it, median ms": round(cuts[49] * 1000, 1),
        "POST during it, p99 ms": round(cuts[98] * 1000, 1),
        "POST during it, longest ms": round(max(clicks.seconds) * 1000, 1),
        "MISSING": len(lost),
    }


def broken(figures: dict[str, float]) -> list[str]:
    """Every promise that did not hold."""
    found = [name for name, count in figures.items() if name.isupper() and count]
    found += [name for name in ("NOT IN FORCE at once", "FAILED imports") if figures.get(name)]
    if figures["POST during it, p99 ms"] > LIMIT * 1000:
        found.append("p99")
    return found


def main() -> None:
    """Run and print; exit status 1 when a promise is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--posts", type=int, default=10_000, help="with kills (10,000)")
    parser.add_argument("--lines", type=int, default=1_000_000, help="of the import (1,000,000)")
    parser.add_argument("--rate", type=float, default=40.0, help="POSTs a second meanwhile (40)")
    parser.add_argument("--seed", type=int, default=1, help="of the kills' times (1)")
    parser.add_argument("--broken", choices=FAULTS, default="", help="run a broken copy instead")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="consentry-opt-outs-") as name, in_use(options.broken):
        folder = Path(name)
        certificates = make_certificates(folder / "certificates")
        with Sink() as sink:
            settings = Settings(
                sink.port,
                trusted=None,
                gateway={
                    "limits": {"batches": 100},
                    "session": {
                        "per_address": 1000,
                        "refusals_per_hour": 10**9,
                        "refusals_per_transaction": 10**6,
                        "errors": 10**6,
                    },
                },
                tenants={"acme": acme()},
            )
            with House(folder / "house", settings, certificates) as gateway:
                figures = asyncio.run(
                    campaign(
                        gateway,
                        options.posts,
                        options.lines,
                        options.rate,
                        random.Random(options.seed),
                    )
                )
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        print("\n".join(f"{what:28} {figure:>12,}" for what, figure in figures.items()))
    if names := broken(figures):
        sys.exit(f"broken: {', '.join(names)}")


if __name__ == "__main__":
    main()
