"""Reports and unsubscribe mails with `kill -9` after a 250: none confirmed is missing, none twice.

    python -m tests.campaigns.feedback_kill          (make feedback-kill)

A real web process (`consentry serve --role web`) takes mail by SMTP from several clients: reports
of feedback loops, bounces and requests to be mailed no more, each with the token of a recipient of
its own. As soon as one to five of them were answered 250 the process is killed, and started again.
Whoever gets no answer, or a 4xx, sends the same mail again, as mail servers do. At the end there
must be one report with one suppression for each report, one bounce for each bounce and one
suppression for each wish: none is missing whose 250 was seen, and none is there twice. Exits 1
when that is not so. `--broken hasty` answers before the records have it, `--broken again` takes the
same mail every time it comes, to show that both are seen.
"""

from __future__ import annotations

import argparse
import json
import random
import smtplib
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

from gateway.message.address import parse_mailbox
from gateway.records.streams import stream_number
from suppression.keys import Keyring
from suppression.tokens import Purpose
from tests.campaigns.broken import FAULTS, in_use
from tests.campaigns.house import House
from tests.campaigns.notices import Web, records
from tests.campaigns.vitals import say
from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import Settings, acme
from tests.e2e.ports import LOOPBACK, free_port
from tests.e2e.returned_mail import DOMAIN, dsn, plain, report, token_maker

CLIENTS = 4
MOST_BETWEEN = 5
"""Mails answered 250 between two kills, at most."""
TOLD_EVERY = 15.0
PATIENCE = 20.0
"""Seconds that a client waits for an answer."""
KINDS = ("report", "bounce", "wish")


class Campaign:
    """The clients, and what they know to be taken."""

    def __init__(self, house: House, port: int, web: Web, kills: int, minutes: float) -> None:
        self._house = house
        self._port = port
        self._web = web
        self._kills = kills
        self._until = time.monotonic() + 60 * minutes
        self._chance = random.Random(kills)
        self._numbers = count()
        self._lock = threading.Lock()
        self._left = 1
        self.counts: Counter[str] = Counter()
        self.confirmed: dict[str, str] = {}
        """Kind by recipient."""
        with records(house) as database, database.transaction() as connection:
            number = stream_number(connection, "acme", "weekly")
        make = token_maker(house.folder / "keys/keyring.json")
        self._token: Callable[[Purpose, str], str] = lambda purpose, to: make(purpose, number, to)

    @property
    def is_over(self) -> bool:
        """Whether all kills were made, or the time is up."""
        return self.counts["kills"] >= self._kills or time.monotonic() > self._until

    def run(self) -> None:
        """All clients at once."""
        threads = [threading.Thread(target=self._client, daemon=True) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        while (alive := next((one for one in threads if one.is_alive()), None)) is not None:
            alive.join(TOLD_EVERY)
            say(f"{self.counts['kills']:,} kills, {len(self.confirmed):,} mails confirmed")

    def _client(self) -> None:
        """One mail after the other over a connection that is kept while it lasts."""
        client: smtplib.SMTP | None = None
        for number, kind in self._mails():
            recipient = f"reader{number}@inbox{number % 50}.test"
            sender, to, octets = self._mail(kind, number, recipient)
            while True:
                try:
                    client = client or smtplib.SMTP(LOOPBACK, self._port, timeout=PATIENCE)
                    client.sendmail(sender, [to], octets)
                except (OSError, smtplib.SMTPException) as error:
                    self.counts[f"again after {type(error).__name__}"] += 1
                    if client is not None:
                        client.close()
                    client = None
                    time.sleep(0.05)
                    continue
                break
            self._confirm(recipient, kind)
        if client is not None:
            with suppress(smtplib.SMTPException, OSError):
                client.quit()

    def _mails(self) -> Iterator[tuple[int, str]]:
        while not self.is_over:
            number = next(self._numbers)
            yield number, KINDS[number % len(KINDS)]

    def _mail(self, kind: str, number: int, recipient: str) -> tuple[str, str, bytes]:
        """Envelope and octets."""
        if kind == "wish":
            to = f"u+{self._token(Purpose.UNSUBSCRIBE, recipient)}@{DOMAIN}"
            return recipient, to, plain(f"wish{number}")
        if kind == "bounce":
            to = f"bounce+{self._token(Purpose.RETURN_PATH, recipient)}@{DOMAIN}"
            return "", to, dsn(f"bounce{number}", recipient)
        trace = f"Consentry-Trace: {self._token(Purpose.FEEDBACK, recipient)}"
        octets = report(f"report{number}", trace, recipient=recipient)
        return "fbl@loops.isp.test", f"fbl@{DOMAIN}", octets

    def _confirm(self, recipient: str, kind: str) -> None:
        """Its 250 was seen; every now and then the process does not live to see it."""
        with self._lock:
            self.confirmed[recipient] = kind
            self._left -= 1
            if self._left:
                return
            self._left = self._chance.randint(1, MOST_BETWEEN)
            self._web.kill()
            self.counts["kills"] += 1


def judge(house: House, campaign: Campaign) -> dict[str, int]:
    """What is missing of what was confirmed, and what is there twice, once nothing runs."""
    keyring = Keyring.load(house.folder / "keys/keyring.json")
    reports = Counter(bytes(key) for (key,) in house.rows("SELECT key FROM reports"))
    bounces = Counter(bytes(key) for (key,) in house.rows("SELECT key FROM bounces"))
    live = "SELECT key FROM suppressions WHERE lifted_at IS NULL"
    suppressed = Counter(bytes(key) for (key,) in house.rows(live))
    missing = twice = 0
    for recipient, kind in campaign.confirmed.items():
        address = parse_mailbox(recipient)
        exact, loose = keyring.exact_key(address), keyring.loose_key(address)
        own = {
            "report": (reports[exact], suppressed[exact] + suppressed[loose]),
            "bounce": (bounces[exact],),
            "wish": (suppressed[exact],),
        }[kind]
        missing += 0 in own
        twice += max(own) > 1
    return {
        "mails confirmed": len(campaign.confirmed),
        **dict(sorted(campaign.counts.items())),
        "reports on record": reports.total(),
        "bounces on record": bounces.total(),
        "suppressions in force": suppressed.total(),
        "MISSING": missing,
        "TWICE": twice,
    }


def main() -> None:
    """Run and print; exit status 1 when a promise is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=1_000, help="how many (1,000)")
    parser.add_argument("--minutes", type=float, default=60.0, help="at most (60)")
    parser.add_argument("--broken", choices=FAULTS, default="", help="run a broken copy instead")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="consentry-feedback-") as name,
        in_use(options.broken),
    ):
        folder = Path(name)
        settings = Settings(
            free_port(),
            trusted=None,
            gateway={"feedback": {"listen": f"{LOOPBACK}:{port}", "domain": DOMAIN}},
            tenants={"acme": acme()},
        )
        house = House(folder / "house", settings, make_certificates(folder / "certificates"))
        house.write()
        with Web(house) as web:
            campaign = Campaign(house, port, web, options.kills, options.minutes)
            campaign.run()
        figures = judge(house, campaign)
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        print("\n".join(f"{what:36} {figure:>8,}" for what, figure in figures.items()))
    broken = [what for what in ("MISSING", "TWICE") if figures[what]]
    if figures.get("kills", 0) < options.kills:
        broken.append(f"only {figures.get('kills', 0)} kills in {options.minutes:g} minutes")
    if broken:
        sys.exit(f"broken: {', '.join(broken)}")


if __name__ == "__main__":
    main()
