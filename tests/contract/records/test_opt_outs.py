"""The opt-out log: every change is in it before it counts, and a database that lost one gets it."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Select, delete, event, func, insert, select

from gateway.errors import StoreUnavailable
from gateway.records import opt_outs
from gateway.records.audit import verify
from gateway.records.codes import DECODED, FIRST_SUPPRESSION
from gateway.records.database import Database, open_database
from gateway.records.index import rows_of
from gateway.records.opt_out_file import LogBroken
from gateway.records.opt_out_replay import apply
from gateway.records.opt_outs import ConsentEnded, Erased, OptOut, OptOuts, Row, StreamNumbered
from gateway.records.streams import find_number, stream_number
from gateway.records.subjects import add_subject, destroy, plain_texts
from gateway.records.suppression_import import ListFile, import_suppressions
from gateway.records.suppressions import Draft, add, find, lift, suppress
from gateway.records.tables import audit, consents, meta, standing_index, suppressions
from gateway.words import Address
from policies.terms import StreamTerms
from suppression import listfile
from suppression.keys import Keyring
from suppression.listfile import read_target
from suppression.precedence import Lifter
from suppression.standing import Reason
from tests.contract.records.places import LookUp, again, remember, told

NOW = 1_800_000_000.0
WEEKLY = Draft(Reason.UNSUBSCRIBE, "acme/weekly", "recipient", "test")


def _address(text: str) -> Address:
    target = read_target(text)
    assert isinstance(target, Address)
    return target


def _opt_out(database: Database, keyring: Keyring, text: str) -> int:
    with database.transaction() as connection:
        return add(connection, keyring, _address(text), WEEKLY, NOW)[0]


def _records(database: Database) -> list[opt_outs.Record]:
    return [opt_outs.decode(body) for _, body in database.opt_outs.file.records()]


def _is_out(database: Database, keyring: Keyring, text: str) -> bool:
    with database.reading() as connection:
        return any(entry.is_live(NOW) for entry in find(connection, keyring, _address(text)))


@pytest.fixture
def take(database: Database, tmp_path: Path) -> Callable[[], Callable[[], Database]]:
    """Copies the database as it is now; what it gives puts the copy in its place, log as it is."""

    return lambda: remember(database, tmp_path)


Take = Callable[[], Callable[[], Database]]


def test_each_kind_of_change_comes_back(
    take: Take, database: Database, keyring: Keyring, stream: StreamTerms
) -> None:
    """After a restore: entries, imports, lifts, and numbers of streams are as they were."""
    restore = take()
    _opt_out(database, keyring, "jan@firma.example")
    with database.transaction() as connection:
        stream_number(connection, "acme", "silent")  # nobody left it, but tokens name it
        number = stream_number(connection, "acme", "daily")
        key = keyring.exact_key(_address("ola@x.example"))
        suppress(connection, number, key, Reason.UNSUBSCRIBE, "one-click", NOW)
    gone = _opt_out(database, keyring, "back@x.example")
    with database.transaction() as connection:
        lift(connection, gone, Lifter.CONSENT, "anna", "asked to", NOW + 5)
    default = Draft(Reason.MANUAL, "*", "operator", "list", ends_at=NOW + 1000)
    people = [listfile.Row(line, _address(f"p{line}@y.example")) for line in range(1, 30)]
    import_suppressions(
        database, keyring, people, default, ListFile("l.csv", "00"), NOW, is_scope=bool
    )
    anew = restore()
    with anew.reading() as connection:
        assert find_number(connection, "acme", "daily") == number
        (entry,) = find(connection, keyring, _address("p7@y.example"))
        assert (entry.setter, entry.source, entry.ends_at) == ("operator", "list", NOW + 1000)
        lifted = find(connection, keyring, _address("back@x.example"))
        assert [(e.lifted_at, e.lifted_by) for e in lifted] == [(NOW + 5, "anna")]
        actions = connection.execute(select(audit.c.action).order_by(audit.c.id)).scalars().all()
        assert actions[-1] == "opt-outs.replayed"
        assert verify(connection) is None
    assert _is_out(anew, keyring, "jan@firma.example")
    assert _is_out(anew, keyring, "ola@x.example")
    standings = LookUp(anew, keyring, lambda: NOW)
    group = [_address(text) for text in ("jan@firma.example", "p29@y.example", "back@x.example")]
    found = asyncio.run(standings.look_up(stream, group))
    assert [bool(standing.matches) for standing in found] == [True, True, False]
    standings.close()
    anew.close()
    third = again(database)
    assert third.opt_outs.replayed == 0
    third.close()


def test_what_is_replayed_twice_counts_once(database: Database, keyring: Keyring) -> None:
    """A record that the database contains already changes nothing."""
    entry = _opt_out(database, keyring, "jan@firma.example")
    with database.transaction() as connection:
        lift(connection, entry, Lifter.CONSENT, "anna", "asked to", NOW)
    with database.transaction() as connection:
        add(connection, keyring, _address("jan@firma.example"), WEEKLY, NOW + 1)
    with database.transaction() as connection:
        for record in _records(database)[-2:]:
            apply(connection, record)
        assert connection.scalar(select(func.count()).select_from(suppressions)) == 2
        assert len(connection.execute(_of_suppressions()).all()) == 1


def _of_suppressions() -> Select[tuple[bytes]]:
    return select(standing_index.c.key).where(standing_index.c.code >= FIRST_SUPPRESSION)


def test_manual_entries_of_two_setters_both_come_back(
    take: Take, database: Database, keyring: Keyring
) -> None:
    """A setter's lift after a restore does not take away what another has set."""
    restore = take()
    for setter in ("operator", "tenant"):
        draft = Draft(Reason.MANUAL, "acme", setter, "desk")
        with database.transaction() as connection:
            add(connection, keyring, _address("jan@firma.example"), draft, NOW)
    anew = restore()
    with anew.reading() as connection:
        found = find(connection, keyring, _address("jan@firma.example"))
    assert sorted(entry.setter for entry in found) == ["operator", "tenant"]
    anew.close()


def test_ended_consents_and_erasures_come_back(
    take: Take, database: Database, keyring: Keyring
) -> None:
    """A withdrawal and an erasure made after the backup hold after its restore."""
    key = keyring.exact_key(_address("jan@firma.example"))
    with database.transaction() as connection:
        scope = stream_number(connection, "acme", "weekly")
        subject = add_subject(connection, keyring.seal("jan@firma.example"))
        row = {"key": key, "scope": scope, "level": 3, "subject": subject, "given_at": int(NOW)}
        connection.execute(insert(consents), row)
        connection.execute(
            insert(standing_index), {"key": key, "scope": scope, "code": 3, "entry": 1}
        )
    restore = take()
    with database.transaction() as connection:
        ended = ConsentEnded(key, "acme/weekly", 0, "recipient", int(NOW) + 1)
        opt_outs.note(connection, ended)
        opt_outs.note(connection, Erased((key,), "acme", int(NOW) + 1))
    anew = restore()
    with anew.reading() as connection:
        assert connection.scalar(select(consents.c.ended_by)) == "recipient"
        assert not rows_of(connection, [key])
        assert plain_texts(connection, keyring, [subject]) == {}
    anew.close()


def test_destroying_keeps_to_its_scope(database: Database, keyring: Keyring) -> None:
    """An erasure for one tenant leaves what another knows readable; everywhere takes all."""
    jan = _address("jan@firma.example")
    with database.transaction() as connection:
        for tenant in ("acme", "other"):
            add(connection, keyring, jan, Draft(Reason.OBJECTION, tenant, "recipient", "t"), NOW)
        keys = keyring.look_up_keys(jan)
        assert destroy(connection, keys, "acme") == 1
        shown = {entry.scope: entry.address for entry in find(connection, keyring, jan)}
        assert shown == {"acme": "", "other": "jan@firma.example"}
        assert destroy(connection, keys) == 1
        assert destroy(connection, keys) == 0


async def test_a_savepoint_undone_leaves_no_record(database: Database, keyring: Keyring) -> None:
    """Changes that share a commit share one write of the log, without those that failed."""

    def fails(connection: Connection) -> None:
        add(connection, keyring, _address("half@x.example"), WEEKLY, NOW)
        raise KeyError("half way")

    def works(connection: Connection) -> None:
        add(connection, keyring, _address("jan@firma.example"), WEEKLY, NOW)

    before = len(_records(database))
    await asyncio.gather(
        database.write(fails), database.write(works), database.write(fails), return_exceptions=True
    )
    new = _records(database)[before:]
    key = keyring.exact_key(_address("jan@firma.example"))
    assert [record.key for record in new if isinstance(record, OptOut)] == [key]


async def test_nothing_counts_that_the_log_does_not_have(
    database: Database, keyring: Keyring
) -> None:
    """With the log away an opt-out fails, by both ways of writing; with it back it works again."""

    def opt_out(connection: Connection) -> None:
        add(connection, keyring, _address("jan@firma.example"), WEEKLY, NOW)

    path = database.opt_outs.file.path
    path.rename(path.with_name("away"))
    with pytest.raises(StoreUnavailable, match="missing"):
        await database.write(opt_out)
    with pytest.raises(StoreUnavailable, match="missing"), database.transaction() as connection:
        opt_out(connection)
    assert not _is_out(database, keyring, "jan@firma.example")
    path.with_name("away").rename(path)
    await database.write(opt_out)
    assert _is_out(database, keyring, "jan@firma.example")


@pytest.mark.parametrize("call", ["write", "fdatasync"])
async def test_a_full_disk_fails_the_commit_and_leaves_no_trace(
    call: str, database: Database, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a line or a failed flush is taken back, and the next opt-out has the number."""
    before = database.opt_outs.file.path.read_bytes()
    real = os.write

    def full(file: int, octets: bytes = b"") -> int:
        if call == "write" and octets and len(octets) > 5:
            return real(file, octets[:5])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(f"os.{call}", full)
        with pytest.raises(StoreUnavailable, match="No space left"):
            await database.write(lambda c: add(c, keyring, _address("a@x.example"), WEEKLY, NOW))
    assert database.opt_outs.file.path.read_bytes() == before
    assert not _is_out(database, keyring, "a@x.example")
    await database.write(lambda c: add(c, keyring, _address("a@x.example"), WEEKLY, NOW))
    assert _is_out(database, keyring, "a@x.example")
    database.opt_outs.verify()


@pytest.mark.parametrize("is_full", [False, True])
async def test_a_log_of_one_node_numbers_the_streams_that_it_names(
    is_full: bool, database: Database, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after a try that met a full disk: another node's log, which has the number, is replayed
    later, and the links in old mail name their stream by it."""
    if not database.opt_outs.node:
        pytest.skip("there is one log only")
    with database.transaction() as connection:
        number = stream_number(connection, "acme", "weekly")
        connection.info["opt-outs"] = []  # another node's log has it
    before = len(_records(database))
    if is_full:
        with monkeypatch.context() as patch:
            patch.setattr("os.fdatasync", lambda _file: os.write(-1, b""))
            with pytest.raises(StoreUnavailable):
                await database.write(lambda c: add(c, keyring, _address("a@x.org"), WEEKLY, NOW))
    await database.write(lambda c: add(c, keyring, _address("a@x.org"), WEEKLY, NOW))
    numbered, *told = _records(database)[before:]
    assert numbered == StreamNumbered(number, "acme", "weekly")
    assert any(isinstance(record, OptOut) for record in told)


def test_a_record_whose_commit_failed_is_made_good(database: Database, keyring: Keyring) -> None:
    """Before anything else is written, the database has what the log has: here, a lift.

    Else an unsubscribe could find the lifted entry still in force, answer 200, and then lose it.
    """
    entry = _opt_out(database, keyring, "jan@firma.example")

    def fail(_connection: object) -> None:
        raise sqlite3.OperationalError("disk full")

    event.listen(database._engine, "commit", fail)
    with pytest.raises(StoreUnavailable), database.transaction() as connection:
        lift(connection, entry, Lifter.CONSENT, "anna", "asked to", NOW)
    event.remove(database._engine, "commit", fail)
    assert _is_out(database, keyring, "jan@firma.example")
    with database.transaction() as connection:
        _, is_new = add(connection, keyring, _address("jan@firma.example"), WEEKLY, NOW + 1)
    assert is_new
    assert _is_out(database, keyring, "jan@firma.example")
    assert database.opt_outs.replayed == 1


def test_two_processes_keep_one_log(database: Database, keyring: Keyring) -> None:
    """Each finds the other's records before its own."""
    other = again(database)
    for number in range(20):
        _opt_out((database, other)[number % 2], keyring, f"p{number}@x.example")
    other.close()
    numbers = [position.number for position, _ in database.opt_outs.file.records()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert sum(isinstance(record, OptOut) for record in _records(database)) == 20
    assert (database.opt_outs.replayed, other.opt_outs.replayed) == (0, 0)


def _cut(log: Path) -> None:
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))


def _tear(log: Path) -> None:
    log.write_bytes(log.read_bytes()[:-3])


def _exchange(log: Path) -> None:
    log.write_bytes(log.read_bytes()[:-20] + b"0" * 19 + b"\n")


@pytest.mark.parametrize("harm", [Path.unlink, _cut, _tear, _exchange])
def test_a_log_that_lost_something_is_refused(
    harm: Callable[[Path], None], database: Database, keyring: Keyring
) -> None:
    """Missing, shorter, torn or exchanged: nothing starts on it, and the text says what to do."""
    _opt_out(database, keyring, "jan@firma.example")
    database.close()
    harm(database.opt_outs.file.path)
    with pytest.raises(LogBroken, match="consentry opt-outs accept"):
        again(database)


def test_any_changed_octet_is_found(database: Database, keyring: Keyring) -> None:
    """A service that starts walks the whole chain; a record in the middle cannot be altered."""
    for number in range(3):
        _opt_out(database, keyring, f"p{number}@x.example")
    database.close()
    path = database.opt_outs.file.path
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(LogBroken):
            again(database, is_thorough=True)
    path.write_bytes(whole)
    again(database, is_thorough=True).close()


def test_half_a_line_at_the_end_was_never_committed(database: Database, keyring: Keyring) -> None:
    """A process killed while it wrote leaves a torn line; it is dropped, whatever it said."""
    _opt_out(database, keyring, "jan@firma.example")
    database.close()
    path = database.opt_outs.file.path
    whole = path.read_bytes()
    path.write_bytes(whole + b'9 {"kind":"opt-out","key":')
    anew = again(database)
    assert path.read_bytes() == whole
    anew.close()


def test_a_database_older_than_the_log_tells_it_all(database: Database, keyring: Keyring) -> None:
    """The first start with records and without a log begins it with everything in force."""
    _opt_out(database, keyring, "jan@firma.example")
    lifted = _opt_out(database, keyring, "back@x.example")
    with database.transaction() as connection:
        lift(connection, lifted, Lifter.CONSENT, "anna", "asked to", NOW)
    with database.transaction() as connection:
        connection.execute(delete(meta).where(meta.c.name.startswith("opt-outs:last")))
    database.close()
    database.opt_outs.file.path.unlink()
    anew = again(database)
    rows = [
        row.key for record in _records(anew) if isinstance(record, OptOuts) for row in record.rows
    ]
    assert rows == [keyring.exact_key(_address("jan@firma.example"))]
    anew.close()


@pytest.mark.sqlite_file
def test_a_log_of_another_life_is_told_what_only_the_records_know(
    database: Database, keyring: Keyring
) -> None:
    """Records that know no log, and a log that knows less than they do: nothing stays out of it."""
    _opt_out(database, keyring, "jan@firma.example")
    kept = database.opt_outs.file.path.read_bytes()
    _opt_out(database, keyring, "late@x.example")
    with database.transaction() as connection:
        connection.execute(delete(meta).where(meta.c.name.startswith("opt-outs:last")))
    database.close()
    database.opt_outs.file.path.write_bytes(kept)
    anew = again(database)
    known = {
        row.key for record in _records(anew) if isinstance(record, OptOuts) for row in record.rows
    }
    assert keyring.exact_key(_address("late@x.example")) in known
    anew.close()


@pytest.mark.sqlite_file
def test_a_lost_state_folder_gets_everything_from_the_log(
    database: Database, keyring: Keyring, tmp_path: Path
) -> None:
    """A new database beside an old log takes all of it in before it serves."""
    _opt_out(database, keyring, "jan@firma.example")
    database.close()
    anew = open_database(tmp_path / "new" / "consentry.db", database.opt_outs.file.path)
    assert _is_out(anew, keyring, "jan@firma.example")
    anew.close()


KILLED = """
import os, sys
from pathlib import Path
from gateway.records.suppressions import Draft, add
from tests.contract.records.places import opened
from suppression.keys import Keyring
from suppression.listfile import read_target
from suppression.standing import Reason
database = opened(sys.argv[1])
keyring = Keyring.load(Path(sys.argv[2]))
real = os.fdatasync
def fdatasync(file):
    real(file)
    os.kill(os.getpid(), 9)
os.fdatasync = fdatasync
with database.transaction() as connection:
    draft = Draft(Reason.UNSUBSCRIBE, "acme/weekly", "recipient", "test")
    add(connection, keyring, read_target("jan@firma.example"), draft, 1_800_000_000.0)
"""


def test_killed_between_log_and_commit(
    database: Database, keyring: Keyring, tmp_path: Path
) -> None:
    """What the log has when a process is killed is in force from the next write on."""
    command = [sys.executable, "-c", KILLED, told(database), tmp_path / "secrets/keyring.json"]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert not _is_out(database, keyring, "jan@firma.example")
    with database.transaction():
        pass
    assert _is_out(database, keyring, "jan@firma.example")


addresses = st.binary(min_size=16, max_size=16)
instants = st.integers(min_value=-(2**40), max_value=2**40)
rows = st.builds(
    Row,
    addresses,
    st.sampled_from([0, 1, 2**24 - 1]),
    st.sampled_from(sorted(DECODED)),
    instants,
    st.none() | st.integers(min_value=1, max_value=2**40),
)


@given(st.lists(rows, min_size=1).map(tuple), st.text())
def test_packed_rows_unpack(made: tuple[Row, ...], source: str) -> None:
    """Rows of an import come out of their record as they went in, in one line."""
    record = OptOuts({0: "*", 1: "acme", 2**24 - 1: "acme/weekly"}, "operator", source, made)
    body = opt_outs.encode(record)
    assert opt_outs.decode(body) == record
    assert "\n" not in body
