"""The suppression table against the real store: what stops, how long, who lifts, what matches."""

import csv
import io
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.commands.lists import _cells
from gateway.message.address import parse_mailbox
from gateway.records.database import Database, open_database
from gateway.records.streams import numbering
from gateway.records.suppression_import import ListFile, import_suppressions
from gateway.records.suppressions import Draft, Refused, add, entries, lift
from gateway.words import StreamKind
from policies.terms import DAY, Limits, StreamTerms
from suppression.keys import Keyring
from suppression.listfile import BadRow, read_rows, read_target, write_rows
from suppression.precedence import Lifter, stopping
from suppression.standing import Reason, Stops
from tests.contract.records.places import LookUp

from .conftest import NOW

KINDS = ("list", "inquiry", "transactional", "verified")
MARKETING, BULK, ALL = KINDS[:2], KINDS[:3], KINDS
NEVER = None

TABLE = [
    # reason, scopes, stops, days that the first, second, ... entry lasts, lifters, loose
    ("protected", "*", BULK, [NEVER], "operator", True),
    ("erasure", "acme", BULK, [NEVER], "consent hosted-consent", True),
    ("objection", "acme", MARKETING, [NEVER], "consent hosted-consent", True),
    ("complaint", "acme", BULK, [NEVER], "hosted-consent operator", True),
    ("unsubscribe", "acme acme/main", MARKETING, [NEVER], "consent hosted-consent", False),
    ("hard_bounce", "acme", ALL, [90, 365, NEVER], "time", False),
    ("robinson", "*", MARKETING, [30, 30], "list-owner time", False),
    ("soft_bounce", "acme", ALL, [14, 28, 56, 90, 90], "time delivery", False),
    ("manual", "* acme acme/main", ALL, [NEVER], "operator", False),
]
ROWS = pytest.mark.parametrize(
    ("reason", "scopes", "stopped", "days", "lifters", "is_loose"), TABLE, ids=lambda row: str(row)
)


def _streams(database: Database) -> dict[str, StreamTerms]:
    number = numbering(database)("acme", "main")
    return {
        kind: StreamTerms(
            "acme",
            "main",
            number,
            StreamKind("transactional" if kind == "verified" else kind),
            Limits(),
            is_verified=kind == "verified",
        )
        for kind in KINDS
    }


async def _stopped(standings: LookUp, stream: StreamTerms, text: str) -> bool:
    (standing,) = await standings.look_up(stream, [parse_mailbox(text)])
    return stopping(standing.matches, stream) is not None


def _draft(reason: str, scope: str) -> Draft:
    return Draft(Reason(reason), scope, "operator", "test")


def test_every_reason_has_its_row() -> None:
    """The table is whole."""
    assert [row[0] for row in TABLE] == [reason.value for reason in Reason]


@ROWS
async def test_a_row_of_the_table(
    database: Database,
    keyring: Keyring,
    reason: str,
    scopes: str,
    stopped: tuple[str, ...],
    days: list[int | None],
    lifters: str,
    is_loose: bool,
) -> None:
    """Scopes, streams stopped, the ladder of ends, other spellings and lifting rights."""
    streams = _streams(database)
    jan = parse_mailbox("jan.k@gmail.com")
    for scope in ("*", "acme", "acme/main"):
        with database.transaction() as connection:
            if scope not in scopes.split():
                with pytest.raises(Refused, match="has the scope"):
                    add(connection, keyring, jan, _draft(reason, scope), NOW)
                continue
            entry, _ = add(connection, keyring, jan, _draft(reason, scope), NOW)
        standings = LookUp(database, keyring, lambda: NOW)
        found = [kind for kind in KINDS if await _stopped(standings, streams[kind], jan.text)]
        assert found == list(stopped)
        for other in ("jank+tag@googlemail.com", "Jan.K+news@gmail.com"):
            assert await _stopped(standings, streams["list"], other) is is_loose
        assert await _stopped(standings, streams["list"], "JAN.K@gmail.com")
        assert not await _stopped(standings, streams["list"], "jan.k@x.example")
        standings.close()
        _check_lifting(database, entry, lifters)


def _check_lifting(database: Database, entry: int, lifters: str) -> None:
    """Who may not, cannot; the first who may, does."""
    with database.transaction() as connection:
        for lifter in set(Lifter) - set(map(Lifter, lifters.split())):
            with pytest.raises(Refused, match="is lifted by"):
                lift(connection, entry, lifter, "ann", "why", NOW)
        for lifter in map(Lifter, lifters.split()):
            with connection.begin_nested() as trial:
                lift(connection, entry, lifter, "ann", "why", NOW)
                trial.rollback()
        lift(connection, entry, Lifter(lifters.split()[0]), "ann", "why", NOW)


@ROWS
@pytest.mark.sqlite_file
async def test_the_ladder_of_a_row(
    database: Database,
    keyring: Keyring,
    reason: str,
    scopes: str,
    stopped: tuple[str, ...],
    days: list[int | None],
    lifters: str,
    is_loose: bool,
) -> None:
    """Each entry after the end of the last one lasts as long as the table says, to the second."""
    stream = _streams(database)["list"]
    jan, now = parse_mailbox("jan@x.example"), NOW
    clock = [now]
    standings = LookUp(database, keyring, lambda: clock[0])
    for lasts in days:
        with database.transaction() as connection:
            _, is_new = add(connection, keyring, jan, _draft(reason, scopes.split()[0]), now)
        assert is_new
        clock[0] = now + (10_000 if lasts is None else lasts) * DAY - 1
        assert await _stopped(standings, stream, jan.text)
        if lasts is None:
            break
        clock[0] = now = now + lasts * DAY
        assert not await _stopped(standings, stream, jan.text)
    standings.close()


@pytest.mark.parametrize(("setter", "lifter"), list(product(("operator", "tenant"), Lifter)))
def test_a_manual_entry_is_lifted_by_whoever_set_it(
    database: Database, keyring: Keyring, setter: str, lifter: Lifter
) -> None:
    """Nobody else ends it, whatever capacity they claim."""
    draft = Draft(Reason.MANUAL, "acme", setter, "test")
    with database.transaction() as connection:
        entry, _ = add(connection, keyring, parse_mailbox("jan@x.example"), draft, NOW)
        if lifter.value == setter:
            lift(connection, entry, lifter, "ann", "why", NOW)
        else:
            with pytest.raises(Refused, match=f"manual is lifted by {setter}"):
                lift(connection, entry, lifter, "ann", "why", NOW)


@pytest.mark.parametrize(
    ("stored", "asked", "is_exact", "is_loose"),
    [
        ("jankowalski@gmail.com", "Jan.Kowalski+x@GoogleMail.com", False, True),
        ("Jan.Kowalski+x@GoogleMail.com", "jankowalski@gmail.com", False, True),
        ("a.b@workspace.example", "ab@workspace.example", False, False),
        ("a.b@workspace.example", "a.b+tag@workspace.example", False, True),
        ('"john"@x.example', "john@x.example", True, True),
        ("john@x.example", '"JOHN"@X.example', True, True),
        ("zażółć@x.example", "zaz\u0307o\u0301\u0142c\u0301@x.example", True, True),
        ("zaz\u0307o\u0301\u0142c\u0301@x.example", "ZAŻÓŁĆ@x.example", True, True),
        ("a@bücher.example", "a@xn--bcher-kva.example", True, True),
        ("a@XN--BCHER-KVA.example", "a@BU\u0308CHER.example", True, True),
        ("u+news@gmail.com", "u@gmail.com", False, True),
        ("u@gmail.com", "u+news@gmail.com", False, True),
    ],
)
@pytest.mark.sqlite_file
async def test_spellings_against_the_store(
    database: Database,
    keyring: Keyring,
    stored: str,
    asked: str,
    is_exact: bool,
    is_loose: bool,
) -> None:
    """An unsubscribe is the exact address's, a protection reaches every spelling of a mailbox."""
    stream = _streams(database)["list"]
    standings = LookUp(database, keyring, lambda: NOW)
    with database.transaction() as connection:
        add(connection, keyring, parse_mailbox(stored), _draft("unsubscribe", "acme"), NOW)
    assert await _stopped(standings, stream, stored)
    assert await _stopped(standings, stream, asked) is is_exact
    with database.transaction() as connection:
        add(connection, keyring, parse_mailbox(stored), _draft("protected", "*"), NOW)
    assert await _stopped(standings, stream, asked) is is_loose
    standings.close()


@pytest.mark.parametrize(
    ("higher", "lower"),
    [(higher, lower) for rank, higher in enumerate(Reason) for lower in list(Reason)[rank + 1 :]],
)
@pytest.mark.sqlite_file
async def test_of_two_entries_the_higher_gives_the_tag(
    database: Database, keyring: Keyring, higher: Reason, lower: Reason
) -> None:
    """Whatever came first: protected, erasure, objection, complaint, unsubscribe, ... manual."""
    stream = _streams(database)["list"]
    standings = LookUp(database, keyring, lambda: NOW)
    jan = parse_mailbox("jan@x.example")
    wide = {reason: scopes.split()[0] for reason, scopes, *_ in TABLE}
    with database.transaction() as connection:
        for reason in (lower, higher):
            add(connection, keyring, jan, _draft(reason.value, wide[reason.value]), NOW)
    (standing,) = await standings.look_up(stream, [jan])
    found = stopping(standing.matches, stream)
    assert found is not None
    assert found.reason is higher
    assert len(standing.matches) == 2
    standings.close()


# ---- export and import ----------------------------------------------------------------------

ADDRESSES = ["a@x.example", "+b@x.example", "=c@x.example", '"d e"@x.example', "ż@bücher.example"]
ENTRIES = st.tuples(
    st.sampled_from([*ADDRESSES, "firma.example"]),
    st.sampled_from(Reason),
    st.sampled_from(["*", "acme", "acme/main"]),
    st.sampled_from(["operator", "tenant"]),
    st.sampled_from(["form, 2026", "=note", "robinson:PL"]),
    st.booleans(),
    st.sampled_from([None, *Stops]),
    st.sampled_from([None, NOW + 5 * DAY, NOW + 9 * DAY]),
)


def _export(database: Database, keyring: Keyring) -> str:
    out = io.StringIO(newline="")
    with database.reading() as connection:
        write_rows(out, map(_cells, entries(connection, keyring)))
    return out.getvalue()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=st.lists(ENTRIES, max_size=12))
@pytest.mark.sqlite_file
def test_an_export_imported_into_an_empty_database_is_the_same_list(
    keyring: Keyring, tmp_path_factory: pytest.TempPathFactory, wanted: list[tuple[object, ...]]
) -> None:
    """Reason, scope, dates, source, who set it, what it stops and who is told: nothing is lost."""
    # Each in a folder of its own: beside a database lies its opt-out log.
    database, other = (open_database(tmp_path_factory.mktemp("trip") / "x.db") for _ in range(2))
    for target, reason, scope, setter, source, is_disclosable, stops, ends in wanted:
        draft = Draft(
            reason,  # type: ignore[arg-type]
            str(scope),
            str(setter),
            str(source),
            stops if reason is Reason.MANUAL else None,  # type: ignore[arg-type]
            ends if reason is Reason.MANUAL else None,  # type: ignore[arg-type]
            bool(is_disclosable),
        )
        try:
            with database.transaction() as connection:
                add(connection, keyring, read_target(str(target)), draft, NOW)
        except Refused:
            continue
    text = _export(database, keyring)
    bad: list[BadRow] = []
    default = Draft(Reason.MANUAL, "*", "operator", "import:list.csv")
    for _ in range(2):
        import_suppressions(
            other,
            keyring,
            read_rows(io.StringIO(text, newline="")),
            default,
            ListFile("list.csv", "ab" * 32),
            NOW,
            is_scope=lambda _scope: True,
            on_bad=bad.append,
        )
        again = _export(other, keyring)
        assert _sorted(again) == _sorted(text)
    assert not bad
    database.close()
    other.close()


def _sorted(text: str) -> list[list[str]]:
    # Of entries that one newer one outlasts, only that one is brought into force.
    best: dict[tuple[str, ...], list[str]] = {}
    for row in csv.reader(io.StringIO(text)):
        same = (row[0], row[1], row[2], row[6], row[7], row[8], row[9])
        if row[1] == "robinson":
            same = (*same, row[5])
        kept = best.get(same)
        if kept is None or (kept[4] and (not row[4] or row[4] > kept[4])):
            best[same] = row
    return sorted(best.values())
