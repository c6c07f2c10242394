"""Robinson lists: each country's own, renewed by its next edition, and ended by being left out."""

import io

import pytest
from sqlalchemy import func, select

from gateway.message.address import parse_mailbox
from gateway.records import audit
from gateway.records.bulk import SUPERSEDED, Tally
from gateway.records.database import Database
from gateway.records.editions import WHY
from gateway.records.list_diff import Diff
from gateway.records.suppression_import import ListFile, import_suppressions
from gateway.records.suppressions import Draft, Refused, add, find
from gateway.records.tables import audit as audit_table
from gateway.records.tables import standing_index
from policies.terms import DAY, StreamTerms
from suppression.keys import Keyring
from suppression.listfile import read_rows
from suppression.standing import Reason
from tests.contract.records.places import LookUp

from .conftest import NOW

FIRST = "ann@x.example\nbob@x.example\n"
SECOND = "bob@x.example\neve@x.example\n"


def _draft(source: str = "robinson:PL") -> Draft:
    return Draft(Reason.ROBINSON, "*", "operator", source, actor="desk")


def _import(
    database: Database,
    keyring: Keyring,
    text: str,
    day: int = 0,
    *,
    draft: Draft | None = None,
    dry_run: bool = False,
    is_edition: bool = True,
    diff: Diff | None = None,
) -> Tally:
    return import_suppressions(
        database,
        keyring,
        read_rows(io.StringIO(text, newline="")),
        draft or _draft(),
        ListFile("list.csv", "ab" * 32),
        NOW + day * DAY,
        is_scope=lambda _scope: True,
        dry_run=dry_run,
        is_edition=is_edition,
        diff=diff,
    )


def _hot_rows(database: Database) -> int:
    with database.reading() as connection:
        query = select(func.count()).where(standing_index.c.code > 16)
        return int(connection.scalar(query) or 0)


async def _stopped(standings: LookUp, stream: StreamTerms) -> list[str]:
    names = ["ann", "bob", "eve"]
    group = [parse_mailbox(f"{name}@x.example") for name in names]
    found = await standings.look_up(stream, group)
    return [name for name, one in zip(names, found, strict=True) if one.matches]


async def test_a_new_edition_replaces_the_older_one(
    database: Database, keyring: Keyring, standings: LookUp, stream: StreamTerms
) -> None:
    """Who is left out is mailed again, who stays has one row, and the dry run said so before."""
    _import(database, keyring, FIRST)
    diff = Diff()
    dry = _import(database, keyring, SECOND, 20, dry_run=True, diff=diff)
    assert (dry.added, dry.gone) == (2, 1)
    assert diff.lines() == [
        {
            "reason": "robinson",
            "scope": "*",
            "would_add": 1,
            "would_renew": 1,
            "already_in_force": 0,
            "not_taken": 0,
            "no_longer_listed": 1,
        }
    ]
    assert await _stopped(standings, stream) == ["ann", "bob"]
    tally = _import(database, keyring, SECOND, 20)
    assert (tally.added, tally.gone) == (2, 1)
    assert await _stopped(standings, stream) == ["bob", "eve"]
    assert _hot_rows(database) == 2
    with database.reading() as connection:
        (ann,) = find(connection, keyring, parse_mailbox("ann@x.example"))
        old, new = find(connection, keyring, parse_mailbox("bob@x.example"))
        assert audit.verify(connection) is None
    assert (ann.lifted_by, ann.lifted_reason) == ("desk", WHY)
    assert (old.lifted_reason, new.ends_at) == (SUPERSEDED, NOW + 50 * DAY)


def test_an_edition_can_be_imported_again(database: Database, keyring: Keyring) -> None:
    """A second run of the same edition changes nothing."""
    _import(database, keyring, FIRST)
    _import(database, keyring, SECOND, 20)
    again = _import(database, keyring, SECOND, 20)
    assert (again.added, again.known, again.gone) == (0, 2, 0)
    assert _hot_rows(database) == 2


async def test_countries_do_not_end_each_others_entries(
    database: Database, keyring: Keyring, standings: LookUp, stream: StreamTerms
) -> None:
    """An address on two lists leaves one and is still on the other."""
    _import(database, keyring, FIRST)
    tally = _import(database, keyring, "ann@x.example\n", 1, draft=_draft("robinson:DE"))
    assert (tally.added, tally.gone) == (1, 0)
    tally = _import(database, keyring, "bob@x.example\n", 2)
    assert tally.gone == 1
    assert await _stopped(standings, stream) == ["ann", "bob"]


def test_nothing_is_ended_by_a_list_with_a_bad_line(database: Database, keyring: Keyring) -> None:
    """What could not be read may be somebody who is still on the list; nor by an empty list."""
    _import(database, keyring, FIRST)
    assert _import(database, keyring, "bob@x.example\nnonsense\n", 1).gone == 0
    assert _import(database, keyring, "\n", 2).gone == 0
    with database.reading() as connection:
        (ann,) = find(connection, keyring, parse_mailbox("ann@x.example"))
    assert ann.is_live(NOW + 3 * DAY)


def test_without_being_asked_an_edition_ends_nothing(database: Database, keyring: Keyring) -> None:
    """Adding to a list leaves what it named before to end by itself."""
    _import(database, keyring, FIRST)
    tally = _import(database, keyring, SECOND, 20, is_edition=False)
    assert (tally.added, tally.gone) == (2, 0)
    assert _hot_rows(database) == 3


def test_only_a_robinson_list_has_editions(database: Database, keyring: Keyring) -> None:
    """A protection is lifted at its owner's request, never because a file has no line of it."""
    for reason in set(Reason) - {Reason.ROBINSON}:
        with pytest.raises(Refused, match="robinson"):
            _import(database, keyring, FIRST, draft=Draft(reason, "*", "operator", "x"))
    with database.transaction() as connection:
        add(connection, keyring, parse_mailbox("ann@x.example"), _draft("robinson:PL"), NOW)
    assert _import(database, keyring, "bob@x.example,manual\nann@x.example\n", 1).bad == 1


def test_each_end_is_in_the_audit_trail(database: Database, keyring: Keyring) -> None:
    """How many, from which source and why, with a digest over the entries."""
    _import(database, keyring, FIRST)
    _import(database, keyring, SECOND, 20)
    with database.reading() as connection:
        query = select(audit_table).where(audit_table.c.action == "suppression.edition-ended")
        (record,) = connection.execute(query)
    assert record.actor == "desk"
    for part in ('"source":"robinson:PL"', '"by":"list-owner"', '"entries":1'):
        assert part in record.detail.replace(": ", ":").replace(", ", ",")
