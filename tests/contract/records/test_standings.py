"""The look-up at RCPT: what it finds, how fresh it is, and that damage never reads as consent."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete

from gateway.errors import StoreUnavailable
from gateway.message.address import parse_mailbox
from gateway.records.database import Database
from gateway.records.standings import SqliteStandings
from gateway.records.suppressions import Draft, add, find, lift, suppress
from gateway.records.tables import standing_index
from policies.terms import DAY, StreamTerms
from suppression.keys import Generation, Keyring
from suppression.listfile import read_target
from suppression.precedence import Lifter
from suppression.standing import Reason, Standing
from tests.contract.records.places import LookUp, again, told

from .conftest import NOW

Add = Callable[..., int]


@pytest.fixture
def put(database: Database, keyring: Keyring) -> Add:
    """Adds an entry and gives its number."""

    def put(target: str, reason: Reason, scope: str, now: float = NOW) -> int:
        draft = Draft(reason, scope, "operator", "test")
        with database.transaction() as connection:
            return add(connection, keyring, read_target(target), draft, now)[0]

    return put


async def _ask(standings: LookUp, stream: StreamTerms, *texts: str) -> list[Standing]:
    return list(await standings.look_up(stream, [parse_mailbox(text) for text in texts]))


async def _is_stopped(standings: LookUp, stream: StreamTerms, text: str) -> bool:
    (standing,) = await _ask(standings, stream, text)
    return bool(standing.matches)


async def test_each_of_a_group_gets_its_own_standing(
    standings: LookUp, stream: StreamTerms, put: Add, keyring: Keyring
) -> None:
    """Answers come in the order asked, also for an address asked twice."""
    entry = put("b@x.example", Reason.UNSUBSCRIBE, "acme/weekly")
    found = await _ask(
        standings, stream, "a@x.example", "b@x.example", "B@X.example", "c@y.example"
    )
    assert [[match.entry for match in one.matches] for one in found] == [[], [entry], [entry], []]
    assert found[0].key == keyring.exact_key(parse_mailbox("a@x.example"))
    assert found[1].matches[0].scope == "acme/weekly"
    assert found[1].matches[0].reason is Reason.UNSUBSCRIBE


async def test_a_group_larger_than_one_statement(
    standings: LookUp, stream: StreamTerms, put: Add
) -> None:
    """However many keys a group has, none is left out."""
    put("u999@d999.example", Reason.UNSUBSCRIBE, "acme")
    group = [f"u{i}@d{i}.example" for i in range(1000)]
    found = await _ask(standings, stream, *group)
    assert [bool(one.matches) for one in found] == [False] * 999 + [True]


async def test_an_unsubscribed_tag_leaves_the_plain_address_and_protection_covers_both(
    standings: LookUp, stream: StreamTerms, put: Add
) -> None:
    """Exact reasons touch one spelling, loose ones all of a mailbox."""
    put("u+news@gmail.com", Reason.UNSUBSCRIBE, "acme/weekly")
    assert await _is_stopped(standings, stream, "u+news@gmail.com")
    assert not await _is_stopped(standings, stream, "u@gmail.com")
    put("u@gmail.com", Reason.PROTECTED, "*")
    for text in ("u@gmail.com", "U+other@googlemail.com"):
        assert await _is_stopped(standings, stream, text)


async def test_a_protected_domain_covers_its_addresses_and_subdomains(
    standings: LookUp, stream: StreamTerms, put: Add
) -> None:
    """Who protects a domain means all that is under it; neighbours and parents are not."""
    put("firma.example", Reason.PROTECTED, "*")
    for text in ("a@firma.example", "a@FIRMA.example", "a@mail.firma.example"):
        assert await _is_stopped(standings, stream, text)
    for text in ("a@otherfirma.example", "a@firma.example.net", "firma.example@x.example"):
        assert not await _is_stopped(standings, stream, text)


async def test_a_scope_reaches_no_further(standings: LookUp, stream: StreamTerms, put: Add) -> None:
    """Entries of another tenant or another stream do not count, the tenant's and `*` do."""
    put("a@x.example", Reason.UNSUBSCRIBE, "other")
    put("a@x.example", Reason.UNSUBSCRIBE, "acme/daily")
    assert not await _is_stopped(standings, stream, "a@x.example")
    put("a@x.example", Reason.COMPLAINT, "acme")
    put("a@x.example", Reason.PROTECTED, "*")
    (standing,) = await _ask(standings, stream, "a@x.example")
    assert {match.scope for match in standing.matches} == {"acme", "*"}


async def test_an_entry_past_its_end_does_not_count(
    standings: LookUp, stream: StreamTerms, put: Add
) -> None:
    """A hard bounce stops for 90 days, to the second."""
    put("over@x.example", Reason.HARD_BOUNCE, "acme", NOW - 90 * DAY)
    put("live@x.example", Reason.HARD_BOUNCE, "acme", NOW - 90 * DAY + 1)
    assert not await _is_stopped(standings, stream, "over@x.example")
    assert await _is_stopped(standings, stream, "live@x.example")


async def test_a_lifted_entry_does_not_count(
    standings: LookUp, stream: StreamTerms, put: Add, database: Database
) -> None:
    """Lifting takes effect at the very next look-up."""
    entry = put("a@x.example", Reason.COMPLAINT, "acme")
    assert await _is_stopped(standings, stream, "a@x.example")
    with database.transaction() as connection:
        lift(connection, entry, Lifter.OPERATOR, "ann", "mistake", NOW)
    assert not await _is_stopped(standings, stream, "a@x.example")


async def test_entries_of_an_older_generation_are_found(
    database: Database, stream: StreamTerms, put: Add, keyring: Keyring
) -> None:
    """Rotating the keyring forgets nobody."""
    put("a@x.example", Reason.UNSUBSCRIBE, "acme")
    put("firma.example", Reason.PROTECTED, "*")
    rotated = Keyring([Generation.fresh(1), keyring.current])
    standings = LookUp(database, rotated)
    assert await _is_stopped(standings, stream, "a@x.example")
    assert await _is_stopped(standings, stream, "b@firma.example")
    with database.reading() as connection:
        assert find(connection, rotated, parse_mailbox("a@x.example"))
    standings.close()


OTHER_PROCESS = """
import sys
from pathlib import Path
from gateway.records.suppressions import suppress
from suppression.standing import Reason
from tests.contract.records.places import opened

database = opened(sys.argv[1])
for line in sys.stdin:
    with database.transaction() as connection:
        suppress(connection, int(sys.argv[2]), bytes.fromhex(line), Reason.UNSUBSCRIBE, "page", 1.0)
    print("done", flush=True)
"""


async def test_what_another_process_has_committed_is_seen_at_once(
    standings: LookUp, stream: StreamTerms, database: Database, keyring: Keyring
) -> None:
    """After another process says done, the very next look-up knows; thirty times running."""
    with subprocess.Popen(  # noqa: ASYNC220 - the loop has nothing else to do
        [sys.executable, "-c", OTHER_PROCESS, told(database), str(stream.number)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        for number in range(30):
            text = f"u{number}@x.example"
            assert not await _is_stopped(standings, stream, text)
            other.stdin.write(keyring.exact_key(parse_mailbox(text)).hex() + "\n")
            other.stdin.flush()
            assert other.stdout.readline() == "done\n"
            assert await _is_stopped(standings, stream, text)


async def test_the_web_write_is_seen_by_the_next_look_up(
    standings: LookUp, stream: StreamTerms, database: Database, keyring: Keyring
) -> None:
    """What `write` has returned from is in force, on this process's reader too."""
    key = keyring.exact_key(parse_mailbox("a@x.example"))
    assert not await _is_stopped(standings, stream, "a@x.example")
    await database.write(lambda c: suppress(c, stream.number, key, Reason.UNSUBSCRIBE, "page", NOW))
    assert await _is_stopped(standings, stream, "a@x.example")


async def test_an_emptied_index_is_unavailable_until_it_is_rebuilt(
    standings: LookUp, stream: StreamTerms, put: Add, database: Database
) -> None:
    """An empty index means "I do not know"; opening the database derives it anew."""
    put("a@x.example", Reason.UNSUBSCRIBE, "acme")
    assert standings.is_ready()
    with database.transaction() as connection:
        connection.execute(delete(standing_index))
    assert not standings.is_ready()
    for text in ("a@x.example", "b@x.example"):
        with pytest.raises(StoreUnavailable, match="not complete"):
            await _ask(standings, stream, text)
    again(database).close()
    assert await _is_stopped(standings, stream, "a@x.example")
    assert not await _is_stopped(standings, stream, "b@x.example")


@pytest.mark.sqlite_file
async def test_a_damaged_file_is_unavailable(
    stream: StreamTerms, put: Add, database: Database, keyring: Keyring
) -> None:
    """Pages overwritten with rubbish raise; they do not answer "nobody"."""
    put("a@x.example", Reason.UNSUBSCRIBE, "acme")
    database.close()
    connection = sqlite3.connect(database.path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    size = database.path.stat().st_size
    with database.path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))
    standings = LookUp(database, keyring)
    with pytest.raises(StoreUnavailable):
        await _ask(standings, stream, "a@x.example")
    assert not standings.is_ready()
    standings.close()


async def test_a_missing_file_is_unavailable_and_is_not_made(
    stream: StreamTerms, keyring: Keyring, tmp_path: Path
) -> None:
    """A look-up never creates the database that it should read."""
    standings = SqliteStandings(tmp_path / "nowhere.db", keyring)
    with pytest.raises(StoreUnavailable):
        await _ask(standings, stream, "a@x.example")
    assert not (tmp_path / "nowhere.db").exists()
