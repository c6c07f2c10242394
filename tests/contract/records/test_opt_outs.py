"""The opt-out log: every change is in it before it counts, and it is whole or refused."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from gateway.errors import StoreUnavailable
from gateway.records import opt_outs
from gateway.records.codes import DECODED
from gateway.records.database import Database
from gateway.records.opt_out_file import LogBroken
from gateway.records.opt_outs import OptOut, OptOuts, Row, StreamNumbered
from gateway.records.streams import stream_number
from gateway.records.subjects import destroy
from gateway.records.suppressions import Draft, add, find
from suppression.keys import Keyring
from suppression.standing import Reason
from tests.contract.records.opt_out_world import NOW, WEEKLY, address_of, is_out, logged, opt_out
from tests.contract.records.places import again


def test_destroying_keeps_to_its_scope(database: Database, keyring: Keyring) -> None:
    """An erasure for one tenant leaves what another knows readable; everywhere takes all."""
    jan = address_of("jan@firma.example")
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
        add(connection, keyring, address_of("half@x.example"), WEEKLY, NOW)
        raise KeyError("half way")

    def works(connection: Connection) -> None:
        add(connection, keyring, address_of("jan@firma.example"), WEEKLY, NOW)

    before = len(logged(database))
    await asyncio.gather(
        database.write(fails), database.write(works), database.write(fails), return_exceptions=True
    )
    new = logged(database)[before:]
    key = keyring.exact_key(address_of("jan@firma.example"))
    assert [record.key for record in new if isinstance(record, OptOut)] == [key]


async def test_nothing_counts_that_the_log_does_not_have(
    database: Database, keyring: Keyring
) -> None:
    """With the log away an opt-out fails, by both ways of writing; with it back it works again."""

    def opt_out(connection: Connection) -> None:
        add(connection, keyring, address_of("jan@firma.example"), WEEKLY, NOW)

    path = database.opt_outs.file.path
    path.rename(path.with_name("away"))
    with pytest.raises(StoreUnavailable, match="missing"):
        await database.write(opt_out)
    with pytest.raises(StoreUnavailable, match="missing"), database.transaction() as connection:
        opt_out(connection)
    assert not is_out(database, keyring, "jan@firma.example")
    path.with_name("away").rename(path)
    await database.write(opt_out)
    assert is_out(database, keyring, "jan@firma.example")


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
            await database.write(lambda c: add(c, keyring, address_of("a@x.example"), WEEKLY, NOW))
    assert database.opt_outs.file.path.read_bytes() == before
    assert not is_out(database, keyring, "a@x.example")
    await database.write(lambda c: add(c, keyring, address_of("a@x.example"), WEEKLY, NOW))
    assert is_out(database, keyring, "a@x.example")
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
    before = len(logged(database))
    if is_full:
        with monkeypatch.context() as patch:
            patch.setattr("os.fdatasync", lambda _file: os.write(-1, b""))
            with pytest.raises(StoreUnavailable):
                await database.write(lambda c: add(c, keyring, address_of("a@x.org"), WEEKLY, NOW))
    await database.write(lambda c: add(c, keyring, address_of("a@x.org"), WEEKLY, NOW))
    numbered, *told = logged(database)[before:]
    assert numbered == StreamNumbered(number, "acme", "weekly")
    assert any(isinstance(record, OptOut) for record in told)


def test_two_processes_keep_one_log(database: Database, keyring: Keyring) -> None:
    """Each finds the other's records before its own."""
    other = again(database)
    for number in range(20):
        opt_out((database, other)[number % 2], keyring, f"p{number}@x.example")
    other.close()
    numbers = [position.number for position, _ in database.opt_outs.file.records()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert sum(isinstance(record, OptOut) for record in logged(database)) == 20
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
    opt_out(database, keyring, "jan@firma.example")
    database.close()
    harm(database.opt_outs.file.path)
    with pytest.raises(LogBroken, match="consentry opt-outs accept"):
        again(database)


def test_any_changed_octet_is_found(database: Database, keyring: Keyring) -> None:
    """A service that starts walks the whole chain; a record in the middle cannot be altered."""
    for number in range(3):
        opt_out(database, keyring, f"p{number}@x.example")
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
    opt_out(database, keyring, "jan@firma.example")
    database.close()
    path = database.opt_outs.file.path
    whole = path.read_bytes()
    path.write_bytes(whole + b'9 {"kind":"opt-out","key":')
    anew = again(database)
    assert path.read_bytes() == whole
    anew.close()


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
