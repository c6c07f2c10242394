from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable
from gateway.leader import FileSeat


def test_one_of_two_leads_and_the_other_after_it(tmp_path: Path) -> None:
    """Who has the seat keeps it; it is free when they leave."""
    first, second = FileSeat(tmp_path / "lock"), FileSeat(tmp_path / "lock")
    assert [first.hold(), second.hold(), first.hold(), second.hold()] == [True, False, True, False]
    first.leave()
    assert [second.hold(), first.hold()] == [True, False]
    second.leave()


def test_a_process_that_is_killed_gives_up_the_seat(tmp_path: Path) -> None:
    """However it ends."""
    lead = "import sys, time; from pathlib import Path; from gateway.leader import FileSeat\n"
    lead += "seat = FileSeat(Path(sys.argv[1])); print(seat.hold(), flush=True); time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-c", lead, str(tmp_path / "lock")],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    ours = FileSeat(tmp_path / "lock")
    assert not ours.hold()
    process.kill()
    process.wait()
    process.stdout.close()
    assert ours.hold()
    ours.leave()


def test_a_seat_that_cannot_be_reached_is_nobodys(tmp_path: Path) -> None:
    """The store is away, then, in the words that every part understands."""
    with pytest.raises(StoreUnavailable):
        FileSeat(tmp_path / "missing" / "lock").hold()
