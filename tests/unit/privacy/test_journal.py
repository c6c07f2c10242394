"""A person's lines in the journal are counted by key, and addresses in them masked."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from gateway.events import Event
from gateway.journal import Journal
from gateway.journal_reader import read_events
from gateway.message.address import parse_mailbox
from gateway.privacy.journal import count_lines, mask_addresses
from gateway.processes import JOURNAL_FOLDER
from gateway.words import Address
from suppression.address import loose_form

JAN = parse_mailbox("jan.kowalski@example.org")
KEY, OTHER = b"k" * 16, b"o" * 16


def is_jan(address: Address) -> bool:
    return loose_form(address) == loose_form(JAN)


def _event(key: bytes, text: str, at: float = 1.0, tenant: str = "acme") -> Event:
    recipients = [{"key": key.hex(), "address": text}]
    detail: dict[str, object] = {"recipients": recipients, "reply": f"550 <{text}>: no such user"}
    return Event("message.relayed", at, tenant=tenant, detail=detail)


def _write(state_dir: Path, *events: Event) -> None:
    journal = Journal(state_dir / JOURNAL_FOLDER, "smtp", 10_000_000, 30)
    for event in events:
        journal.emit(event)
    journal.close()


def _octets(state_dir: Path) -> bytes:
    return b"".join(path.read_bytes() for path in (state_dir / JOURNAL_FOLDER).iterdir())


def test_every_spelling_is_masked_and_nothing_else_changes(tmp_path: Path) -> None:
    """Order, other people's addresses and all other fields stay as they were."""
    spellings = ["Jan.Kowalski@Example.ORG", "jan.kowalski+news@example.org", "bo@example.org"]
    _write(tmp_path, *(_event(KEY, text, at) for at, text in enumerate(spellings, 1)))
    before = list(read_events(tmp_path / JOURNAL_FOLDER))
    assert mask_addresses(tmp_path, is_jan) == 2
    after = list(read_events(tmp_path / JOURNAL_FOLDER))
    assert b"owalski" not in _octets(tmp_path)
    shown = [event.detail["recipients"][0]["address"] for event in after]  # type: ignore[index]
    assert shown == ["J***@Example.ORG", "j***@example.org", "bo@example.org"]
    assert [event.at for event in after] == [1, 2, 3]
    assert after[2] == before[2]
    assert mask_addresses(tmp_path, is_jan) == 0


def test_a_file_without_the_person_stays_the_same_file(tmp_path: Path) -> None:
    """Nothing is rewritten for nothing, and a file older than asked is not looked at."""
    _write(tmp_path, _event(OTHER, "bo@example.org"))
    assert mask_addresses(tmp_path, is_jan) == 0
    (path,) = (tmp_path / JOURNAL_FOLDER).glob("*-*.jsonl")
    number = path.stat().st_ino
    assert mask_addresses(tmp_path, is_jan) == 0
    assert path.stat().st_ino == number
    _write(tmp_path, _event(KEY, JAN.text))
    os.utime(tmp_path / JOURNAL_FOLDER / "smtp.jsonl", (1, 1))
    assert mask_addresses(tmp_path, is_jan, since=time.time() - 3600) == 0


def test_a_torn_line_and_a_quoted_name_are_masked_too(tmp_path: Path) -> None:
    """A process killed in the middle of a line leaves no address behind."""
    quoted = parse_mailbox('"jan kowalski"@example.org')
    _write(tmp_path, _event(KEY, quoted.text))
    with (tmp_path / JOURNAL_FOLDER / "smtp.jsonl").open("ab") as file:
        file.write(b'{"at":1,"detail":{"address":"jan.kowalski@exam\n')
    mask_addresses(tmp_path, lambda address: "kowalski" in address.local)
    assert b"kowalski" not in _octets(tmp_path)


def test_lines_are_counted_by_kind_and_tenant(tmp_path: Path) -> None:
    """Each line counts once, however often it names the person; of one tenant only if asked."""
    other = _event(KEY, "", 5.0, "other")
    _write(tmp_path, _event(KEY, "", 1.0), _event(OTHER, "", 2.0), _event(KEY, "", 3.0), other)
    folder = tmp_path / JOURNAL_FOLDER
    counted = [
        (line.tenant, line.count, line.first, line.last) for line in count_lines(folder, [KEY])
    ]
    assert counted == [("acme", 2, 1.0, 3.0), ("other", 1, 5.0, 5.0)]
    assert [line.tenant for line in count_lines(folder, [KEY], "other")] == ["other"]


def test_a_file_that_somebody_writes_is_not_taken_from_them(tmp_path: Path) -> None:
    """Without an answer of the process that holds the file nothing is rewritten: that is told."""
    journal = Journal(tmp_path / JOURNAL_FOLDER, "smtp", 10_000_000, 30)
    journal.emit(_event(KEY, JAN.text))
    journal.flush()
    with pytest.raises(Exception, match="no gateway answers"):
        mask_addresses(tmp_path, is_jan)
    journal.rotate()
    assert mask_addresses(tmp_path, is_jan) == 1
    journal.emit(Event("process.stopped", 9.0))
    journal.close()
    kinds = [json.loads(line)["kind"] for line in _octets(tmp_path).splitlines()]
    assert sorted(kinds) == ["message.relayed", "process.stopped"]
