"""Rectification, objection and restriction in the records."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from gateway.message.address import parse_mailbox
from gateway.records import audit, proofs
from gateway.records.consents import Attestation, find_consents, import_attestation
from gateway.records.database import Database
from gateway.records.restriction import restricted_entries
from gateway.records.rights import object_to, rectify, restrict, unrestrict
from gateway.records.standings import SqliteStandings
from gateway.records.streams import stream_number
from gateway.records.suppression_import import ListFile
from gateway.records.suppressions import (
    Draft,
    Entry,
    Refused,
    add,
    count_entries,
    entries,
    find,
    lift,
)
from gateway.records.tables import audit as audit_table
from gateway.records.webhooks import due, mark
from gateway.words import Address, WebhookKind
from policies.terms import StreamTerms
from suppression.keys import Keyring
from suppression.listfile import Row
from suppression.precedence import RULES, Lifter, Width
from suppression.standing import Reason, Stops

from .conftest import NOW

OLD = parse_mailbox("jan@old.example")
NEW = parse_mailbox("jan@new.example")
BOUNCES = {Reason.HARD_BOUNCE, Reason.SOFT_BOUNCE}


def _add(database: Database, keyring: Keyring, reason: Reason, at: Address = OLD) -> None:
    scope = "*" if RULES[reason].widths == {Width.PLATFORM} else "acme"
    with database.transaction() as connection:
        add(connection, keyring, at, Draft(reason, scope, "operator", "letter"), NOW)


def _live(database: Database, keyring: Keyring, address: Address) -> list[Entry]:
    with database.reading() as connection:
        return [entry for entry in find(connection, keyring, address) if entry.is_live(NOW)]


def _agree(database: Database, keyring: Keyring, address: Address = OLD) -> None:
    said = Attestation("acme/weekly", "shop form", NOW - 100, "ann")
    file = ListFile("agreed.csv", "ab" * 32)
    import_attestation(database, keyring, [Row(1, address)], said, file, NOW)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_stop_follows_a_person_and_none_is_lost(
    database: Database, keyring: Keyring, reason: Reason
) -> None:
    """Wishes and protections hold for the corrected address too; bounces are the mailbox's own."""
    _add(database, keyring, reason)
    with database.transaction() as connection:
        rectify(connection, keyring, OLD, NEW, "", "ann", NOW)
    assert {entry.reason for entry in _live(database, keyring, OLD)} == {reason}
    followed = {entry.reason for entry in _live(database, keyring, NEW)}
    assert followed == ({reason} - BOUNCES)


def test_a_manual_entry_follows_with_what_was_set(database: Database, keyring: Keyring) -> None:
    """What it stops, its end, who set it and whether it is told stay the same."""
    draft = Draft(Reason.MANUAL, "acme", "tenant", "x", Stops.MARKETING, NOW + 500, False)
    with database.transaction() as connection:
        add(connection, keyring, OLD, draft, NOW)
        rectify(connection, keyring, OLD, NEW, "acme", "ann", NOW)
    (entry,) = _live(database, keyring, NEW)
    assert (entry.stops, entry.ends_at, entry.setter, entry.is_disclosable) == (
        Stops.MARKETING,
        NOW + 500,
        "tenant",
        False,
    )


def test_consents_move_with_level_and_time(database: Database, keyring: Keyring) -> None:
    """The old address has consented no more, the new one has, since the same day."""
    _agree(database, keyring)
    with database.transaction() as connection:
        done = rectify(connection, keyring, OLD, NEW, "", "ann", NOW)
        (ended,) = find_consents(connection, keyring, OLD)
        (given,) = find_consents(connection, keyring, NEW)
        actions = select(audit_table.c.key).where(audit_table.c.action == "subject.rectified")
        keys = set(connection.execute(actions).scalars())
        assert audit.verify(connection) is None
    assert done.consents == 1
    assert ended.ended_at == NOW
    assert (given.level, given.given_at, given.ended_at, given.source) == (
        1,
        NOW - 100,
        None,
        "shop form",
    )
    assert keys == {keyring.exact_key(OLD), keyring.exact_key(NEW)}


def test_the_old_spelling_goes(database: Database, keyring: Keyring) -> None:
    """What was wrong is not kept readable; the key that stops mail to it stays."""
    _add(database, keyring, Reason.UNSUBSCRIBE)
    with database.transaction() as connection:
        assert rectify(connection, keyring, OLD, NEW, "", "ann", NOW).renewed == 1
    assert [entry.address for entry in _live(database, keyring, OLD)] == [""]
    assert [entry.address for entry in _live(database, keyring, NEW)] == [NEW.text]


def test_a_tag_more_or_less_is_rectified_within_the_same_loose_key(
    database: Database, keyring: Keyring
) -> None:
    """Old and new may share a loose key: what is made anew is not destroyed as old."""
    tagged = parse_mailbox("jan+x@old.example")
    _add(database, keyring, Reason.UNSUBSCRIBE, tagged)
    with database.transaction() as connection:
        rectify(connection, keyring, tagged, OLD, "", "ann", NOW)
    assert [entry.address for entry in _live(database, keyring, OLD)] == [OLD.text]


def test_another_tenant_s_records_are_not_touched(database: Database, keyring: Keyring) -> None:
    """A tenant corrects its own data only."""
    draft = Draft(Reason.UNSUBSCRIBE, "other", "operator", "x")
    with database.transaction() as connection:
        add(connection, keyring, OLD, draft, NOW)
        with pytest.raises(Refused, match="nothing is stored"):
            rectify(connection, keyring, OLD, NEW, "acme", "ann", NOW)
    assert _live(database, keyring, NEW) == []
    assert [entry.address for entry in _live(database, keyring, OLD)] == [OLD.text]


def test_the_same_address_in_another_spelling_is_refused(
    database: Database, keyring: Keyring
) -> None:
    """Case is no difference, so there is nothing to mend."""
    other = parse_mailbox("JAN@old.example")
    with database.transaction() as connection, pytest.raises(Refused, match="same address"):
        rectify(connection, keyring, OLD, other, "", "ann", NOW)


def test_an_objection_stops_marketing_and_ends_consents(
    database: Database, keyring: Keyring
) -> None:
    """A later consent to one list does not bring the earlier ones back."""
    _agree(database, keyring)
    with database.transaction() as connection:
        assert object_to(connection, keyring, OLD, "acme", "ann", NOW)
        assert not object_to(connection, keyring, OLD, "acme", "ann", NOW)
        (consent,) = find_consents(connection, keyring, OLD)
    assert consent.ended_at == NOW
    (entry,) = _live(database, keyring, OLD)
    assert (entry.reason, entry.stops, entry.scope) == (
        Reason.OBJECTION,
        Stops.MARKETING,
        "acme",
    )


async def test_a_restriction_stops_everything_and_says_nothing(
    database: Database, keyring: Keyring, standings: SqliteStandings, stream: StreamTerms
) -> None:
    """No mail, no export, no webhook; nobody but the person's own request ends it."""
    _add(database, keyring, Reason.COMPLAINT)
    with database.transaction() as connection:
        mark(connection, {"acme": set(WebhookKind)}, NOW)
        assert restrict(connection, keyring, OLD, "acme", "ann", NOW)
        assert not restrict(connection, keyring, OLD, "acme", "ann", NOW)
        add(connection, keyring, OLD, Draft(Reason.OBJECTION, "acme", "operator", "x"), NOW)
        assert list(entries(connection, keyring)) == []
        assert count_entries(connection) == 0
        assert due(connection, "acme", NOW, 10) == []
        assert len(restricted_entries(connection)) == 4
    (standing,) = await standings.look_up(stream, [OLD])
    shown = {(match.stops, match.is_disclosable) for match in standing.matches}
    assert (Stops.EVERYTHING, False) in shown
    entry = next(e for e in _live(database, keyring, OLD) if e.reason is Reason.MANUAL)
    with database.transaction() as connection:
        with pytest.raises(Refused, match="lifted by subject"):
            lift(connection, entry.id, Lifter.OPERATOR, "bob", "please", NOW)
        unrestrict(connection, keyring, OLD, "acme", "accuracy settled", "ann", NOW)
        with pytest.raises(Refused, match="no restriction"):
            unrestrict(connection, keyring, OLD, "acme", "again", "ann", NOW)
        assert count_entries(connection) == 2
        assert len(due(connection, "acme", NOW, 10)) == 1


def test_a_restriction_is_its_own_beside_an_equal_manual_entry(
    database: Database, keyring: Keyring
) -> None:
    """Lifting what the operator set for other reasons does not end the person's restriction."""
    draft = Draft(Reason.MANUAL, "acme", "operator", "x", Stops.EVERYTHING, is_disclosable=False)
    with database.transaction() as connection:
        number, _ = add(connection, keyring, OLD, draft, NOW)
        restrict(connection, keyring, OLD, "acme", "ann", NOW)
        lift(connection, number, Lifter.OPERATOR, "bob", "done", NOW)
    setters = {entry.setter for entry in _live(database, keyring, OLD)}
    assert setters == {"subject"}


def test_a_restriction_follows_a_rectified_address(database: Database, keyring: Keyring) -> None:
    """It is not told, exported or lost on the way."""
    with database.transaction() as connection:
        restrict(connection, keyring, OLD, "acme", "ann", NOW)
        rectify(connection, keyring, OLD, NEW, "acme", "ann", NOW)
        assert count_entries(connection) == 0
        unrestrict(connection, keyring, NEW, "acme", "settled", "ann", NOW)
    assert _live(database, keyring, NEW) == []


def test_a_proof_stays_evidence_about_the_old_address(
    database: Database, keyring: Keyring, tmp_path: Path
) -> None:
    """The chain still verifies, and the record under the new key names the proof."""
    from .test_erasure import _evidence

    with database.transaction() as connection:
        stream_number(connection, "acme", "weekly")
        made = proofs.supply(
            connection, keyring, "acme", "weekly", OLD, _evidence(), "en", "api", NOW
        )
        rectify(connection, keyring, OLD, NEW, "", "ann", NOW)
        assert proofs.verify(connection, "acme") is None
        (kept,) = proofs.find(connection, keyring, OLD)
        where = audit_table.c.key == keyring.exact_key(NEW)
        details = connection.execute(select(audit_table.c.detail).where(where)).scalars().all()
        (given,) = find_consents(connection, keyring, NEW)
    assert kept.address == OLD.text
    assert any(made.proof.number in detail for detail in details)
    assert given.level == 3
