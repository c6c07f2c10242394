"""Mailings of a thousand, and all that may come back by chance: exactly the right are suppressed.

    python -m tests.campaigns.feedback          (make feedback)

A real gateway mails people behind a real Postfix. Each has a fate: most are silent, some unknown,
over quota or at a domain that is none (Postfix returns those by itself); others complain in one of
five providers' shapes, ask to be left alone by mail, link or report, answer by a program, or like
the mail. Most complaints have lost their tokens, or carry flipped ones or another tenant's, some
signed by a listed source. What comes back goes in by SMTP or as a file. After each mailing the
whole table of suppressions, the answer to every RCPT and the number of unmatched reports must be
what the fates say, and nobody is blocked. Exits 1 when they are not. `--broken forged` believes
reports of which only some tokens are ours, to show that it is seen.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from suppression.tokens import Purpose
from tests.campaigns.broken import FAULTS, in_use
from tests.campaigns.vitals import say
from tests.e2e.certificates import make_certificates
from tests.e2e.complaints import (
    LISTED,
    UNSIGNED,
    flip,
    full,
    replace_trace,
    signed,
    without_tokens,
)
from tests.e2e.feedback_house import SENDER, TAKEN, Coming, Entry, coming_back
from tests.e2e.returned_mail import DOMAIN, plain, report
from tests.e2e.session import wait_until

PEOPLE = 1000
FBL = f"fbl@{DOMAIN}"
UNSUB, COMPLAINT, BOUNCED = "550 5.7.1 [UNSUB]", "550 5.7.1 [COMPLAINT]", "550 5.1.1 [BOUNCED]"
SHAPES = (full, *UNSIGNED)
FATES = {
    "silent": 40, "unknown": 6, "full": 4, "dead": 2, "complaint": 10, "lost": 3, "bare": 3,
    "forged": 3, "one-forged": 3, "betas": 3, "opt-out": 3, "opt-out-list": 3, "wish": 4,
    "click": 3, "wish-and-click": 3, "not-spam": 3, "auth-failure": 3, "away": 3, "riddle": 2,
}  # fmt: skip
"""How many of about a hundred."""
REASONS = {
    "unknown": ("acme", "hard_bounce", BOUNCED),
    "dead": ("acme", "hard_bounce", BOUNCED),
    "full": ("acme", "soft_bounce", BOUNCED),
    "complaint": ("acme", "complaint", COMPLAINT),
    "opt-out": ("acme/weekly", "unsubscribe", UNSUB),
    "opt-out-list": ("acme", "unsubscribe", UNSUB),
    "wish": ("acme/weekly", "unsubscribe", UNSUB),
    "click": ("acme/weekly", "unsubscribe", UNSUB),
    "wish-and-click": ("acme/weekly", "unsubscribe", UNSUB),
}
"""Scope, reason and answer; all other fates change nothing."""
BY_POSTFIX = {"unknown": "inbox.test", "full": "full.test", "dead": "dead.test"}
UNMATCHED = ("bare", "forged", "one-forged", "betas")


class Campaign:
    """One house, mailing after mailing."""

    def __init__(self, coming: Coming, fates: list[dict[str, str]], chance: random.Random) -> None:
        self._coming = coming
        self._mailings = fates
        self._chance = chance
        self._expected: set[Entry] = set()
        self._bounces = self._unmatched = 0
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []

    def run(self, until: float) -> None:
        """All mailings, or as many as there is time for."""
        for number, fates in enumerate(self._mailings, 1):
            if time.monotonic() > until:
                return
            self._mailing(fates)
            self.counts["mailings"] += 1
            say(f"{number:,} mailings, {self.counts['mails came back']:,} mails came back")

    def _mailing(self, fates: dict[str, str]) -> None:
        coming = self._coming
        coming.meet(list(fates))
        coming.send(list(fates), SENDER)
        self.counts["recipients"] += len(fates)
        for one, fate in fates.items():
            self.counts[f"fate {fate}"] += 1
            if fate in REASONS:
                scope, reason, _ = REASONS[fate]
                self._expected.add(Entry(one, scope, reason))
            self._bounces += fate in BY_POSTFIX
            self._unmatched += fate in UNMATCHED
            if fate not in BY_POSTFIX and fate != "silent":
                self._come(one, fate)
        with_pending = "SELECT count(*), coalesce(sum(state='pending'), 0) FROM bounces"
        wait_until(lambda: coming.house.rows(with_pending) == [(self._bounces, 0)], 120)
        self._judge(fates)

    def _judge(self, fates: dict[str, str]) -> None:
        found = self._coming.entries()
        self.wrong += [f"not suppressed: {one}" for one in self._expected - found]
        self.wrong += [f"suppressed: {one}" for one in found - self._expected]
        for one, said in self._coming.answers(list(fates)).items():
            fate = fates[one]
            wanted = REASONS[fate][2] if fate in REASONS else "250 2.1.5"
            if said != wanted:
                self.wrong.append(f"{one} ({fate}): {said}")
        query = "SELECT count(*) FROM reports WHERE state='unmatched'"
        ((unmatched,),) = self._coming.house.rows(query)
        if unmatched != self._unmatched:
            self.wrong.append(f"{unmatched} reports are unmatched, not {self._unmatched}")
        blocks = self._coming.house.rows("SELECT domain FROM blocks")
        self.wrong += [f"blocked: {domain}" for (domain,) in blocks]

    def _come(self, one: str, fate: str) -> None:
        """What this person's fate sends back."""
        coming, name = self._coming, one.partition("@")[0]
        header = coming.header(one)
        self.counts["mails came back"] += 1
        match fate:
            case "complaint" | "lost" | "bare" | "forged" | "one-forged" | "betas":
                self._give(self._complaint(one, fate, header))
            case "opt-out" | "opt-out-list" | "not-spam" | "auth-failure":
                octets = report(name, header, kind=fate, sender=f"fbl@{LISTED}")
                self._give(signed(octets) if self._chance.random() < 0.5 else octets)
            case "wish" | "click" | "wish-and-click":
                if fate != "click":
                    to = f"u+{coming.token(Purpose.UNSUBSCRIBE, one)}@{DOMAIN}"
                    self._smtp(to, plain(name, sender=one), one)
                if fate != "wish":
                    path = coming.token(Purpose.UNSUBSCRIBE, one)
                    link = f"http://localhost:{coming.house.web}/u/{path}"
                    if coming.house.unsubscribe(link) != 200:
                        self.wrong.append(f"{one}: the link does not work")
            case "away":
                note = plain(name, "I am away.", one, "Auto-Submitted: auto-replied\n")
                self._smtp(coming.return_path(one), note, "")
            case "riddle":
                asks = plain(name, "Confirm.", one, "X-Delivery-Agent: TMDA/1.1.12\n")
                self._smtp(coming.return_path(one), asks, one)
            case _:
                raise AssertionError(fate)

    def _complaint(self, one: str, fate: str, header: str) -> bytes:
        """In a shape of chance. What has our token is not signed: a mailing would be blocked."""
        coming, shape = self._coming, self._chance.choice(SHAPES)
        name, stated = one.partition("@")[0], one
        change: dict[str, Callable[[], str]] = {
            "lost": lambda: without_tokens(header),
            "forged": lambda: flip(header),
            "one-forged": lambda: replace_trace(header, flip(coming.token(Purpose.FEEDBACK, one))),
            "betas": lambda: replace_trace(header, coming.token(Purpose.FEEDBACK, one, "beta")),
        }
        if fate == "bare":
            stated = "somebody@elsewhere.test"
            lines = without_tokens(header).replace(one, stated).split("\n")
            header = "\n".join(line for line in lines if not line.startswith("Message-ID:"))
        elif fate in change:
            header = change[fate]()
        octets = shape(name, header, stated)
        return signed(octets) if fate != "complaint" and shape is full else octets

    def _give(self, octets: bytes) -> None:
        """By SMTP, or as a file."""
        if self._chance.random() < 0.9:
            self._smtp(FBL, octets, f"bounces@{LISTED}")
            return
        file = self._coming.house.folder / "returned.eml"
        file.write_bytes(octets)
        self.counts["as files"] += 1
        self._coming.run("feedback", "ingest", str(file))

    def _smtp(self, to: str, octets: bytes, sender: str) -> None:
        (said,) = self._coming.mail(to, octets, sender=sender)
        if said != TAKEN:
            self.wrong.append(f"{to}: {said}")


def fates_of(mailing: int, chance: random.Random) -> dict[str, str]:
    """A thousand people and what becomes of each."""
    drawn = chance.choices(list(FATES), list(FATES.values()), k=PEOPLE)
    return {
        f"{fate}-{mailing}-{number}@{BY_POSTFIX.get(fate, 'inbox.test')}": fate
        for number, fate in enumerate(drawn)
    }


def main() -> None:
    """Run and print; exit status 1 when a promise is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mailings", type=int, default=10, help="of a thousand each (10)")
    parser.add_argument("--minutes", type=float, default=30.0, help="at most (30)")
    parser.add_argument("--seed", type=int, default=7, help="the same fates again (7)")
    parser.add_argument("--broken", choices=FAULTS, default="", help="run a broken copy instead")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    fates = [fates_of(number, chance) for number in range(options.mailings)]
    readers = [one for each in fates for one, fate in each.items() if fate not in BY_POSTFIX]
    until = time.monotonic() + 60 * options.minutes
    with (
        tempfile.TemporaryDirectory(prefix="consentry-feedback-") as name,
        in_use(options.broken),
        coming_back(
            Path(name) / "house", make_certificates(Path(name) / "certificates"), readers
        ) as coming,
    ):
        campaign = Campaign(coming, fates, chance)
        campaign.run(until)
    figures = {**dict(sorted(campaign.counts.items())), "WRONG": len(campaign.wrong)}
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        print("\n".join(f"{what:28} {figure:>8,}" for what, figure in figures.items()))
    broken = campaign.wrong[:20]
    if figures.get("mailings", 0) < options.mailings:
        broken.append(f"only {figures.get('mailings', 0)} mailings in {options.minutes:g} minutes")
    if broken:
        sys.exit("broken: " + "\n".join(broken))


if __name__ == "__main__":
    main()
