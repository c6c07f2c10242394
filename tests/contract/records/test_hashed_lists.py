"""Hashed lists at the look-up: in force like other entries, asked for only when there are any."""

import io
from hashlib import sha256, sha512
from pathlib import Path

import pytest
from sqlalchemy import delete

from gateway.message.address import parse_mailbox
from gateway.records.bulk import Tally
from gateway.records.database import Database
from gateway.records.suppression_import import ListFile, import_suppressions
from gateway.records.suppressions import Draft, entries, find, lift
from gateway.records.tables import standing_index
from policies.terms import StreamTerms
from suppression.hashes import HashKind
from suppression.keys import Keyring
from suppression.listfile import BadRow, read_rows
from suppression.precedence import Lifter
from suppression.standing import Reason
from tests.contract.records.places import LookUp, again, remember

from .conftest import NOW


def _hex(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _import(
    database: Database,
    keyring: Keyring,
    text: str,
    reason: Reason = Reason.UNSUBSCRIBE,
    scope: str = "acme",
) -> tuple[Tally, list[BadRow]]:
    bad: list[BadRow] = []
    tally = import_suppressions(
        database,
        keyring,
        read_rows(io.StringIO(text, newline="")),
        Draft(reason, scope, "operator", "test"),
        ListFile("list.csv", "ab" * 32),
        NOW,
        is_scope=("*", "acme", "acme/weekly").__contains__,
        on_bad=bad.append,
    )
    return tally, bad


async def _stopped(standings: LookUp, stream: StreamTerms, *texts: str) -> list[bool]:
    found = await standings.look_up(stream, [parse_mailbox(text) for text in texts])
    return [bool(one.matches) for one in found]


async def test_a_hashed_list_is_in_force_for_the_very_next_look_up(
    database: Database, keyring: Keyring, standings: LookUp, stream: StreamTerms
) -> None:
    """A reader that knew of no such list meets it at once, in each kind; others stay unharmed."""
    assert await _stopped(standings, stream, "jan@x.example") == [False]
    _import(database, keyring, f"email_sha256\n{_hex('jan@x.example')}\n")
    assert await _stopped(standings, stream, "Jan@X.example", "ann@x.example") == [True, False]
    digest = sha512(b"ann@x.example").hexdigest()
    _import(database, keyring, f"hash,reason\n{digest},unsubscribe\n")
    assert await _stopped(standings, stream, "ann@x.example", "eve@x.example") == [True, False]
    _import(database, keyring, f"domain_sha256\n{_hex('firma.example')}\n", Reason.PROTECTED, "*")
    assert await _stopped(standings, stream, "z@mail.firma.example", "z@y.example") == [True, False]


async def test_a_look_up_of_many_meets_it_too(
    database: Database, keyring: Keyring, standings: LookUp, stream: StreamTerms
) -> None:
    """However many keys a group has, each address gets its own standing."""
    _import(database, keyring, "".join(f"{_hex(f'u{n}@x.example')}\n" for n in range(0, 100, 2)))
    group = [f"u{number}@x.example" for number in range(100)]
    expected = [number % 2 == 0 for number in range(100)]
    assert await _stopped(standings, stream, *group) == expected
    assert await _stopped(standings, stream, *group) == expected


async def test_unsubscribing_a_digest_is_exact_and_protecting_one_is_not(
    database: Database, keyring: Keyring, standings: LookUp, stream: StreamTerms
) -> None:
    """The rules of exact and loose keys hold for digests as far as anybody can know."""
    _import(database, keyring, f"{_hex('u@gmail.com')}\n")
    assert await _stopped(standings, stream, "u@gmail.com", "u+news@gmail.com") == [True, False]
    _import(database, keyring, f"{_hex('u@gmail.com')}\n", Reason.PROTECTED, "*")
    assert await _stopped(standings, stream, "U+news@googlemail.com") == [True]


def test_bad_rows_of_a_hashed_list_are_told(database: Database, keyring: Keyring) -> None:
    """MD5 is refused with a word; a domain's digest is for protection only."""
    tally, bad = _import(database, keyring, f"md5\n{'ab' * 16}\n")
    assert (tally.added, bad[0].line) == (0, 2)
    assert "MD5" in bad[0].problem
    tally, bad = _import(database, keyring, f"domain_sha256\n{_hex('x.example')}\n")
    assert (tally.added, bad[0].problem) == (
        0,
        "unsubscribe is about one address, not a whole domain",
    )


def test_entries_are_found_and_lifted_like_others(database: Database, keyring: Keyring) -> None:
    """`find` tries the digests; nothing readable is stored; a second import adds nothing."""
    text = f"{_hex('jan@x.example')}\n"
    assert _import(database, keyring, text, Reason.MANUAL)[0].added == 1
    assert _import(database, keyring, text, Reason.MANUAL)[0].added == 0
    with database.transaction() as connection:
        (entry,) = find(connection, keyring, parse_mailbox("jan@x.example"))
        assert (entry.address, entry.hashed, entry.reason) == ("", HashKind.SHA256, Reason.MANUAL)
        lift(connection, entry.id, Lifter.OPERATOR, "ann", "mistake", NOW)
        (entry,) = find(connection, keyring, parse_mailbox("jan@x.example"))
    assert entry.lifted_by == "ann"


@pytest.mark.parametrize("loss", ["index", "restore"])
async def test_they_survive_a_lost_index_and_a_restore(
    database: Database,
    keyring: Keyring,
    standings: LookUp,
    stream: StreamTerms,
    loss: str,
    tmp_path: Path,
) -> None:
    """That there are hashed lists is derived anew, and comes back with the opt-out log."""
    restore = remember(database, tmp_path)
    _import(database, keyring, f"{_hex('jan@x.example')}\n")
    if loss == "index":
        with database.transaction() as changing:
            changing.execute(delete(standing_index))
        again(database).close()
    else:
        restore().close()
    fresh = LookUp(database, keyring, lambda: NOW)
    assert await _stopped(fresh, stream, "jan@x.example", "ann@x.example") == [True, False]
    fresh.close()


def test_the_marks_of_hashed_lists_do_not_make_an_index_complete(
    database: Database, keyring: Keyring, standings: LookUp
) -> None:
    """They stand beside the mark of a complete index and must not be taken for it."""
    _import(database, keyring, f"{_hex('jan@x.example')}\n")
    with database.transaction() as connection:
        mark = (standing_index.c.key == bytes(16)) & (standing_index.c.scope == 0)
        connection.execute(delete(standing_index).where(mark))
    assert not standings.is_ready()


def test_an_export_names_the_kind(database: Database, keyring: Keyring) -> None:
    """Without it nobody would ask for such keys in the database that it is imported into."""
    _import(database, keyring, f"{_hex('jan@x.example')}\n")
    with database.reading() as connection:
        assert [entry.hashed for entry in entries(connection, keyring)] == [HashKind.SHA256]
