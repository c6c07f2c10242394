"""`consentry feedback ingest`: mail that came back and was delivered elsewhere, from files.

Takes files, Maildirs and `-` (standard input), each mail as it was delivered; gives a row for each.
What is no mail, or too large, is named and the rest is still taken. Exit status 0 when every mail
was taken (or had been before), 1 when one was not.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gateway.commands.deciding import tell
from gateway.commands.records import open_records
from gateway.commands.shared import ConfigOption, JsonOption, fail, show
from gateway.config.feedback import MAIL_OCTETS
from gateway.errors import StoreUnavailable
from gateway.events import Event
from gateway.explanation import show as printable
from gateway.feedback.intake import Intake, NoMail
from gateway.feedback.mime import read_header
from gateway.feedback.terms import Terms
from gateway.notices.gather import House
from gateway.records.case_replies import TooManyReplies
from gateway.records.event_index import EventIndex
from gateway.sanctions.rules import rules_of
from gateway.sender_dns.lookups import Unanswered

STDIN = "-"
MAX_DATE = 100
"""Characters of a date that are read."""
AT_ONCE = 16
"""Mails under way: what queues up for the records meanwhile shares a commit."""
TOLD_EVERY = 5.0
"""Seconds between two lines of progress."""
FOLDERS = ("cur", "new")
"""Of a Maildir; what is in `tmp` is not delivered yet."""
MARK = b"From "
"""What each mail of an mbox begins with (RFC 4155), and no line within one."""
Row = dict[str, object]


def ingest(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|MAILDIR|-...",
            help="Files with one mail each, Maildirs, or - for one mail.",
        ),
    ],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in mail that came back: reports, bounces, requests to be mailed no more.

    Does what the feedback listener would; the same mail once more changes nothing. Exit status 1
    when something was no mail or could not be taken: the others were.

    Example: consentry feedback ingest /var/mail/fbl/Maildir
    """
    mails = list(_mails(sources))
    with open_records(config) as records:
        loaded = records.loaded
        state = loaded.config.state_dir
        index = EventIndex(state / "journal", state / "journal-index.sqlite")
        events: list[Event] = []

        def emit(event: Event) -> None:
            events.append(event)

        try:
            house = House.of(loaded, rules_of(loaded, records.keyring))
            taken = Terms.of(loaded, house)
            intake = Intake(records.database, index, taken, emit, time.time)
            index.advance()  # it is there from then on, also where nothing was ever sent
            settings = loaded.config.feedback
            most = settings.max_bytes if settings else MAIL_OCTETS
            rows = asyncio.run(_take(intake, mails, most))
        finally:
            index.close()
            tell(loaded, events)
    show(rows, as_json, empty="there is no mail")
    if failed := [row for row in rows if row["problem"]]:
        fail(f"{len(failed)} of {len(rows)} were not taken", status=1)


def _mails(sources: Sequence[str]) -> Iterator[Path]:
    """Every mail, by its file; ends the command for a source that is none."""
    for source in sources:
        path = Path(source)
        if source == STDIN or path.is_file():
            yield path
        elif folders := [path / name for name in FOLDERS if (path / name).is_dir()]:
            for folder in folders:
                yield from sorted(file for file in folder.iterdir() if file.is_file())
        else:
            fail(f"{source}: is neither a file nor a Maildir")


async def _take(intake: Intake, mails: Sequence[Path], most: int) -> list[Row]:
    """A row for each mail, in their order."""
    rows: list[Row] = [{}] * len(mails)
    waiting = iter(enumerate(mails))
    console = Console(stderr=True, soft_wrap=True)
    began = told = time.monotonic()
    done = 0

    async def work() -> None:
        nonlocal done, told
        for place, path in waiting:
            rows[place] = await _one(intake, path, most)
            done += 1
            now = time.monotonic()
            if now - told >= TOLD_EVERY:
                told = now
                rate = done / (now - began)
                text = f"{done:,} of {len(mails):,} mails, {rate:,.0f}/s"
                console.print(text, markup=False, highlight=False)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return rows


async def _one(intake: Intake, path: Path, most: int) -> Row:
    row: Row = {"mail": printable(str(path)), "problem": ""}
    try:
        octets, written_at = await asyncio.to_thread(_read, path, most + 1)
        if len(octets) > most:
            raise NoMail(f"it has more than {most} octets")
        if octets.startswith(MARK) and re.search(rb"\r?\n\r?\n" + MARK, octets):
            raise NoMail("it is an mbox of several mails; give each as a file of its own")
        done = await intake.ingest(octets, "cli", _delivered_at(octets, written_at))
    except TooManyReplies:
        return row | {"problem": "its case has had its replies for today"}
    except (NoMail, OSError, StoreUnavailable, Unanswered) as error:
        return row | {"problem": printable(str(error))}
    except Exception as error:  # a fault of ours keeps no other mail away
        return row | {"problem": f"it could not be read: {type(error).__name__}"}
    return {"mail": row["mail"], **done.shown(), "problem": ""}


def _read(path: Path, most: int) -> tuple[bytes, float | None]:
    """The first octets of a mail, and when its file was written (Unix seconds)."""
    if str(path) == STDIN:
        return sys.stdin.buffer.read(most), None
    with path.open("rb") as file:
        return file.read(most), os.fstat(file.fileno()).st_mtime


def _delivered_at(octets: bytes, written_at: float | None) -> float | None:
    """When a mail came, in Unix seconds: as its file says or, if that is later, its topmost
    Received field, which is that of the server that took it. None: nobody knows."""
    if written_at is None:
        return None
    received = read_header(octets).first("received").rpartition(b";")[2]
    try:
        said = parsedate_to_datetime(received.decode("ascii", "replace").strip()[:MAX_DATE])
        return max(written_at, said.replace(tzinfo=said.tzinfo or UTC).timestamp())
    except (ValueError, OverflowError):
        return written_at
