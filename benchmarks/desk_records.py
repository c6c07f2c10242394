"""A gateway's records after a long year: cases, complaints, lists, consents and a full journal.

`fill` goes through the functions that a running gateway uses: facts are taken by the sanction
engine, journal lines are encoded by the journal, the index reads them. To be done in minutes, most
cases that are over are copies of others with all that belongs to them, of earlier days.
What notices became is set at the end, since none is sent. Times lie before now.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select, update

from benchmarks.records import mailable, suppressed
from gateway.config.load import Loaded, load
from gateway.events import Event
from gateway.journal import encode, rotated_name
from gateway.records.cases import change, note, take_fact
from gateway.records.consents import Attestation, import_attestation
from gateway.records.database import Connection, Database, open_database
from gateway.records.event_index import EventIndex
from gateway.records.keyring import open_keyring
from gateway.records.notices import NoticeState
from gateway.records.policy_versions import remember
from gateway.records.proofs import supply
from gateway.records.reports import Report, take_report
from gateway.records.subject_requests import RequestKind, close, record
from gateway.records.suppression_import import ListFile, import_suppressions
from gateway.records.suppressions import Draft
from gateway.records.tables import case_entries, cases, facts, fees, notices, reports
from gateway.refs import Refs
from gateway.sanctions.rules import Rules, rules_of
from policies.sanctions.case import Counts, Decided, Fact, Noticed
from policies.sanctions.engine import Refused
from policies.sanctions.words import Decision, FactKind, Grade, NoticeKind
from suppression.consent import Evidence, Level
from suppression.keys import Keyring
from suppression.listfile import Row
from suppression.standing import Reason

TENANTS = 200
DAY = 86_400
SPAN, RECENT = 300 * DAY, 5 * DAY
"""Cases were opened over the first; those of the second still run, one of twenty."""
MADE = 10
"""One case of so many goes through the engine; half of these still run."""
JOURNAL_SPAN = 20 * DAY
FILE_OCTETS = 64 * 2**20
PEOPLE = 100_000
KINDS = ("message.relayed",) * 5 + ("rcpt.refused",) * 3 + ("message.deferred", "auth.failed")


@dataclass(frozen=True, slots=True)
class Size:
    """How many of each there are."""

    events: int = 1_000_000
    cases: int = 10_000
    suppressions: int = 100_000
    consents: int = 100_000
    proofs: int = 2_000
    requests: int = 1_000


@dataclass(frozen=True, slots=True)
class Filled:
    """What to ask for: of `case` (its number) and `tenant`, a journalled `ref`, a proof."""

    case: int
    tenant: str
    ref: str
    proof: str


def tenant_name(number: int) -> str:
    """The name of a tenant; its domain is `<name>.test`."""
    return f"tenant{number % TENANTS}"


def fill(config: Path, size: Size, say: Callable[[str], None]) -> Filled:
    """Fill the records of the gateway configured in `config`, which does not run."""
    loaded = load(config)
    database = open_database(loaded.config.database, loaded.config.opt_out_log)
    keyring = open_keyring(database, loaded.config.keyring)
    now = time.time()
    say(f"{size.suppressions:,} suppressions, {size.consents:,} consents")
    _lists(database, keyring, size, now)
    say(f"{size.proofs:,} proofs, {size.requests:,} requests of data subjects")
    proof = _proofs(database, keyring, size, now)
    say(f"{size.cases:,} cases")
    case = _cases(database, rules_of(loaded, keyring), size.cases, now)
    database.close()
    say(f"{size.events:,} events")
    ref = _journal(loaded, keyring, size.events, now)
    return Filled(case, tenant_name(0), ref, proof)


def _lists(database: Database, keyring: Keyring, size: Size, now: float) -> None:
    rows = (Row(number, suppressed(number)) for number in range(size.suppressions))
    default = Draft(Reason.MANUAL, "*", "operator", "benchmark")
    import_suppressions(database, keyring, rows, default, ListFile("-", ""), now, is_scope=bool)
    for number in range(10):
        said = Attestation(f"{tenant_name(number)}/news", "a form", now - DAY, "benchmark")
        part = (Row(n, mailable(n)) for n in range(number, size.consents, 10))
        import_attestation(database, keyring, part, said, ListFile("-", ""), now)


def _proofs(database: Database, keyring: Keyring, size: Size, now: float) -> str:
    last = ""
    for batch in _batches(size.proofs):
        with database.transaction() as connection:
            for number in batch:
                at = now - (size.proofs - number) * 60
                held = Evidence(
                    Level.DOUBLE, f"I agree to the news of {tenant_name(number)}.", at - 60,
                    "192.0.2.7", "https://shop.test/form", at, "192.0.2.7",
                )  # fmt: skip
                last = supply(
                    connection, keyring, tenant_name(number), "news", mailable(number), held, "en",
                    "benchmark", now,
                ).proof.number  # fmt: skip
    with database.transaction() as connection:
        for number in range(size.requests):
            record(
                connection, keyring, RequestKind.ACCESS, mailable(number), "*", "by passport",
                now - number * 600, "benchmark", now,
            )  # fmt: skip
        for number in range(1, size.requests - size.requests // 10 + 1):
            close(connection, number, "answered by letter", "benchmark", now)
    return last


def _cases(database: Database, rules: Rules, count: int, now: float) -> int:
    """The number of the last one that the engine made."""
    case = 0
    with database.transaction() as connection:
        remember(connection, rules, now - SPAN - DAY)
    made = count // MADE
    running = made // 2
    for batch in _batches(made, 250):
        with database.transaction() as connection:
            for number in batch:
                left = made - number
                age = RECENT * left / running if left <= running else SPAN * left / count + RECENT
                case = _case(connection, rules, number, now - age, is_over=left > running)
    with database.transaction() as connection:
        sent = {"state": NoticeState.SENT.value, "next_at": None, "sent_at": notices.c.made_at}
        connection.execute(update(notices).values(sent))
        copy = 0
        while (lacking := count - _how_many(connection)) > 0:
            copy += 1
            _copy(connection, copy * 1_000_000, copy * DAY, lacking)
    return case


def _how_many(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(cases)) or 0


def _copy(connection: Connection, offset: int, seconds: int, most: int) -> None:
    """A copy of each case that is over, of `most`, so many numbers further on and so much earlier.

    Raises RuntimeError when none is.
    """
    over = f"SELECT id FROM cases WHERE id < 1000000 AND closed_at IS NOT NULL LIMIT {most}"
    if connection.exec_driver_sql(over).first() is None:
        raise RuntimeError("no case is over")
    for table in (cases, case_entries, facts, reports, fees, notices):
        columns = [column.name for column in table.columns]
        taken = {
            "id": f"id + {offset}",
            "case_id": f"case_id + {offset}",
            "tracking": "randomblob(16)",
            "message_id": "NULL",
            "mailing": f"mailing || '-{offset}'",
            **{name: f"{name} - {seconds}" for name in columns if name == "at" or "_at" in name},
        }
        named = ", ".join(f'"{name}"' for name in columns)
        values = ", ".join(taken.get(name, f'"{name}"') for name in columns)
        which = "id" if table is cases else "case_id"
        where = f"{which} IN ({over})" if which in columns else "id < 1000000"
        rows = f'SELECT {values} FROM "{table.name}" WHERE {where}'
        connection.exec_driver_sql(f'INSERT INTO "{table.name}" ({named}) {rows}')


def _case(connection: Connection, rules: Rules, number: int, at: float, *, is_over: bool) -> int:
    tenant = tenant_name(number)
    domain, mailing = f"{tenant}.test", f"m-{number}"
    for second in range(3):
        fact = Fact(
            FactKind.PROTECTED_HIT, tenant, "news", mailing, domain,
            rules.keyring.exact_key(suppressed(number)), "", at + second, domains=(domain,),
        )  # fmt: skip
        taken = take_fact(connection, fact, Counts(3, 1000, 900), rules, at + second)
    assert taken.case is not None
    case = taken.case.id
    grade = (Grade.B, Grade.B, Grade.C, Grade.D)[number % 4]
    said = {"text": "I never asked for this. " * 10}
    take_report(
        connection,
        Report(
            grade, "form", at + 60, "" if grade is Grade.D else tenant, "news", mailing, domain,
            key=rules.keyring.exact_key(mailable(number)), address=mailable(number).text, said=said,
        ),
        rules,
        at + 60,
    )  # fmt: skip
    change(connection, case, Noticed(NoticeKind.OPENED), "notices", at + 90, rules)
    for hours in (2, 20):
        detail = {"text": "Telephoned; they look into it."}
        note(connection, case, "case.noted", "abuse", at + hours * 3600, detail=detail)
    if is_over:
        lifted = Decided(Decision.LIFT, "lead", "they have mended it")
        with suppress(Refused):
            change(connection, case, lifted, "lead", at + DAY, rules)
    return case


def _journal(loaded: Loaded, keyring: Keyring, events: int, now: float) -> str:
    """Write the journal in files as large as the writer's and index it; a ref from its middle."""
    folder = loaded.config.state_dir / "journal"
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(5)
    keys = [keyring.exact_key(mailable(number)).hex() for number in range(min(events, PEOPLE))]
    clock = [now - JOURNAL_SPAN]
    refs, middle = Refs(lambda: clock[0]), ""
    lines: list[bytes] = []
    octets = 0
    for number in range(events):
        clock[0] += (JOURNAL_SPAN - 60) / events
        event = _event(chance, keys, refs.new(), clock[0])
        if number == events // 2:
            middle = event.ref
        lines.append(encode(event))
        octets += len(lines[-1])
        if octets >= FILE_OCTETS or number == events - 1:
            rotated_name(folder, "smtp", int(clock[0] * 1e9)).write_bytes(b"".join(lines))
            lines, octets = [], 0
    index = EventIndex(folder, loaded.config.state_dir / "journal-index.sqlite")
    while index.advance(2**22):
        pass
    index.close()
    return middle


def _event(chance: random.Random, keys: list[str], ref: str, at: float) -> Event:
    number = chance.randrange(TENANTS)
    tenant, kind = tenant_name(number), chance.choice(KINDS)
    event = Event(kind, at, ref, ref, tenant, f"{tenant}/news", f"m-{number}", "c" * 12)
    event.domain = f"{tenant}.test"
    named = [
        {"n": n, "key": chance.choice(keys), "domain": "inbox.test", "state": "taken", "code": 250,
         "text": "2.1.5 Ok"}
        for n in (1, 2)
    ]  # fmt: skip
    if kind == "rcpt.refused":
        event.tag = "PROTECTED"
        event.detail = {**named[0], "reply": "550 5.7.1 [PROTECTED] not this one"}
    elif kind == "auth.failed":
        event.detail = {"client": "192.0.2.9", "reason": "wrong secret"}
    else:
        event.detail = {
            "from": event.domain, "client": "192.0.2.9", "size": 4096, "octets": 5000, "copies": 2,
            "message_id": f"{chance.getrandbits(128):032x}", "reply": "250 2.0.0 taken",
            "recipients": named,
        }  # fmt: skip
    return event


def _batches(count: int, size: int = 500) -> Iterator[range]:
    for start in range(0, count, size):
        yield range(start, min(count, start + size))
