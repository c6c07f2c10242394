from __future__ import annotations

import asyncio
import errno
import json
import os
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import JournalUnwritable
from gateway.events import Event
from gateway.journal import BACKLOG_BYTES, WRITE_DELAY, Journal, encode
from gateway.journal_reader import find, follow, parse, read_events
from gateway.refs import Refs

BIG = 10_000_000


def event(at: float, ref: str = "", **detail: object) -> Event:
    return Event("rcpt.refused", at, ref=ref, tenant="acme", tag="UNSUB", detail=dict(detail))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.text(), st.dictionaries(st.text(), json_values, max_size=3))
def test_one_event_is_one_line_and_comes_back_whole(tag: str, detail: dict[str, object]) -> None:
    """Whatever text is in it: line ends, controls and other scripts are escaped or kept."""
    original = Event("mail.refused", 1.5, tag=tag, detail=detail)
    line = encode(original)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert parse(line) == original


def test_what_json_cannot_hold_is_still_written() -> None:
    """A careless detail costs its beauty, never the event."""
    for detail in ({"key": b"\x01\xff"}, {"name": "\udc80"}, {"set": {1}}, {3: "three"}):
        assert parse(encode(Event("x.y", 1.0, detail=detail))) or b"x.y" in encode(  # type: ignore[arg-type]
            Event("x.y", 1.0, detail=detail)  # type: ignore[arg-type]
        )


def test_empty_fields_are_left_out() -> None:
    """A line holds only what is known."""
    assert json.loads(encode(Event("process.started", 1.0))) == {
        "at": 1.0,
        "kind": "process.started",
    }


async def test_lines_are_written_together(tmp_path: Path) -> None:
    """Nothing is written before the flush, everything after it, and observers see each at once."""
    seen: list[Event] = []
    journal = Journal(tmp_path, "smtp", BIG, 3, observers=[seen.append])
    for at in range(5):
        journal.emit(event(float(at)))
    assert len(seen) == 5
    assert (tmp_path / "smtp.jsonl").read_bytes() == b""
    journal.flush()
    assert [e.at for e in read_events(tmp_path)] == [0, 1, 2, 3, 4]
    journal.close()


async def test_lines_are_written_without_being_asked(tmp_path: Path) -> None:
    """The delay's end writes; the loop's own timer does it."""
    journal = Journal(tmp_path, "smtp", BIG, 3)
    journal.emit(event(1.0))
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(WRITE_DELAY + 0.01, done.set)
    await done.wait()
    assert (tmp_path / "smtp.jsonl").read_bytes()
    journal.close()


def test_full_files_are_rotated_and_old_ones_go(tmp_path: Path) -> None:
    """Only the newest files are kept, and no line is lost between them."""
    journal = Journal(tmp_path, "smtp", 500, 3)
    for at in range(100):
        journal.emit(event(float(at)))
    journal.close()
    assert len(list(tmp_path.glob("smtp-*.jsonl"))) == 3
    times = [e.at for e in read_events(tmp_path)]
    assert times == [float(at) for at in range(100 - len(times), 100)]


def test_newest_first_is_the_same_backwards(tmp_path: Path) -> None:
    """Over several files and two processes, merged by time."""
    smtp = Journal(tmp_path, "smtp", 500, 99)
    web = Journal(tmp_path, "web", 500, 99)
    for at in range(60):
        (web if at % 7 == 0 else smtp).emit(event(float(at), filler="x" * at))
    smtp.close()
    web.close()
    forwards = [e.at for e in read_events(tmp_path)]
    assert forwards == [float(at) for at in range(60)]
    assert [e.at for e in read_events(tmp_path, newest_first=True)] == forwards[::-1]


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    """A process killed in the middle of a line leaves the next one readable."""
    (tmp_path / "smtp.jsonl").write_bytes(encode(event(1.0)) + b'{"at": 2.0, "ki')
    journal = Journal(tmp_path, "smtp", BIG, 3)
    journal.emit(event(3.0))
    journal.close()
    assert [e.at for e in read_events(tmp_path)] == [1.0, 3.0]


def test_one_process_writes_a_file(tmp_path: Path) -> None:
    """A second gateway on the same folder is told at start."""
    journal = Journal(tmp_path, "smtp", BIG, 3)
    with pytest.raises(JournalUnwritable):
        Journal(tmp_path, "smtp", BIG, 3)
    journal.close()


class Disk:
    """Stands in for `os.write`: when full, half of the octets are written and then it fails."""

    def __init__(self) -> None:
        self.is_full = False
        self._write = os.write

    def write(self, file: int, data: memoryview) -> int:
        if not self.is_full:
            return self._write(file, data)
        if len(data) > 1:
            return self._write(file, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr("gateway.journal.os.write", disk.write)
    return disk


async def test_a_full_disk_is_told_and_recovered_from(tmp_path: Path, disk: Disk) -> None:
    """Unwritable while full, no torn line, nothing lost, and writable again without a restart."""
    journal = Journal(tmp_path, "smtp", BIG, 3)
    journal.emit(event(1.0))
    journal.flush()
    disk.is_full = True
    journal.emit(event(2.0))
    journal.flush()
    assert not journal.is_writable
    journal.emit(event(3.0))
    assert [e.at for e in read_events(tmp_path)] == [1.0]
    disk.is_full = False
    journal.flush()
    assert journal.is_writable
    assert (tmp_path / "smtp.jsonl").read_bytes() == b"".join(
        encode(event(at)) for at in (1.0, 2.0, 3.0)
    )
    journal.close()


async def test_the_backlog_is_bounded_and_its_loss_counted(tmp_path: Path, disk: Disk) -> None:
    """An unwritable journal cannot eat the memory, and says afterwards what it dropped."""
    journal = Journal(tmp_path, "smtp", BIG, 3)
    disk.is_full = True
    journal.emit(event(1.0, filler="x" * BACKLOG_BYTES))
    journal.flush()
    journal.emit(event(2.0))
    journal.emit(event(3.0))
    disk.is_full = False
    journal.flush()
    journal.close()
    first, last = read_events(tmp_path)
    assert first.at == 1.0
    assert (last.kind, last.detail) == ("journal.recovered", {"dropped": 2})


def test_a_ref_is_found_in_whichever_file_it_is(tmp_path: Path) -> None:
    """With its recipients' refusals, and without other transactions that merely mention it."""
    now = [1_750_000_000.0]
    refs = Refs(lambda: now[0])
    journal = Journal(tmp_path, "smtp", 2000, 99)
    made = []
    for _ in range(50):
        now[0] += 10
        made.append(refs.new())
        journal.emit(event(now[0], made[-1], mentions=made[0]))
        journal.emit(event(now[0] + 1, f"{made[-1]}.3"))
    journal.close()
    for ref in (made[0], made[25], made[49]):
        assert [e.ref for e in find(tmp_path, ref)] == [ref, f"{ref}.3"]
    assert find(tmp_path, refs.new()) == []


def test_following_sees_new_lines_through_rotation_and_new_processes(tmp_path: Path) -> None:
    """What was there before is not repeated; what comes is given once and in order."""
    smtp = Journal(tmp_path, "smtp", 400, 99)
    smtp.emit(event(0.0))
    opened: list[Journal] = []

    def wait() -> None:
        step = len(opened)
        if step == 0:
            opened.append(smtp)
            for at in range(1, 11):
                smtp.emit(event(float(at)))
        else:
            opened.append(Journal(tmp_path, "web", 400, 99))
            opened[1].emit(event(11.0))

    seen = [followed.at for followed in islice(follow(tmp_path, wait=wait), 11)]
    assert seen == [float(at) for at in range(1, 12)]
    for journal in opened:
        journal.close()
