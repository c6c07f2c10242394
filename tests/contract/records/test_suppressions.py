"""Entries: what may be added and lifted, what is on record of it, and imports of many."""

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from gateway.errors import ConfigurationError
from gateway.message.address import parse_mailbox
from gateway.records import audit, index
from gateway.records.bulk import Tally
from gateway.records.consents import (
    Attestation,
    find_consents,
    has_attested,
    import_attestation,
)
from gateway.records.database import Database
from gateway.records.keyring import open_keyring
from gateway.records.streams import find_scope
from gateway.records.suppression_import import ListFile, import_suppressions
from gateway.records.suppressions import Draft, Refused, add, entries, find, lift, suppress
from gateway.records.tables import audit as audit_table
from gateway.records.tables import subject_secrets
from policies.terms import DAY, StreamTerms
from suppression.keys import Keyring
from suppression.listfile import BadRow, read_rows, read_target
from suppression.precedence import Lifter
from suppression.standing import Reason, Stops
from tests.contract.records.places import LookUp, octets

from .conftest import NOW

FILE = ListFile("list.csv", "ab" * 32)
SCOPES = ("*", "acme", "acme/weekly")
JAN = parse_mailbox("jan@x.example")


def _draft(reason: Reason, scope: str, **more: object) -> Draft:
    return Draft(reason, scope, "operator", "test", **more)  # type: ignore[arg-type]


def _add(database: Database, keyring: Keyring, target: str, draft: Draft, now: float = NOW) -> int:
    with database.transaction() as connection:
        return add(connection, keyring, read_target(target), draft, now)[0]


def _import(
    database: Database,
    keyring: Keyring,
    text: str,
    draft: Draft,
    dry_run: bool = False,
    now: float = NOW,
) -> tuple[Tally, list[BadRow]]:
    bad: list[BadRow] = []
    rows = read_rows(io.StringIO(text, newline=""))
    tally = import_suppressions(
        database,
        keyring,
        rows,
        draft,
        FILE,
        now,
        is_scope=SCOPES.__contains__,
        on_bad=bad.append,
        dry_run=dry_run,
    )
    return tally, bad


@pytest.mark.parametrize(
    ("target", "draft", "complaint"),
    [
        ("jan@x.example", _draft(Reason.PROTECTED, "acme"), "scope platform"),
        ("jan@x.example", _draft(Reason.COMPLAINT, "acme/weekly"), "scope tenant"),
        ("jan@x.example", _draft(Reason.UNSUBSCRIBE, "*"), "scope stream, tenant"),
        ("x.example", _draft(Reason.UNSUBSCRIBE, "acme"), "not the domain"),
        ("jan@x.example", _draft(Reason.COMPLAINT, "acme", stops=Stops.EVERYTHING), "fixed"),
        ("jan@x.example", _draft(Reason.COMPLAINT, "acme", ends_at=NOW), "fixed"),
    ],
)
def test_the_table_decides_what_may_be_added(
    database: Database, keyring: Keyring, target: str, draft: Draft, complaint: str
) -> None:
    """A wrong scope, a domain where it has no meaning, a free end: refused with the rule."""
    with pytest.raises(Refused, match=complaint):
        _add(database, keyring, target, draft)
    with database.reading() as connection:
        assert list(entries(connection, keyring)) == []


def test_adding_twice_changes_nothing(database: Database, keyring: Keyring) -> None:
    """A hundred identical requests have one effect and one audit record."""
    draft = _draft(Reason.UNSUBSCRIBE, "acme/weekly")
    assert len({_add(database, keyring, "Jan@X.example", draft, NOW + i) for i in range(5)}) == 1
    with database.reading() as connection:
        (entry,) = find(connection, keyring, JAN)
        assert connection.execute(select(func.count()).select_from(audit_table)).scalar() == 1
    assert (entry.address, entry.scope, entry.created_at) == ("Jan@X.example", "acme/weekly", NOW)


def test_bounces_last_longer_each_time(database: Database, keyring: Keyring) -> None:
    """90 days, then 365, then for ever; a bounce while one is in force adds nothing."""
    draft = _draft(Reason.HARD_BOUNCE, "acme")
    for at in (0, 1, 91 * DAY, 92 * DAY, 500 * DAY):
        _add(database, keyring, "jan@x.example", draft, NOW + at)
    with database.reading() as connection:
        found = find(connection, keyring, JAN)
    assert [entry.ends_at for entry in found] == [NOW + 90 * DAY, NOW + 456 * DAY, None]


def test_a_token_suppresses_in_its_stream(
    database: Database, keyring: Keyring, stream: StreamTerms
) -> None:
    """The key is all a token has; an unsubscribe is the stream's, a complaint the tenant's."""
    key = keyring.exact_key(JAN)
    with database.transaction() as connection:
        suppress(connection, stream.number, key, Reason.UNSUBSCRIBE, "one-click", NOW)
        suppress(connection, stream.number, key, Reason.COMPLAINT, "feedback", NOW)
        found = find(connection, keyring, JAN)
        with pytest.raises(LookupError):
            suppress(connection, 9999, key, Reason.UNSUBSCRIBE, "one-click", NOW)
    assert [(entry.reason, entry.scope, entry.address) for entry in found] == [
        (Reason.UNSUBSCRIBE, "acme/weekly", ""),
        (Reason.COMPLAINT, "acme", ""),
    ]


def test_lifting_is_a_right_and_leaves_a_trace(database: Database, keyring: Keyring) -> None:
    """Only who may, lifts; the entry stays on record with who, when and why."""
    unsubscribe = _add(database, keyring, "jan@x.example", _draft(Reason.UNSUBSCRIBE, "acme"))
    manual = _add(database, keyring, "jan@x.example", _draft(Reason.MANUAL, "acme"))
    with database.transaction() as connection:
        with pytest.raises(Refused, match="lifted by consent or hosted-consent, not by operator"):
            lift(connection, unsubscribe, Lifter.OPERATOR, "ann", "please", NOW)
        with pytest.raises(Refused, match="lifted by operator, not by tenant"):
            lift(connection, manual, Lifter.TENANT, "acme", "please", NOW)
        with pytest.raises(LookupError):
            lift(connection, 99, Lifter.OPERATOR, "ann", "please", NOW)
        lift(connection, manual, Lifter.OPERATOR, "ann", "done with", NOW + 1)
        with pytest.raises(Refused, match="already"):
            lift(connection, manual, Lifter.OPERATOR, "ann", "again", NOW + 2)
        (kept, lifted) = find(connection, keyring, JAN)
    assert kept.is_live(NOW)
    assert not lifted.is_live(NOW)
    assert (lifted.lifted_at, lifted.lifted_by, lifted.lifted_reason) == (
        NOW + 1,
        "ann",
        "done with",
    )


def test_the_plain_address_goes_with_its_secret(database: Database, keyring: Keyring) -> None:
    """Without the subject's secret the entry still stops mail, but shows no address."""
    _add(database, keyring, "jan@x.example", _draft(Reason.ERASURE, "acme"))
    assert b"jan@x" not in octets(database)
    with database.transaction() as connection:
        connection.execute(subject_secrets.delete())
        (entry,) = find(connection, keyring, JAN)
    assert (entry.address, entry.reason) == ("", Reason.ERASURE)


def test_the_audit_chain_shows_any_change(database: Database, keyring: Keyring) -> None:
    """An altered record breaks the chain where it stands."""
    for i in range(4):
        _add(database, keyring, f"u{i}@x.example", _draft(Reason.MANUAL, "acme", actor="ann"))
    with database.transaction() as connection:
        assert audit.verify(connection) is None
        third = audit_table.c.id == 3
        connection.execute(update(audit_table).where(third).values(actor="bob"))
        assert audit.verify(connection) == 3
        connection.execute(audit_table.delete().where(third))
        assert audit.verify(connection) == 3


LIST = """address,reason,scope,date
a@x.example,,,
A@X.example,,,
b@x.example,complaint,acme,2026-01-01
firma.example,protected,*,
nonsense,,,
c@x.example,protected,acme,
old@x.example,hard_bounce,acme,2020-01-01
"""


async def test_an_import_is_complete_and_can_be_repeated(
    database: Database, keyring: Keyring, standings: LookUp, stream: StreamTerms
) -> None:
    """Good rows are in force, bad ones come back with line numbers, a second run adds nothing."""
    draft = _draft(Reason.UNSUBSCRIBE, "acme/weekly")
    dry, _ = _import(database, keyring, LIST, draft, dry_run=True)
    with database.reading() as connection:
        assert list(entries(connection, keyring)) == []
    tally, bad = _import(database, keyring, LIST, draft)
    assert (tally.read, tally.added, tally.known, tally.bad) == (7, 3, 1, 3)
    assert (dry.added, dry.bad) == (tally.added, tally.bad)
    assert [row.line for row in bad] == [6, 7, 8]
    group = [parse_mailbox(text) for text in ("a@x.example", "b@x.example", "z@firma.example")]
    found = await standings.look_up(stream, group)
    assert [match.reason for one in found for match in one.matches] == [
        Reason.UNSUBSCRIBE,
        Reason.COMPLAINT,
        Reason.PROTECTED,
    ]
    again, _ = _import(database, keyring, LIST, draft)
    assert (again.added, again.known, again.digest) == (0, 4, tally.digest)
    with database.reading() as connection:
        actions = (
            connection.execute(select(audit_table.c.action).order_by(audit_table.c.id))
            .scalars()
            .all()
        )
    assert actions == ["suppression.import-started", "suppression.imported"] * 2


async def test_consents_count_for_their_stream(
    database: Database, keyring: Keyring, standings: LookUp, stream: StreamTerms
) -> None:
    """An attestation gives level 1 in its scope, to the exact address, once it is complete."""
    group = [parse_mailbox("jan@x.example"), parse_mailbox("jan+tag@x.example")]
    assert not any(one.has_attested for one in await standings.look_up(stream, group))
    for scope, expected in (("acme/daily", [0, 0]), ("acme", [1, 0])):
        rows = read_rows(io.StringIO("Jan@x.example,,,2026-01-02\nx.example\n"))
        attestation = Attestation(scope, "shop form", NOW, "acme")
        tally = import_attestation(database, keyring, rows, attestation, FILE, NOW)
        assert (tally.added, tally.bad) == (1, 1)
        found = await standings.look_up(stream, group)
        assert [one.consent for one in found] == expected
        assert all(one.has_attested for one in found)
    with database.reading() as connection:
        consents = find_consents(connection, keyring, JAN)
    assert [(one.scope, one.level, one.source) for one in consents] == [
        ("acme/daily", 1, "shop form"),
        ("acme", 1, "shop form"),
    ]


async def test_an_attestation_of_nobody_enforces_nothing(
    database: Database, keyring: Keyring, standings: LookUp, stream: StreamTerms
) -> None:
    """A dry run, or a file without one good row, is no first attestation."""
    attestation = Attestation("acme", "shop form", NOW, "acme")
    for text, dry_run in (("jan@x.example\n", True), ("nonsense\n", False)):
        rows = read_rows(io.StringIO(text))
        import_attestation(database, keyring, rows, attestation, FILE, NOW, dry_run=dry_run)
    with database.transaction() as connection:
        index.rebuild(connection)
    (standing,) = await standings.look_up(stream, [JAN])
    assert (standing.consent, standing.has_attested) == (0, False)


def test_a_database_keeps_to_its_keyring(
    database: Database, keyring: Keyring, tmp_path: Path
) -> None:
    """A lost or exchanged keyring stops the start: under it nobody would be recognised."""
    path = tmp_path / "secrets" / "keyring.json"
    assert open_keyring(database, path).exact_key(JAN) == keyring.exact_key(JAN)
    path.unlink()
    with pytest.raises(ConfigurationError, match="missing"):
        open_keyring(database, path)
    Keyring.create(path)
    with pytest.raises(ConfigurationError, match="is not the keyring"):
        open_keyring(database, path)


def test_a_scope_that_does_not_exist_makes_the_row_bad(
    database: Database, keyring: Keyring
) -> None:
    """A misspelt scope in a list is reported, stores nothing and takes no stream number."""
    text = "a@x.example,,acme/wekly\nb@x.example,,acme/\n"
    draft = _draft(Reason.MANUAL, "acme")
    for dry_run in (True, False):
        tally, bad = _import(database, keyring, text, draft, dry_run)
        assert (tally.added, tally.bad) == (0, 2)
        assert bad[0].problem.startswith("acme/wekly: no such tenant or stream")
    with database.reading() as connection:
        assert find_scope(connection, "acme/wekly") is None


def _ends(database: Database, keyring: Keyring) -> list[int | None]:
    with database.reading() as connection:
        return [entry.ends_at for entry in find(connection, keyring, JAN)]


def test_a_newer_edition_renews_what_is_in_force(database: Database, keyring: Keyring) -> None:
    """A robinson list counts 30 days from its coming, also for rows dated long ago."""
    draft = _draft(Reason.ROBINSON, "*")
    for day in (0, 20):
        text = "jan@x.example,,,2001-01-01\n"
        tally, _ = _import(database, keyring, text, draft, now=NOW + day * DAY)
        assert (tally.added, tally.bad) == (1, 0)
    assert _ends(database, keyring) == [NOW + 30 * DAY, NOW + 50 * DAY]


def test_a_manual_import_prolongs_and_never_shortens(database: Database, keyring: Keyring) -> None:
    """An entry without end is added beside one that ends; a shorter one adds nothing."""
    for ends_at, added in ((NOW + 9, 1), (NOW + 5, 0), (None, 1), (NOW + 20, 0)):
        tally, _ = _import(
            database, keyring, "jan@x.example\n", _draft(Reason.MANUAL, "acme", ends_at=ends_at)
        )
        assert (tally.added, tally.known) == (added, 1 - added)
    assert _ends(database, keyring) == [NOW + 9, None]


def test_of_rows_alike_the_longest_counts(database: Database, keyring: Keyring) -> None:
    """Two bounces of one address in a list are one entry, with the later end, and one is known."""
    text = "jan@x.example,,,2027-01-01\njan@x.example,,,2027-01-10\n"
    tally, _ = _import(database, keyring, text, _draft(Reason.HARD_BOUNCE, "acme"))
    assert (tally.read, tally.added, tally.known) == (2, 1, 1)
    tenth = datetime(2027, 1, 10, tzinfo=UTC).timestamp()
    assert _ends(database, keyring) == [tenth + 90 * DAY]


def test_a_consent_is_neither_widened_nor_dated_ahead(database: Database, keyring: Keyring) -> None:
    """A row for another scope is bad; one dated in the future was given now."""
    text = "jan@x.example,,acme/weekly,2099-01-01\nb@x.example,,acme,\n"
    attestation = Attestation("acme/weekly", "shop form", NOW, "acme")
    bad: list[BadRow] = []
    rows = read_rows(io.StringIO(text))
    import_attestation(database, keyring, rows, attestation, FILE, NOW, on_bad=bad.append)
    assert [(row.line, row.problem) for row in bad] == [(2, "is about acme, not about acme/weekly")]
    with database.reading() as connection:
        (consent,) = find_consents(connection, keyring, JAN)
    assert consent.given_at == NOW


def test_an_interrupted_attestation_is_on_record(
    database: Database, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What began it is audited before the first consent; nothing is left to complain at the end."""
    unraised: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", unraised.append)
    monkeypatch.setattr("gateway.records.bulk.MAX_BATCH", 50)

    def interrupt(_rows: int) -> None:
        raise KeyboardInterrupt

    rows = read_rows(io.StringIO("".join(f"a{n}@x.example\n" for n in range(600))))
    attestation = Attestation("acme", "shop form", NOW, "acme")
    with pytest.raises(KeyboardInterrupt):
        import_attestation(database, keyring, rows, attestation, FILE, NOW, merging=interrupt)
    with database.reading() as connection:
        actions = connection.execute(select(audit_table.c.action)).scalars().all()
        assert not has_attested(connection, "acme")
    assert actions == ["consent.attestation-started"]
    assert not unraised
