"""A database that lost an opt-out gets it from the log."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Select, delete, event, func, insert, select

from gateway.errors import StoreUnavailable
from gateway.records import opt_outs
from gateway.records.audit import verify
from gateway.records.codes import FIRST_SUPPRESSION
from gateway.records.database import Database, open_database
from gateway.records.index import rows_of
from gateway.records.opt_out_replay import apply
from gateway.records.opt_outs import ConsentEnded, Erased, OptOuts
from gateway.records.streams import find_number, stream_number
from gateway.records.subjects import add_subject, plain_texts
from gateway.records.suppression_import import ListFile, import_suppressions
from gateway.records.suppressions import Draft, add, find, lift, suppress
from gateway.records.tables import audit, consents, meta, standing_index, suppressions
from policies.terms import StreamTerms
from suppression import listfile
from suppression.keys import Keyring
from suppression.precedence import Lifter
from suppression.standing import Reason
from tests.contract.records.opt_out_world import NOW, WEEKLY, address_of, is_out, logged, opt_out
from tests.contract.records.places import LookUp, again, remember, told


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
    opt_out(database, keyring, "jan@firma.example")
    with database.transaction() as connection:
        stream_number(connection, "acme", "silent")  # nobody left it, but tokens name it
        number = stream_number(connection, "acme", "daily")
        key = keyring.exact_key(address_of("ola@x.example"))
        suppress(connection, number, key, Reason.UNSUBSCRIBE, "one-click", NOW)
    gone = opt_out(database, keyring, "back@x.example")
    with database.transaction() as connection:
        lift(connection, gone, Lifter.CONSENT, "anna", "asked to", NOW + 5)
    default = Draft(Reason.MANUAL, "*", "operator", "list", ends_at=NOW + 1000)
    people = [listfile.Row(line, address_of(f"p{line}@y.example")) for line in range(1, 30)]
    import_suppressions(
        database, keyring, people, default, ListFile("l.csv", "00"), NOW, is_scope=bool
    )
    anew = restore()
    with anew.reading() as connection:
        assert find_number(connection, "acme", "daily") == number
        (entry,) = find(connection, keyring, address_of("p7@y.example"))
        assert (entry.setter, entry.source, entry.ends_at) == ("operator", "list", NOW + 1000)
        lifted = find(connection, keyring, address_of("back@x.example"))
        assert [(e.lifted_at, e.lifted_by) for e in lifted] == [(NOW + 5, "anna")]
        actions = connection.execute(select(audit.c.action).order_by(audit.c.id)).scalars().all()
        assert actions[-1] == "opt-outs.replayed"
        assert verify(connection) is None
    assert is_out(anew, keyring, "jan@firma.example")
    assert is_out(anew, keyring, "ola@x.example")
    standings = LookUp(anew, keyring, lambda: NOW)
    group = [address_of(text) for text in ("jan@firma.example", "p29@y.example", "back@x.example")]
    found = asyncio.run(standings.look_up(stream, group))
    assert [bool(standing.matches) for standing in found] == [True, True, False]
    standings.close()
    anew.close()
    third = again(database)
    assert third.opt_outs.replayed == 0
    third.close()


def test_what_is_replayed_twice_counts_once(database: Database, keyring: Keyring) -> None:
    """A record that the database contains already changes nothing."""
    entry = opt_out(database, keyring, "jan@firma.example")
    with database.transaction() as connection:
        lift(connection, entry, Lifter.CONSENT, "anna", "asked to", NOW)
    with database.transaction() as connection:
        add(connection, keyring, address_of("jan@firma.example"), WEEKLY, NOW + 1)
    with database.transaction() as connection:
        for record in logged(database)[-2:]:
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
            add(connection, keyring, address_of("jan@firma.example"), draft, NOW)
    anew = restore()
    with anew.reading() as connection:
        found = find(connection, keyring, address_of("jan@firma.example"))
    assert sorted(entry.setter for entry in found) == ["operator", "tenant"]
    anew.close()


def test_ended_consents_and_erasures_come_back(
    take: Take, database: Database, keyring: Keyring
) -> None:
    """A withdrawal and an erasure made after the backup hold after its restore."""
    key = keyring.exact_key(address_of("jan@firma.example"))
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


def test_a_record_whose_commit_failed_is_made_good(database: Database, keyring: Keyring) -> None:
    """Before anything else is written, the database has what the log has: here, a lift.

    Else an unsubscribe could find the lifted entry still in force, answer 200, and then lose it.
    """
    entry = opt_out(database, keyring, "jan@firma.example")

    def fail(_connection: object) -> None:
        raise sqlite3.OperationalError("disk full")

    event.listen(database._engine, "commit", fail)
    with pytest.raises(StoreUnavailable), database.transaction() as connection:
        lift(connection, entry, Lifter.CONSENT, "anna", "asked to", NOW)
    event.remove(database._engine, "commit", fail)
    assert is_out(database, keyring, "jan@firma.example")
    with database.transaction() as connection:
        _, is_new = add(connection, keyring, address_of("jan@firma.example"), WEEKLY, NOW + 1)
    assert is_new
    assert is_out(database, keyring, "jan@firma.example")
    assert database.opt_outs.replayed == 1


def test_a_database_older_than_the_log_tells_it_all(database: Database, keyring: Keyring) -> None:
    """The first start with records and without a log begins it with everything in force."""
    opt_out(database, keyring, "jan@firma.example")
    lifted = opt_out(database, keyring, "back@x.example")
    with database.transaction() as connection:
        lift(connection, lifted, Lifter.CONSENT, "anna", "asked to", NOW)
    with database.transaction() as connection:
        connection.execute(delete(meta).where(meta.c.name.startswith("opt-outs:last")))
    database.close()
    database.opt_outs.file.path.unlink()
    anew = again(database)
    rows = [
        row.key for record in logged(anew) if isinstance(record, OptOuts) for row in record.rows
    ]
    assert rows == [keyring.exact_key(address_of("jan@firma.example"))]
    anew.close()


@pytest.mark.sqlite_file
def test_a_log_of_another_life_is_told_what_only_the_records_know(
    database: Database, keyring: Keyring
) -> None:
    """Records that know no log, and a log that knows less than they do: nothing stays out of it."""
    opt_out(database, keyring, "jan@firma.example")
    kept = database.opt_outs.file.path.read_bytes()
    opt_out(database, keyring, "late@x.example")
    with database.transaction() as connection:
        connection.execute(delete(meta).where(meta.c.name.startswith("opt-outs:last")))
    database.close()
    database.opt_outs.file.path.write_bytes(kept)
    anew = again(database)
    known = {
        row.key for record in logged(anew) if isinstance(record, OptOuts) for row in record.rows
    }
    assert keyring.exact_key(address_of("late@x.example")) in known
    anew.close()


@pytest.mark.sqlite_file
def test_a_lost_state_folder_gets_everything_from_the_log(
    database: Database, keyring: Keyring, tmp_path: Path
) -> None:
    """A new database beside an old log takes all of it in before it serves."""
    opt_out(database, keyring, "jan@firma.example")
    database.close()
    anew = open_database(tmp_path / "new" / "consentry.db", database.opt_outs.file.path)
    assert is_out(anew, keyring, "jan@firma.example")
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
    assert not is_out(database, keyring, "jan@firma.example")
    with database.transaction():
        pass
    assert is_out(database, keyring, "jan@firma.example")
