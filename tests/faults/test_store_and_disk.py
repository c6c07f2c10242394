"""The records away, stale, broken or read-only, and no room on the disk: mail waits, nobody who is
suppressed is mailed, no opt-out is lost, and it is over once the cause is.

One real gateway; each fault is brought about from outside and undone.
"""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.e2e.certificates import Certificates
from tests.e2e.gateway import Settings, acme
from tests.faults.customer import Answer, Customer, message, new_id, send
from tests.faults.hop import Action, Hop
from tests.faults.houses import STREAMS, WEEKLY, Served
from tests.faults.test_crashes import unsubscribe_link
from tests.faults.waiting import eventually

SUPPRESSED = "suppressed@inbox.test"
"""Has complained. (Protected recipients would soon have the sender's domain blocked.)"""


@pytest.fixture(scope="module")
def house(
    shared_hop: Hop, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A gateway whose records hold a suppressed recipient."""
    settings = Settings(shared_hop.port, tenants={"acme": acme(streams=STREAMS)})
    with Served(tmp_path_factory.mktemp("house"), settings, certificates) as running:
        running.run("suppress", "add", SUPPRESSED, "--reason", "complaint", "--scope", "acme")
        yield running


def to_suppressed(house: Served) -> Answer:
    """What a suppressed recipient gets. Nothing but 451, 452 and 550 may ever be said."""
    unique = new_id()
    answer = send(house.open, message(unique), SUPPRESSED)
    assert answer.code in (451, 452, 550), answer
    return answer


def to_anna(house: Served, hop: Hop) -> Answer:
    """What a mailable recipient gets; counted at the next hop."""
    unique = new_id()
    answer = send(house.open, message(unique))
    assert hop.copies_of(unique) == (answer.code == 250)
    return answer


def is_well(house: Served, hop: Hop) -> None:
    """Everything works again, soon."""
    eventually(lambda: to_anna(house, hop).code == 250)
    assert to_suppressed(house).tag == "COMPLAINT"


# ---- the records --------------------------------------------------------------------------------


@contextmanager
def locked(house: Served) -> Iterator[None]:
    """Another process keeps the write lock."""
    with changing(house):
        yield


@contextmanager
def flushed(house: Served) -> Iterator[None]:
    """The index is emptied, mark and all, and comes back later."""
    with changing(house) as connection:
        rows = connection.execute("SELECT * FROM standing_index").fetchall()
        assert len(rows) >= 2
        connection.execute("DELETE FROM standing_index")
    try:
        yield
    finally:
        with changing(house) as connection:
            marks = ",".join("?" * len(rows[0]))
            connection.executemany(f"INSERT INTO standing_index VALUES ({marks})", rows)


@contextmanager
def corrupted(house: Served) -> Iterator[None]:
    """All pages but the first are overwritten."""
    connection = sqlite3.connect(house.database, timeout=60)
    eventually(lambda: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)
    connection.close()
    whole = house.database.read_bytes()
    with house.database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (len(whole) - 4096))
    try:
        yield
    finally:
        with house.database.open("r+b") as file:
            file.write(whole)


@contextmanager
def changing(house: Served) -> Iterator[sqlite3.Connection]:
    """A connection with the write lock."""
    connection = sqlite3.connect(house.database, isolation_level=None, timeout=60)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("fault", "can_judge"), [(locked, True), (flushed, False), (corrupted, False)]
)
def test_records_in_trouble(
    fault: Callable[[Served], AbstractContextManager[None]],
    can_judge: bool,
    house: Served,
    hop: Hop,
) -> None:
    """Nobody suppressed is mailed: either the records can still be read, or every recipient waits
    with 451. AUTH needs no records. All is well soon after."""
    is_well(house, hop)
    with fault(house):
        if can_judge:
            assert to_suppressed(house).tag == "COMPLAINT"
            assert to_anna(house, hop).code == 250
        else:
            for answer in (to_anna(house, hop), to_suppressed(house)):
                assert (answer.code, answer.tag) == (451, "TEMP")
                assert "4.3.0" in answer.text
                assert not tells_of_us(house, answer)
            at_fault = house.event("policy.failed")["detail"]["policy"]
            assert at_fault in ("domain-block", "standings")
    is_well(house, hop)


def test_an_opt_out_that_cannot_be_stored_is_503(house: Served, hop: Hop) -> None:
    """The mailbox provider is told to come back, and then the opt-out counts."""
    unique, reader = new_id(), f"{new_id()}@inbox.test"
    weekly = message(unique, sender=WEEKLY)
    assert send(house.open, weekly, reader, sender=WEEKLY).code == 250
    link = unsubscribe_link(hop, unique)
    with locked(house):
        assert house.unsubscribe(link) == 503
    eventually(lambda: house.unsubscribe(link) == 200)
    answer = send(house.open, message(new_id(), sender=WEEKLY), reader, sender=WEEKLY)
    assert (answer.code, answer.tag) == (550, "UNSUB")


def test_a_flushed_index_is_derived_again_at_start(house: Served, hop: Hop) -> None:
    """Without its mark the index answers nobody; the next process rebuilds it from the records."""
    with changing(house) as connection:
        connection.execute("DELETE FROM standing_index")
    assert to_suppressed(house).code == 451
    house.crash("smtp")
    is_well(house, hop)


def test_lost_records_are_not_begun_anew(house: Served, hop: Hop) -> None:
    """A process that finds no records takes no mail, and takes it again once they are back."""
    files = [house.database.with_name(house.database.name + end) for end in ("", "-wal", "-shm")]
    away = house.folder / "away"
    away.mkdir()
    assert to_suppressed(house).tag == "COMPLAINT"  # it has the file open from now on
    for file in files:
        file.rename(away / file.name)
    assert to_suppressed(house).tag == "COMPLAINT"
    os.kill(house.child("smtp"), signal.SIGKILL)
    eventually(lambda: "is missing or empty" in house.log)
    eventually(lambda: not house.is_listening)
    with pytest.raises(ConnectionRefusedError):
        to_suppressed(house)
    assert not house.database.exists()
    for file in files:
        (away / file.name).rename(file)
    eventually(lambda: house.is_listening)  # the supervisor waits longer after each failure
    is_well(house, hop)


# ---- the disk -----------------------------------------------------------------------------------


def test_no_room_on_the_disk(house: Served, hop: Hop) -> None:
    """Mail gets 452 4.3.1 and goes nowhere, suppression is enforced, opt-outs get 503; both
    processes recover without a restart."""
    unique, reader = new_id(), f"{new_id()}@inbox.test"
    weekly = message(unique, sender=WEEKLY)
    assert send(house.open, weekly, reader, sender=WEEKLY).code == 250
    link = unsubscribe_link(hop, unique)
    pids = house.child("smtp"), house.child("web")
    with house.full_disk("smtp", "web"):
        for _ in range(3):  # before and after the journal has noticed
            answer = to_anna(house, hop)
            assert (answer.code, answer.tag) == (452, "STORAGE")
            assert "4.3.1" in answer.text
            assert to_suppressed(house).tag == "COMPLAINT"
        assert house.unsubscribe(link) == 503
    is_well(house, hop)
    eventually(lambda: house.unsubscribe(link) == 200)
    answer = send(house.open, message(new_id(), sender=WEEKLY), reader, sender=WEEKLY)
    assert (answer.code, answer.tag) == (550, "UNSUB")
    assert (house.child("smtp"), house.child("web")) == pids


def test_disk_full_between_copies(house: Served, hop: Hop) -> None:
    """Copies that went out before the disk filled up are not sent again by the retry."""
    first, second = (f"{new_id()}@inbox.test" for _ in range(2))
    unique = new_id()
    weekly = message(unique, sender=WEEKLY)
    hop.on("DOT", Action.HOLD)
    with Customer(house.open) as customer:
        customer.hello()
        customer.envelope(first, second, sender=WEEKLY)
        customer.send(weekly + b".\r\n")
        hop.wait_held()
        with house.full_disk("smtp"):
            hop.release()
            answer = customer.answer()
            assert answer.code in (451, 452)
    eventually(lambda: send(house.open, weekly, first, second, sender=WEEKLY).code == 250)
    got = [one.recipients for one in hop.kept if unique.encode() in one.raw]
    assert sorted(got) == sorted([(first,), (second,)])


def tells_of_us(house: Served, answer: Answer) -> bool:
    """Whether a reply lets out what is nobody's business."""
    secrets = (
        "Traceback",
        "sqlite",
        "records",
        str(house.folder),
        str(house.settings.next_hop_port),
    )
    return any(secret.lower() in answer.text.lower() for secret in secrets)
