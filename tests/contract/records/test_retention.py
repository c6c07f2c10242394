"""The purge: what is past its time goes, what is in force stays, and every chain still verifies."""

from __future__ import annotations

import pytest
from sqlalchemy import func, insert, select, update

from gateway.config.retention import RetentionSettings
from gateway.message.address import parse_mailbox
from gateway.records import audit, index, proofs
from gateway.records.bounces import decide_storm
from gateway.records.database import Database
from gateway.records.holdings import about
from gateway.records.idempotency import Answer, keep
from gateway.records.retention import RULES, purge, purged_at
from gateway.records.streams import stream_number
from gateway.records.subjects import add_subject
from gateway.records.suppressions import Draft, add, count_entries, find, lift
from gateway.records.tables import audit as audit_table
from gateway.records.tables import (
    bounces,
    consents,
    facts,
    figures,
    meta,
    reports,
    subject_secrets,
    subjects,
)
from policies.returned.storms import StormDecision
from policies.sanctions.words import Grade
from policies.terms import DAY
from suppression.keys import Keyring
from suppression.precedence import Lifter
from suppression.standing import Reason

from .cases_world import rules_of
from .conftest import NOW
from .returned_world import Returns, numbered
from .test_erasure import _evidence

KEPT = RetentionSettings()
YEAR = 365 * DAY
JAN = parse_mailbox("jan@x.example")
FACT = {
    "case_id": 1,
    "kind": "protected",
    "tenant": "acme",
    "stream": "weekly",
    "mailing": "m",
    "domain": "acme.example",
    "key": b"k" * 16,
    "ref": "r",
    "actor": "gateway",
}


def _add(database: Database, keyring: Keyring, text: str, reason: Reason, at: float = NOW) -> int:
    with database.transaction() as connection:
        draft = Draft(reason, "acme", "operator", "x")
        return add(connection, keyring, parse_mailbox(text), draft, at)[0]


def _count(database: Database, table: object) -> int:
    with database.reading() as connection:
        query = select(func.count()).select_from(table)  # type: ignore[arg-type]
        return connection.execute(query).scalar_one()


def _fact(database: Database, at: float) -> None:
    with database.transaction() as connection:
        connection.execute(insert(facts), {**FACT, "at": int(at)})


def test_lifted_and_expired_entries_go_and_those_in_force_stay(
    database: Database, keyring: Keyring
) -> None:
    """The texts they sealed go with them, from both tables; others' stay."""
    manual = _add(database, keyring, "a@x.example", Reason.MANUAL)
    _add(database, keyring, "b@x.example", Reason.SOFT_BOUNCE)
    _add(database, keyring, "c@x.example", Reason.OBJECTION)
    with database.transaction() as connection:
        lift(connection, manual, Lifter.OPERATOR, "ann", "done", NOW)
    early = purge(database, KEPT, NOW + 2 * YEAR, "consentry")
    assert (early["suppressions_lifted"], early["suppressions_expired"]) == (0, 0)
    dry = purge(database, KEPT, NOW + 4 * YEAR, "consentry", dry_run=True)
    done = purge(database, KEPT, NOW + 4 * YEAR, "consentry")
    assert (done["suppressions_lifted"], done["suppressions_expired"]) == (1, 1)
    assert (dry["suppressions_lifted"], dry["suppressions_expired"]) == (1, 1)
    assert done["subjects"] == 2
    assert _count(database, subjects) == _count(database, subject_secrets) == 1
    with database.reading() as connection:
        (kept,) = find(connection, keyring, parse_mailbox("c@x.example"))
        assert count_entries(connection) == 1
        expired = keyring.exact_key(parse_mailbox("b@x.example"))
        assert index.rows_of(connection, [expired]) == []
    assert kept.address == "c@x.example"


def test_never_is_never(database: Database, keyring: Keyring) -> None:
    """Where the operator says so, nothing of the kind goes."""
    kept = RetentionSettings.model_validate({"suppressions_lifted": "never", "audit": "never"})
    entry = _add(database, keyring, "a@x.example", Reason.MANUAL)
    with database.transaction() as connection:
        lift(connection, entry, Lifter.OPERATOR, "ann", "done", NOW)
    done = purge(database, kept, NOW + 50 * YEAR, "consentry")
    assert (done["suppressions_lifted"], done["audit"]) == (0, 0)


def test_a_purge_is_on_record_and_dated(database: Database, keyring: Keyring) -> None:
    """Who looks at the trail sees what went; a dry run leaves no mark."""
    _fact(database, NOW)
    purge(database, KEPT, NOW + 3 * YEAR, "ann", dry_run=True)
    assert _count(database, facts) == 1
    with database.reading() as connection:
        assert purged_at(connection) == 0
    purge(database, KEPT, NOW + 3 * YEAR, "ann")
    with database.reading() as connection:
        row = connection.execute(
            select(audit_table).where(audit_table.c.action == "records.purged")
        ).one()
        assert purged_at(connection) == NOW + 3 * YEAR
    assert (row.actor, row.detail) == ("ann", '{"facts":1}')


def test_an_old_proof_loses_what_is_personal_and_stays_in_its_chain(
    database: Database, keyring: Keyring
) -> None:
    """Three years after its end the evidence is unreadable, and the chain still verifies."""
    with database.transaction() as connection:
        stream_number(connection, "acme", "weekly")
        made = proofs.supply(
            connection, keyring, "acme", "weekly", JAN, _evidence(), "en", "api", NOW
        )
        proofs.revoke(connection, keyring, made.proof.tracking, "recipient", "", NOW)
    assert purge(database, KEPT, NOW + 2 * YEAR, "consentry")["proofs_ended"] == 0
    assert purge(database, KEPT, NOW + 4 * YEAR, "consentry")["proofs_ended"] == 1
    assert purge(database, KEPT, NOW + 4 * YEAR, "consentry")["proofs_ended"] == 0
    with database.reading() as connection:
        (proof,) = about(connection, keyring, JAN)["proofs"]
        assert proofs.verify(connection, "acme") is None
    assert proof["stored_as"] == ""
    assert [step["personal"] for step in proof["steps"]] == [None, None]  # type: ignore[attr-defined]
    assert _count(database, consents) == 1


def test_the_audit_trail_is_cut_at_its_beginning_and_still_verifies(
    database: Database, keyring: Keyring
) -> None:
    """The cut is in the chain itself; again and again, and whatever is left out shows."""
    for number in range(5):
        _add(database, keyring, f"u{number}@x.example", Reason.OBJECTION, NOW + number * YEAR)
    for now in (NOW + 8 * YEAR, NOW + 10 * YEAR):
        done = purge(database, KEPT, now, "consentry")
        assert done["audit"] > 0
        with database.transaction() as connection:
            assert audit.verify(connection) is None
    with database.transaction() as connection:
        first = connection.execute(select(func.min(audit_table.c.id))).scalar_one()
        assert first > 1
        assert audit.beginning(connection)[0] == first - 1


@pytest.mark.parametrize("meddling", ["moved", "witness"])
def test_a_cut_that_nobody_witnessed_shows(
    database: Database, keyring: Keyring, meddling: str
) -> None:
    """Whoever deletes the beginning and moves the mark has not changed the chain's own record."""
    for number in range(5):
        _add(database, keyring, f"u{number}@x.example", Reason.OBJECTION, NOW + number * YEAR)
    purge(database, KEPT, NOW + 8 * YEAR, "consentry")
    with database.transaction() as connection:
        number, _ = audit.beginning(connection)
        following = select(audit_table).where(audit_table.c.id == number + 1)
        row = connection.execute(following).one()
        if meddling == "moved":
            connection.execute(audit_table.delete().where(audit_table.c.id == row.id))
            value = f"{row.id} {row.digest.hex()}"
            connection.execute(
                update(meta).where(meta.c.name == "audit:beginning").values(value=value)
            )
        else:
            where = audit_table.c.action == audit.CUT
            connection.execute(update(audit_table).where(where).values(detail="{}"))
        assert audit.verify(connection) is not None


def test_answers_of_yesterday_go(database: Database) -> None:
    """Nothing is replayed after a day, so nothing is kept longer."""
    with database.transaction() as connection:
        for number in range(300):
            answer = Answer(200, "{}")
            keep(connection, 1, [f"key-{number}"], [b"r"], answer, NOW + (number % 2) * DAY)
    assert purge(database, KEPT, NOW + DAY + 1, "consentry")["idempotency"] == 150


def test_an_orphaned_text_goes_at_once(database: Database, keyring: Keyring) -> None:
    """What no row refers to is of no use to anybody."""
    _add(database, keyring, "a@x.example", Reason.OBJECTION)
    with database.transaction() as connection:
        add_subject(connection, keyring.seal("orphan@x.example"))
    assert purge(database, KEPT, NOW, "consentry")["subjects"] == 1
    assert _count(database, subjects) == 1


def test_many_rows_go_in_slices(database: Database, keyring: Keyring) -> None:
    """However many there are, none is passed over."""
    with database.transaction() as connection:
        rows = [{**FACT, "at": int(NOW) + (n % 3 == 0) * 3 * YEAR} for n in range(4500)]
        connection.execute(insert(facts), rows)
    assert purge(database, KEPT, NOW + 3 * YEAR, "consentry")["facts"] == 3000
    assert _count(database, facts) == 1500


def test_what_came_back_goes_in_its_time(database: Database, keyring: Keyring) -> None:
    """Mail of nobody's after half a year, bounces after three months, figures after two years;
    what waits for a person stays."""
    book = Returns(database, rules_of(keyring))
    for grade in (Grade.B, Grade.C, Grade.D):
        book.come(book.complaint(grade, match=book.match(mailing=grade)))
    for number in range(25):
        book.bounce(numbered(number))
    book.bounce()
    book.settle()
    with database.transaction() as connection:
        connection.execute(update(reports).where(reports.c.grade == "C").values(state="dismissed"))
    done = purge(database, KEPT, NOW + 200 * DAY, "consentry")
    assert (done["reports_unmatched"], done["reports"], done["bounces"]) == (2, 0, 1)
    assert (_count(database, bounces), done["storms"], done["figures"]) == (25, 0, 0)
    with database.transaction() as connection:
        decide_storm(connection, 1, StormDecision.RELEASE, "ann", "down", NOW)
    dry = purge(database, KEPT, NOW + 3 * YEAR, "consentry", dry_run=True)
    done = purge(database, KEPT, NOW + 3 * YEAR, "consentry")
    for found in (dry, done):
        assert (found["bounces"], found["storms"], found["reports"]) == (25, 1, 1)
        assert found["figures"] == 2
    assert _count(database, figures) == 0


def test_every_rule_has_a_setting() -> None:
    """Each is counted under a name of its own, by a period that the configuration knows."""
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)
    assert {rule.setting for rule in RULES} | {"audit", "figures", "journal"} == set(
        RetentionSettings.model_fields
    )
