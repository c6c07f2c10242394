"""Staff and their sessions on record, and `consentry staff` as an operator runs it."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.config.retention import RetentionSettings
from gateway.message.address import parse_mailbox
from gateway.records import staff, staff_sessions, undoings
from gateway.records.audit_search import search
from gateway.records.database import Database
from gateway.records.retention import purge
from gateway.records.staff import NameTaken, email_identity, oidc_identity
from gateway.words import Role
from suppression.keys import Keyring
from tests.contract.records.places import octets

NOW = 1_800_000_000.0
RUNNER = CliRunner()


def add(database: Database, name: str = "ann", identity: str | None = None) -> staff.Member:
    """A new lead."""
    with database.transaction() as connection:
        return staff.add(connection, name, Role.LEAD, "UTC", "hash", identity, "root", NOW)


def test_every_change_is_on_the_trail_and_ends_sessions(database: Database) -> None:
    """Who was added, changed, disabled; no hash and no secret stands there."""
    ann = add(database)
    changes = (
        lambda cn: staff.set_password(cn, "ann", "other", "root", NOW),
        lambda cn: staff.set_role(cn, "ann", Role.ABUSE, "root", NOW),
        lambda cn: staff.reset_totp(cn, "ann", "root", NOW),
        lambda cn: staff.disable(cn, "ann", "root", NOW),
        lambda cn: staff.enable(cn, "ann", "root", NOW),
    )
    for change in changes:
        with database.transaction() as connection:
            text = staff_sessions.begin(connection, ann.id, is_complete=True, now=NOW)
            change(connection)
            assert staff_sessions.find(connection, text, NOW) is None
    with database.reading() as connection:
        found = search(connection, actor="root", action="staff.")
    assert [record.action for record in reversed(found)] == [
        "staff.added", "staff.password_changed", "staff.role_changed", "staff.totp_reset",
        "staff.disabled", "staff.enabled",
    ]  # fmt: skip
    assert "hash" not in str(found)


def test_a_second_factors_secret_is_sealed_and_leaves_no_trace(
    database: Database, keyring: Keyring
) -> None:
    """Nowhere in the files as text; another takes its place, and a reset destroys it."""
    add(database)
    with database.transaction() as connection:
        staff.begin_totp(connection, keyring, "ann", "FIRSTSECRET")
        staff.begin_totp(connection, keyring, "ann", "SECONDSECRET")
        assert staff.totp_secret(connection, keyring, "ann") == "SECONDSECRET"
        assert not staff.member(connection, "ann").has_totp
        assert staff.use_totp_step(connection, "ann", 7, NOW)
        assert not staff.use_totp_step(connection, "ann", 7, NOW)
        assert not staff.use_totp_step(connection, "ann", 6, NOW)
        assert staff.use_totp_step(connection, "ann", 8, NOW)
        assert staff.member(connection, "ann").has_totp
    assert b"SECONDSECRET" not in octets(database)
    with database.transaction() as connection:
        staff.reset_totp(connection, "ann", "root", NOW)
        assert staff.totp_secret(connection, keyring, "ann") is None
        assert not connection.exec_driver_sql("SELECT * FROM subjects").all()


def test_names_and_identities_are_one_persons(database: Database, keyring: Keyring) -> None:
    """An address is kept as its key, found under older keys too, and never as text."""
    address = parse_mailbox("Ann@Staff.test")
    ann = add(database, identity=email_identity(keyring, address))
    newer = keyring.with_generation()
    with database.transaction() as connection:
        assert staff.by_email(connection, keyring, address) == ann
        assert staff.by_email(connection, newer.using(max(newer.generations)), address) == ann
        assert staff.by_email(connection, keyring, parse_mailbox("bob@staff.test")) is None
        identity = oidc_identity("https://id.test", "42")
        staff.set_identity(connection, "ann", identity, "openid", NOW)
        assert staff.by_email(connection, keyring, address) is None
        found = staff.by_identity(connection, identity)
        assert found is not None
        assert found.name == "ann"
    for name, taken in (("ann", None), ("bob", identity)):
        with pytest.raises(NameTaken):
            add(database, name, taken)


def test_a_session_ends_by_itself(database: Database) -> None:
    """After half an hour unseen, after twelve hours seen; what is no session's text is none; what
    ended is cleared away at the next sign-in."""
    ann = add(database)
    with database.transaction() as connection:
        text = staff_sessions.begin(connection, ann.id, is_complete=False, now=NOW)
        for wrong in ("", text[:-1], text + "A", text.swapcase(), "ż" * 43):
            assert staff_sessions.find(connection, wrong, NOW) is None
        session = staff_sessions.find(connection, text, NOW + staff_sessions.IDLE - 1)
        assert session is not None
        assert not session.is_complete
        assert staff_sessions.find(connection, text, NOW + staff_sessions.IDLE) is None
        complete = staff_sessions.complete(connection, session.digest, NOW + 60)
        assert complete is not None
        assert staff_sessions.find(connection, text, NOW + 60) is None
        assert staff_sessions.complete(connection, session.digest, NOW + 60) is None
        now = NOW
        while now < NOW + staff_sessions.LONGEST - 1000:
            now += 1000
            staff_sessions.see(connection, staff_sessions.digest_of(complete), now)
            assert staff_sessions.find(connection, complete, now) is not None
        # Twelve hours count from the password, not from the code.
        assert staff_sessions.find(connection, complete, NOW + staff_sessions.LONGEST) is None
        staff_sessions.begin(connection, ann.id, is_complete=True, now=NOW + 90_000)
        assert len(connection.exec_driver_sql("SELECT * FROM staff_sessions").all()) == 1


def test_an_act_is_undone_once_in_time_by_its_own(database: Database) -> None:
    """Neither later, nor twice, nor by somebody else; kept for a day."""
    ann, bob = add(database), add(database, "bob")
    with database.transaction() as connection:
        number = undoings.offer(connection, ann.id, "block.added", {"case": 1}, NOW)
        late = NOW + undoings.SECONDS
        assert [one.id for one in undoings.standing(connection, ann.id, NOW + 1)] == [number]
        assert undoings.standing(connection, ann.id, late) == []
        for who, name, at in ((bob, "bob", NOW), (ann, "ann", late)):
            with pytest.raises(LookupError):
                undoings.take(connection, number, who.id, name, at)
        assert undoings.take(connection, number, ann.id, "ann", NOW + 1).detail == {"case": 1}
        with pytest.raises(LookupError):
            undoings.take(connection, number, ann.id, "ann", NOW + 2)
        (record,) = search(connection, action="act.undone")
        assert record.detail == {"act": "block.added", "case": 1}
        undoings.offer(connection, ann.id, "block.added", {}, NOW + undoings.KEPT + 1)
        assert len(connection.exec_driver_sql("SELECT * FROM undoings").all()) == 1


def test_what_is_over_is_purged(database: Database) -> None:
    """Ended sessions and undoings older than a day go even when nobody signs in any more."""
    ann = add(database)
    with database.transaction() as connection:
        for now in (NOW, NOW + undoings.KEPT):
            staff_sessions.begin(connection, ann.id, is_complete=True, now=now)
        undoings.offer(connection, ann.id, "block.added", {}, NOW)
    removed = purge(database, RetentionSettings(), NOW + undoings.KEPT + 1, "test")
    assert (removed["staff_sessions"], removed["undoings"]) == (0, 1)
    removed = purge(database, RetentionSettings(), NOW + 2 * undoings.KEPT, "test")
    assert removed["staff_sessions"] == 1


# ---- the command --------------------------------------------------------------------------------


@pytest.fixture
def folder(initialised: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration as `consentry init` makes it."""
    copytree(initialised, tmp_path / "etc")
    monkeypatch.setenv("CONSENTRY_CONFIG", str(tmp_path / "etc/consentry.yaml"))
    return tmp_path / "etc"


def run(*arguments: str, status: int = 0, typed: str | None = None) -> str:
    """What the command prints."""
    result = RUNNER.invoke(app, ["staff", *arguments], input=typed)
    assert result.exit_code == status, result.output
    return result.output


@pytest.mark.usefixtures("folder")
def test_staff_are_added_changed_and_listed() -> None:
    """A password is made and printed once, or read; the list says how each signs in."""
    assert "Name basia, password " in run("add", "basia", "--role", "operator")
    run("add", "jan", "--role", "abuse", "--email", "jan@staff.test", "--zone", "Europe/Warsaw")
    run("role", "jan", "lead", "--by", "ann")
    run("passwd", "basia", "--password", "stdin", typed="a long enough one\n")
    run("totp-reset", "basia")
    run("disable", "jan")
    basia, jan = json.loads(run("list", "--json"))
    assert (basia["role"], basia["signs_in_by"], basia["disabled"]) == (
        "operator", ["password"], None,
    )  # fmt: skip
    assert (jan["role"], jan["signs_in_by"], jan["zone"]) == ("lead", ["openid"], "Europe/Warsaw")
    assert jan["disabled"]
    run("enable", "jan")
    assert not json.loads(run("list", "--json"))[1]["disabled"]


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("add", "Basia", "--role", "lead"), 2, "lower-case"),
        (("add", "basia", "--role", "king"), 2, "king"),
        (("add", "basia", "--role", "lead", "--zone", "Mars/Base"), 2, "no time zone"),
        (("add", "basia", "--role", "lead", "--email", "basia"), 2, "basia"),
        (("add", "basia", "--role", "lead", "--subject", "42"), 2, "desk.oidc"),
        (("disable", "nobody"), 1, "no member of staff is called nobody"),
        (("role", "nobody", "lead"), 1, "no member of staff is called nobody"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_wrong_use_says_why(arguments: tuple[str, ...], status: int, says: str) -> None:
    """And changes nothing."""
    assert says in run(*arguments, status=status)
    assert "nobody may sign in yet" in run("list")


@pytest.mark.usefixtures("folder")
def test_a_password_that_is_too_short_is_refused() -> None:
    """Nobody is added."""
    result = RUNNER.invoke(
        app, ["staff", "add", "jo", "--role", "lead", "--password", "stdin"], input="short\n"
    )
    assert result.exit_code == 1
    assert "at least 12 characters" in str(result.exception)
    assert "nobody may sign in yet" in run("list")
