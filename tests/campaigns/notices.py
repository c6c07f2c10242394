"""Notices with `kill -9` at every step of their sending: none lost, at most one repeat per kill.

    python -m tests.campaigns.notices          (make notices)

A real web process (`consentry serve --role web`) tells forty customers about their cases; the next
hop is a mailbox that counts copies by Message-ID. At EHLO, MAIL, RCPT, at the dot before the mail
is kept, after it is kept but not answered, some milliseconds after the answer, and at moments of
chance the process is killed and started again. Between that the mailbox drops connections after the
dot with and without keeping the mail, says 451, and falls silent. The clock that tries put off
would wait for is turned on. At the end every notice must be there as often as its record and its
timeline say, in the same octets, and no more often again than there were kills and lost answers.
Exits 1 when one is missing, or is there oftener than it is marked. `--broken unmarked` forgets to
mark, `--broken early` notes that a notice was taken before it leaves, to show that both are seen.
"""

from __future__ import annotations

import argparse
import asyncio
import email.parser
import email.policy
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as ServerSession
from sqlalchemy import update

from gateway.config.load import load
from gateway.records import notices
from gateway.records.cases import load_case, take_fact
from gateway.records.database import Database, open_database
from gateway.records.keyring import open_keyring
from gateway.records.notices import NoticeState
from gateway.records.tables import notices as table
from gateway.sanctions.rules import rules_of
from policies.sanctions.case import Counts, Fact
from policies.sanctions.words import FactKind, NoticeKind
from tests.campaigns.broken import FAULTS, in_use
from tests.campaigns.house import House
from tests.campaigns.vitals import say
from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import COMMAND, Settings, customer
from tests.e2e.sink import Sink

TENANTS = 40
KILLS = (
    *("kill at EHLO", "kill at MAIL", "kill at RCPT", "kill at the dot", "kill when kept"),
    *("kill after the answer", "kill by chance"),
)
LOSSES = ("drop when kept", "drop at the dot", "silence when kept")
"""An answer to the dot that never comes."""
OTHERS = ("451 at RCPT", "451 at the dot")
SILENCE = 1.0
"""Seconds that the gateway waits for an answer to the dot."""
KINDS = tuple(kind for kind in NoticeKind if kind is not NoticeKind.OPENED)


class Mailbox(Sink):
    """A next hop that keeps what it takes, and does the next of `plan` in each session."""

    def __init__(self, plan: list[str], chance: random.Random) -> None:
        super().__init__()
        self.plan = plan
        self.web: Web | None = None
        self.copies: dict[str, list[str]] = defaultdict(list)
        """SHA-256 of each copy by Message-ID."""
        self.done: Counter[str] = Counter()
        self._chance = chance
        self._parser = email.parser.BytesHeaderParser(policy=email.policy.default)

    async def handle_EHLO(
        self,
        server: SMTP,
        session: ServerSession,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        session.host_name = hostname
        session.act = self.plan.pop() if self.plan else ""  # type: ignore[attr-defined]
        self._kill(session, "kill at EHLO")
        if session.act == "kill by chance":  # type: ignore[attr-defined]
            delay = self._chance.uniform(0.0, 1.5)
            threading.Timer(delay, self._kill, (session, "kill by chance")).start()
        return responses

    async def handle_MAIL(
        self,
        server: SMTP,
        session: ServerSession,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        self._kill(session, "kill at MAIL")
        envelope.mail_from = address
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self,
        server: SMTP,
        session: ServerSession,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        self._kill(session, "kill at RCPT")
        if self._is(session, "451 at RCPT"):
            return "451 4.3.0 not now"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: ServerSession, envelope: Envelope) -> str:
        self._kill(session, "kill at the dot")
        transport = server.transport
        assert transport is not None
        if self._is(session, "kill at the dot", count=False):
            return "451 4.3.0 nobody is there"
        if self._is(session, "drop at the dot"):
            transport.abort()  # type: ignore[attr-defined]
            return "421 4.3.0 dropped"
        if self._is(session, "451 at the dot"):
            return "451 4.3.0 not now"
        octets = envelope.content
        assert isinstance(octets, bytes)
        name = str(self._parser.parsebytes(octets)["Message-ID"])
        self.copies[name].append(sha256(octets).hexdigest())
        self._kill(session, "kill when kept")
        if self._is(session, "drop when kept"):
            transport.abort()  # type: ignore[attr-defined]
            return "421 4.3.0 dropped"
        if self._is(session, "silence when kept"):
            await asyncio.sleep(3 * SILENCE)
        if self._is(session, "kill after the answer", count=False):
            delay = self._chance.uniform(0.0, 0.03)
            threading.Timer(delay, self._kill, (session, "kill after the answer")).start()
        return "250 2.0.0 kept"

    def _is(self, session: ServerSession, act: str, *, count: bool = True) -> bool:
        is_it = getattr(session, "act", "") == act
        self.done[act] += is_it and count
        return is_it

    def _kill(self, session: ServerSession, act: str) -> None:
        """Kill the process, if it is this session's act."""
        if self.web is not None and self._is(session, act):
            self.web.kill()


class Web:
    """The web process alone, started again at once whenever it has ended; a context manager."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._is_over = False
        self._process = self._start()
        self._keeper = threading.Thread(target=self._keep)

    def __enter__(self) -> Web:
        self._keeper.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over = True
        self._process.terminate()
        self._keeper.join()

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        return self._process.pid

    def kill(self) -> None:
        """`kill -9`."""
        self._process.kill()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [str(COMMAND), "serve", "--role", "web", "--config", str(self._house.config)]
        with self._house.log_file.open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, cwd=self._house.folder)

    def _keep(self) -> None:
        while True:
            self._process.wait()
            if self._is_over:
                return
            self._process = self._start()


@contextmanager
def records(house: House) -> Iterator[Database]:
    """The gateway's own records, from this process."""
    config = load(house.config).config
    database = open_database(config.database, config.opt_out_log)
    try:
        yield database
    finally:
        database.close()


def tell(house: House, database: Database, count: int) -> None:
    """Give the customers `count` notices: cases first, then whatever else a case brings."""
    loaded = load(house.config)
    rules = rules_of(loaded, open_keyring(database, loaded.config.keyring))
    for number in range(count):
        tenant, now = f"customer{number % TENANTS}", time.time()
        with database.transaction() as connection:
            if number < TENANTS:
                fact = Fact(
                    FactKind.PROTECTED_HIT, tenant, "mail", f"mailing{number}", f"{tenant}.test",
                    b"", f"ref{number}", now, domains=(f"{tenant}.test",),
                )  # fmt: skip
                take_fact(connection, fact, Counts(), rules, now)
            else:
                case = load_case(connection, number % TENANTS + 1)
                kind = KINDS[number % len(KINDS)]
                notices.queue(connection, case, kind, rules, now, {"reason": f"notice {number}"})


def turn_on(database: Database) -> None:
    """Let every pause be over."""
    with database.transaction() as connection:
        waiting = table.c.next_at > int(time.time())
        connection.execute(update(table).where(waiting).values(next_at=int(time.time())))


def campaign(house: House, mailbox: Mailbox, count: int, minutes: float) -> dict[str, int]:
    """Tell, wait until all are sent and all of the plan is done, and count."""
    deadline = time.monotonic() + 60 * minutes
    with records(house) as database:
        tell(house, database, count)
        shown = time.monotonic()
        while True:
            time.sleep(0.3)
            turn_on(database)
            ((open_ones,),) = house.rows("SELECT count(*) FROM notices WHERE next_at IS NOT NULL")
            if not open_ones and mailbox.plan:
                tell_more(house, database, min(20, len(mailbox.plan)))
            elif not open_ones or time.monotonic() > deadline:
                break
            if time.monotonic() - shown > 10:
                shown = time.monotonic()
                say(f"{open_ones} notices to go, {len(mailbox.plan)} faults to come")
        return result(house, mailbox, database)


def tell_more(house: House, database: Database, count: int) -> None:
    """More notices, while there are faults to come."""
    loaded = load(house.config)
    rules = rules_of(loaded, open_keyring(database, loaded.config.keyring))
    with database.transaction() as connection:
        for number in range(count):
            case = load_case(connection, number % TENANTS + 1)
            kind = KINDS[number % len(KINDS)]
            notices.queue(connection, case, kind, rules, time.time(), {"reason": "one more"})


def result(house: House, mailbox: Mailbox, database: Database) -> dict[str, int]:
    """What is in the mailbox against what is on record."""
    figures: Counter[str] = Counter()
    query = "SELECT detail FROM case_entries WHERE kind = 'notice.repeated'"
    marked = Counter(json.loads(detail)["notice"] for (detail,) in house.rows(query))
    with database.reading() as connection:
        on_record = notices.recent(connection, limit=100_000)
    known = set()
    for notice in on_record:
        copies = mailbox.copies.get(notice.message_id or "", [])
        known.add(notice.message_id)
        figures["notices"] += 1
        figures["copies in the mailbox"] += len(copies)
        figures["repeats on record"] += notice.repeats
        figures["copies more than one"] += max(0, len(copies) - 1)
        figures["NOT SENT"] += notice.state is not NoticeState.SENT
        figures["LOST"] += not copies
        figures["UNMARKED"] += len(copies) > 1 + notice.repeats
        figures["TIMELINE DIFFERS"] += marked[notice.number] != notice.repeats
        figures["OCTETS DIFFER"] += len(set(copies)) > 1
    figures["OF NO NOTICE"] += len(mailbox.copies.keys() - known)
    kills = sum(mailbox.done[act] for act in KILLS)
    lost_answers = sum(mailbox.done[act] for act in LOSSES)
    figures["kills"], figures["answers lost"] = kills, lost_answers
    figures["others put off"] = sum(mailbox.done[act] for act in OTHERS)
    figures["REPEATS OVER KILLS AND LOST ANSWERS"] = max(
        0, figures["repeats on record"] - kills - lost_answers
    )
    figures["FAULTS NOT DONE"] = len(mailbox.plan)
    return {**figures, **{f"  {act}": mailbox.done[act] for act in (*KILLS, *LOSSES, *OTHERS)}}


def broken(figures: dict[str, int]) -> list[str]:
    """Every promise that did not hold."""
    return [name for name, count in figures.items() if name.isupper() and count]


def planned(rounds: int, chance: random.Random) -> list[str]:
    """Every kill and fault `rounds` times, with sessions between them that nothing befalls."""
    plan = [act for act in (*KILLS, *LOSSES, *OTHERS) for _ in range(rounds)]
    plan += [""] * len(plan)
    chance.shuffle(plan)
    return plan


def main() -> None:
    """Run and print; exit status 1 when a promise is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=12, help="of every kill and fault (12)")
    parser.add_argument("--notices", type=int, default=200, help="at first (200)")
    parser.add_argument("--minutes", type=float, default=15.0, help="at most (15)")
    parser.add_argument("--seed", type=int, default=1, help="of the order and times (1)")
    parser.add_argument("--broken", choices=FAULTS, default="", help="run a broken copy instead")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    plan = planned(options.rounds, chance)
    with tempfile.TemporaryDirectory(prefix="consentry-notices-") as name, in_use(options.broken):
        folder = Path(name)
        certificates = make_certificates(folder / "certificates")
        mailbox = Mailbox(plan, chance)
        with mailbox:
            hop = {"name": "main", "host": "127.0.0.1", "port": mailbox.port}
            hop["timeouts"] = {"dot": SILENCE}
            contact = {"email": "office@contacts.test"}
            settings = Settings(
                mailbox.port,
                trusted=None,
                gateway={"sanctions": {"preset": "niebieski"}, "next_hops": [hop]},
                tenants={
                    f"customer{number}": customer(
                        f"customer{number}",
                        contact={**contact, "language": ("en", "pl")[number % 2]},
                    )
                    for number in range(TENANTS)
                },
            )
            house = House(folder / "house", settings, certificates)
            house.write()
            with Web(house) as web:
                mailbox.web = web
                figures = campaign(house, mailbox, options.notices, options.minutes)
                mailbox.web = None
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        print("\n".join(f"{what:36} {figure:>8,}" for what, figure in figures.items()))
    if names := broken(figures):
        sys.exit(f"broken: {', '.join(names)}")


if __name__ == "__main__":
    main()
