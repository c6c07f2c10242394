"""A past for a gateway to start up with: journal files and records as months of mail leave them.

`write_journal` fills a journal folder with rotated files in the journal's own form: signing in,
mail relayed and recipients refused, spread over thirty days, each event with its own time and
refs. `fill_records` adds suppressions, ledger entries and byte windows to the database.
"""

from __future__ import annotations

import os
import sqlite3
import time
from itertools import cycle, islice
from pathlib import Path

from gateway.events import Event
from gateway.journal import encode, rotated_name
from gateway.refs import Refs
from tests.campaigns.house import House

DAYS = 30
FILE_OCTETS = 100_000_000
"""The journal's default for a file."""
BATCH = 5000
SUPPRESSIONS = 100_000
LEDGER = 100_000
WINDOW_OCTETS, WINDOW_HOURS = 1_000_000, 6
"""In each five minutes of the last hours, so that none of it leaves the window meanwhile."""
_POLICIES = ("tenant-state", "sender-domain", "domain-block", "batch", "bytes", "rate")


def write_journal(folder: Path, events: int) -> int:
    """Write so many events of the SMTP process, the last an hour ago; octets."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    now = time.time() - 3600 - DAYS * 86_400
    step = DAYS * 86_400 / max(events, 1)
    refs = Refs(lambda: now)
    lines = cycle(_templates())
    octets = 0
    path = folder / "smtp.jsonl"
    file = path.open("wb")
    for begun in range(0, events, BATCH):
        batch = []
        for line in islice(lines, min(BATCH, events - begun)):
            now += step
            batch.append(line % {b"at": b"%.6f" % now, b"ref": refs.new().encode()})
        octets += file.write(b"".join(batch))
        if file.tell() >= FILE_OCTETS:
            file.close()
            path.rename(rotated_name(folder, "smtp", int(now * 1e9)))
            file = path.open("wb")
    file.close()
    path.chmod(0o600)
    return octets


def fill_records(house: House) -> None:
    """Fill the database of a gateway that does not run."""
    house.suppress(f"former{number}@inbox.test" for number in range(SUPPRESSIONS))
    now = int(time.time())
    connection = sqlite3.connect(house.database)
    try:
        connection.executemany(
            "INSERT INTO ledger (key, state, ref, at) VALUES (?, 'taken', '3000000000000', ?)",
            ((os.urandom(16), now - number % 86_400) for number in range(LEDGER)),
        )
        connection.executemany(
            "INSERT INTO windows (key, seconds, start, amount) VALUES ('bytes:acme', 86400, ?, ?)",
            (
                (now // 300 * 300 - 300 * number, WINDOW_OCTETS)
                for number in range(1, 12 * WINDOW_HOURS + 1)
            ),
        )
        connection.commit()
    finally:
        connection.close()


def _templates() -> list[bytes]:
    """Lines of a usual hour, with `%(at)s` and `%(ref)s` to fill in."""
    made = [_signed_in(), _relayed(), _signed_in(), _relayed(), _refused()]
    lines = [encode(one).replace(b"%", b"%%") for one in made]
    return [
        line.replace(b'"at":0.5', b'"at":%(at)b').replace(b"a-ref", b"%(ref)b") for line in lines
    ]


def _event(kind: str, tag: str = "", **detail: object) -> Event:
    event = Event(kind, 0.5, session="a-ref", ref="a-ref", tenant="acme", stream="weekly")
    event.mailing, event.config, event.tag = "261001-0a1b2c3d", "0123456789ab", tag
    event.domain, event.detail = "inbox.test", detail
    return event


def _signed_in() -> Event:
    return Event(
        "auth.succeeded", 0.5, session="a-ref", tenant="acme", detail={"client": "192.0.2.7"}
    )


def _relayed() -> Event:
    return _event(
        "message.relayed",
        **{"from": "acme.test", "client": "192.0.2.7", "size": 4096, "octets": 5120, "copies": 1},
        reply="250 2.0.0 Taken by the next server",
        ms=3.1,
        taken_octets=5120,
        recipients=[{"n": 1, "key": "0f" * 16, "domain": "inbox.test", "state": "taken",
                     "code": 250, "text": "queued"}],
        trail={"mail": _trail(), "rcpt": [{"n": [1], "trail": _trail()}], "message": _trail()},
    )  # fmt: skip


def _refused() -> Event:
    reply = "550 5.7.1 [COMPLAINT] The recipient complained about your mail"
    return _event("rcpt.refused", "COMPLAINT", n=1, reply=reply, key="0f" * 16, trail=_trail()[:2])


def _trail() -> list[dict[str, object]]:
    return [
        {"policy": policy, "decision": "accept", "tag": "", "reason": "", "inputs": {},
         "observed": False}
        for policy in _POLICIES
    ]  # fmt: skip
