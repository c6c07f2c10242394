"""The intent file: what a kill, a torn write, a full disk and years of history leave to read."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import JournalUnwritable
from gateway.ledger.intents import Intents
from gateway.relay.outcome import HopReply, Outcome, State

ONE, TWO = b"1" * 16, b"2" * 16
OK = Outcome(State.TAKEN, HopReply(250, "2.0.0", "ok"))
NO = Outcome(State.REFUSED, HopReply(550, "5.1.1", "no such user here"))
LATER = Outcome(State.DEFERRED, HopReply(451, "", "later"))


@contextmanager
def file_size_limit(octets: int) -> Iterator[None]:
    """Let no file grow over `octets`: writes come up short, then fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def found(folder: Path) -> dict[bytes, State]:
    """What a process that starts now would find, by key."""
    return {key: state for _, key, state, _ in Intents(folder).replay()}


def test_an_intent_is_on_disk_when_intend_returns(tmp_path: Path) -> None:
    """A process killed after `intend` leaves the copy unknown."""
    Intents(tmp_path).intend("ref1", [ONE, TWO])
    assert Intents(tmp_path).replay() == [
        ("ref1", ONE, State.UNKNOWN, None),
        ("ref1", TWO, State.UNKNOWN, None),
    ]


def test_outcomes_ride_with_the_next_write(tmp_path: Path) -> None:
    """Outcomes are read back once anything was flushed; a deferred copy leaves nothing."""
    intents = Intents(tmp_path)
    three = b"3" * 16
    intents.intend("ref1", [ONE, TWO, three])
    intents.outcome("ref1", [ONE, TWO, three], [OK, NO, LATER])
    assert set(found(tmp_path).values()) == {State.UNKNOWN}
    intents.flush()
    assert Intents(tmp_path).replay() == [
        ("ref1", ONE, State.TAKEN, None),
        ("ref1", TWO, State.REFUSED, NO.reply),
    ]


def test_an_ended_ref_is_forgotten(tmp_path: Path) -> None:
    """After `end` and a flush nothing of the ref is found, and other refs still are."""
    intents = Intents(tmp_path)
    intents.intend("ref1", [ONE])
    intents.intend("ref2", [TWO])
    intents.end("ref1")
    intents.flush()
    assert found(tmp_path) == {TWO: State.UNKNOWN}


def test_what_is_replayed_stays_until_it_is_ended(tmp_path: Path) -> None:
    """A process that dies again before it dealt with a replayed ref loses nothing."""
    Intents(tmp_path).intend("ref1", [ONE])
    second = Intents(tmp_path)
    second.replay()
    second.intend("ref2", [TWO])
    assert found(tmp_path) == {ONE: State.UNKNOWN, TWO: State.UNKNOWN}
    second.end("ref1")
    second.flush()
    assert found(tmp_path) == {TWO: State.UNKNOWN}


def test_history_is_deleted(tmp_path: Path) -> None:
    """Whatever went before, one segment is left, and it holds what is open."""
    intents = Intents(tmp_path, octets=1000)
    intents.intend("open", [ONE])
    for number in range(200):
        intents.intend(f"ref{number}", [TWO])
        intents.outcome(f"ref{number}", [TWO], [OK])
        intents.end(f"ref{number}")
    intents.flush()
    (segment,) = tmp_path.glob("*.intents")
    assert segment.stat().st_size < 1500
    assert found(tmp_path) == {ONE: State.UNKNOWN}


@given(cut=st.integers(0, 200), junk=st.binary(max_size=40))
def test_a_torn_end_loses_only_what_was_torn(
    tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes
) -> None:
    """Cut anywhere and followed by rubbish, the file still tells every whole record before."""
    folder = tmp_path_factory.mktemp("torn")
    intents = Intents(folder)
    keys = [bytes([n]) * 16 for n in range(4)]
    for number, key in enumerate(keys):
        intents.intend(f"ref{number}", [key])
    (segment,) = folder.glob("*.intents")
    whole = segment.read_bytes()
    length = len(whole) // len(keys)
    segment.write_bytes(whole[:cut] + junk)
    kept = min(cut // length, len(keys))
    assert set(keys[:kept]) <= set(found(folder)) <= set(keys[: kept + 1])


def test_a_full_disk_refuses_the_intent_and_recovers(tmp_path: Path) -> None:
    """With no room the intent is refused, later ones work again, and nothing open was lost."""
    intents = Intents(tmp_path)
    intents.intend("ref1", [ONE])
    size = next(tmp_path.glob("*.intents")).stat().st_size
    with file_size_limit(size + 10):
        for _ in range(3):
            with pytest.raises(JournalUnwritable):
                intents.intend("ref2", [TWO])
        intents.outcome("ref1", [ONE], [OK])
    intents.intend("ref3", [b"3" * 16])
    assert found(tmp_path) == {ONE: State.TAKEN, b"3" * 16: State.UNKNOWN}
    assert len(list(tmp_path.glob("*.intents"))) == 1


def test_a_folder_that_is_gone_refuses_the_intent(tmp_path: Path) -> None:
    """Any error of the system's is `JournalUnwritable`."""
    folder = tmp_path / "intents"
    intents = Intents(folder)
    folder.rmdir()
    with pytest.raises(JournalUnwritable):
        intents.intend("ref1", [ONE])


async def test_one_flush_of_the_disk_serves_many_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies that come while the disk is busy share the next flush."""
    flushes = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (flushes.append(fd), real(fd)))
    intents = Intents(tmp_path, fsync=True)

    async def one(number: int) -> None:
        intents.intend(f"ref{number}", [ONE])
        await intents.synced()

    await asyncio.gather(*[one(number) for number in range(50)])
    assert 1 <= len(flushes) <= 2


async def test_a_disk_that_will_not_flush_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed fsync raises for who waits, and the next intent goes to a fresh segment."""

    def broken(fd: int) -> None:
        raise OSError(5, "Input/output error")

    intents = Intents(tmp_path, fsync=True)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        intents.intend("ref1", [ONE])
        with pytest.raises(JournalUnwritable):
            await intents.synced()
    intents.intend("ref2", [TWO])
    await intents.synced()
    assert os.listdir(tmp_path) == ["000000000002.intents"]
    assert found(tmp_path) == {ONE: State.UNKNOWN, TWO: State.UNKNOWN}


def test_what_workers_left_that_are_no_more_is_taken_up(tmp_path: Path) -> None:
    """Their open copies are found, stand in our file from the first write on, and theirs goes."""
    gone = Intents(tmp_path / "intents-3")
    gone.intend("ref3", [ONE])
    gone.close()
    ours = Intents(tmp_path / "intents", left=[tmp_path / "intents-3"])
    assert [(ref, state) for ref, _, state, _ in ours.replay()] == [("ref3", State.UNKNOWN)]
    ours.flush()
    assert not list((tmp_path / "intents-3").glob("*.intents"))
    ours.close()
    again = Intents(tmp_path / "intents")
    assert [ref for ref, *_ in again.replay()] == ["ref3"]
    again.close()
