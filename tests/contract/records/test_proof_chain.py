"""The chain of proof steps: whatever is changed or taken out of it is found, erasures excepted."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from gateway.message.address import parse_mailbox
from gateway.records import proofs
from gateway.records.database import Connection, Database
from gateway.records.proof_chain import advance
from gateway.records.proofs import Act, Asking, Visit
from policies.terms import DAY
from suppression.consent import Evidence, Level, Step, WrongStep
from suppression.keys import Keyring

NOW = 1_800_000_000.0
VISIT = Visit("203.0.113.9", 40_001, "Browser/1.0", "POST /c/token 200")


def ask(connection: Connection, keyring: Keyring, name: str, tenant: str = "acme") -> proofs.Proof:
    act = Act(NOW - 60, "203.0.113.8")
    address = parse_mailbox(f"{name}@example.org")
    asking = Asking(tenant, "weekly", address, "I agree.", "en", "acme", act)
    return proofs.request(connection, keyring, asking, NOW)


@pytest.fixture
def filled(database: Database, keyring: Keyring) -> Database:
    """Six proofs of every kind of acme's, one of another tenant in between."""
    with database.transaction() as connection:
        for name in ("jan", "ewa", "ola"):
            proof = ask(connection, keyring, name)
            proofs.confirm(connection, keyring, proof.tracking, VISIT, NOW + 60)
        proofs.revoke(connection, keyring, proof.tracking, "recipient", "", NOW + 90, VISIT)
        ask(connection, keyring, "jan", "other")
        ask(connection, keyring, "piotr")
        evidence = Evidence(
            Level.DOUBLE, "Yes.", NOW - DAY, "203.0.113.8", "fair", NOW - DAY + 60, "203.0.113.9"
        )
        who = parse_mailbox("anna@example.org")
        proofs.supply(connection, keyring, "acme", "weekly", who, evidence, "pl", "acme", NOW)
    return database


def flaw(database: Database, tenant: str = "acme") -> proofs.Flaw | None:
    with database.reading() as connection:
        return proofs.verify(connection, tenant)


def change(database: Database, statement: str) -> None:
    with database.transaction() as connection:
        assert connection.execute(text(statement)).rowcount >= 1


def test_an_untouched_chain_holds(filled: Database) -> None:
    """Every tenant's, and that of one that has none."""
    assert flaw(filled) is None
    assert flaw(filled, "other") is None
    assert flaw(filled, "nobody") is None
    with filled.reading() as connection:
        assert {name: head.number for name, head in proofs.heads(connection).items()} == {
            "acme": 9,
            "other": 1,
        }
        assert proofs.head(connection, "nobody").number == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE proof_steps SET at = at + 1 WHERE number = 4 AND tenant = {acme}",
        "UPDATE proof_steps SET facts = '{{}}' WHERE number = 2 AND tenant = {acme}",
        "UPDATE proof_steps SET status = 'mailed' WHERE number = 2 AND tenant = {acme}",
        "UPDATE proof_steps SET proof = 2 WHERE number = 1 AND tenant = {acme}",
        "UPDATE proof_steps SET subject = NULL WHERE number = 2 AND tenant = {acme}",
        "UPDATE proof_steps SET subject = 1 WHERE number = 2 AND tenant = {acme}",
        "UPDATE proof_steps SET digest = zeroblob(32) WHERE number = 3 AND tenant = {acme}",
        "DELETE FROM proof_steps WHERE number = 5 AND tenant = {acme}",
        "DELETE FROM proof_steps WHERE number = 9 AND tenant = {acme}",
        "DELETE FROM proof_steps WHERE tenant = {acme}",
        "UPDATE proof_steps SET tenant = 99 WHERE number = 1 AND tenant = {acme}",
        "UPDATE proofs SET key = zeroblob(16) WHERE id = 1",
        "UPDATE proofs SET tracking = zeroblob(16) WHERE id = 1",
        "UPDATE proofs SET scope = scope + 1 WHERE id = 2",
        "UPDATE proofs SET level = 3 WHERE id = 1",
        "UPDATE proofs SET subject = 2 WHERE id = 1",
        "UPDATE proofs SET text = 2 WHERE id = 1",
        "UPDATE proofs SET language = 'pl' WHERE id = 1",
        "UPDATE proofs SET requested_at = requested_at - 1 WHERE id = 1",
        "UPDATE proofs SET status = 'confirmed' WHERE id = 3",
        "UPDATE proofs SET consent = 2 WHERE id = 1",
        "UPDATE proofs SET consent = NULL WHERE id = 1",
        "DELETE FROM proofs WHERE id = 2",
        "UPDATE consent_texts SET text = 'I agree to all.' WHERE id = 1",
        "UPDATE consent_texts SET digest = zeroblob(32) WHERE id = 1",
        "UPDATE consents SET level = 3 WHERE id = 1",
        "DELETE FROM consents WHERE id = 2",
        "UPDATE subjects SET sealed = zeroblob(40) WHERE id = (SELECT subject FROM proofs "
        "WHERE id = 1)",
        "UPDATE subjects SET sealed = zeroblob(40) WHERE id = (SELECT subject FROM proof_steps "
        "WHERE number = 2 AND tenant = {acme})",
        "DELETE FROM subjects WHERE id = (SELECT subject FROM proof_steps WHERE number = 2 "
        "AND tenant = {acme})",
    ],
)
@pytest.mark.sqlite_file
def test_any_change_or_removal_is_found(filled: Database, statement: str) -> None:
    """In a step, a proof, its text, its consent or a sealed part; other chains are not touched."""
    with filled.reading() as connection:
        acme = connection.execute(
            text("SELECT number FROM streams WHERE tenant = 'acme' AND name = ''")
        ).scalar_one()
    change(filled, statement.format(acme=acme))
    assert flaw(filled) is not None


def test_a_proof_that_was_slipped_in_is_found(filled: Database) -> None:
    """A row without a step of its own proves nothing."""
    columns = (
        "tenant, scope, level, key, subject, text, language, status, requested_at, due_at, consent"
    )
    change(
        filled,
        f"INSERT INTO proofs (tracking, {columns}) SELECT zeroblob(16), {columns} FROM proofs "
        "WHERE id = 1",
    )
    found = flaw(filled)
    assert found is not None
    assert found.number == 10


def test_a_cut_off_tail_shows_against_a_head_noted_elsewhere(filled: Database) -> None:
    """The chain alone cannot tell: that is why its head goes to the journal."""
    with filled.reading() as connection:
        noted = proofs.head(connection, "acme")
    tail = "(SELECT proof FROM proof_steps WHERE number = 9 AND proof = 6)"
    change(filled, f"DELETE FROM proofs WHERE id IN {tail}")
    change(filled, "DELETE FROM proof_steps WHERE number = 9 AND proof = 6")
    assert flaw(filled) is None
    with filled.reading() as connection:
        assert proofs.head(connection, "acme") != noted


def test_a_chain_holds_after_every_secret_is_destroyed(filled: Database, keyring: Keyring) -> None:
    """It runs over ciphertext; the personal parts are gone and nothing else is."""
    change(filled, "UPDATE subject_secrets SET secret = zeroblob(17)")
    assert flaw(filled) is None
    with filled.reading() as connection:
        (first, *_) = proofs.of_tenant(connection, keyring, "acme")
        assert first.address == ""
        assert [step.personal for step in proofs.steps(connection, keyring, first.id)] == [None] * 2


def test_a_click_after_the_erasure_changes_nothing(filled: Database, keyring: Keyring) -> None:
    """Nobody is known by that link any more."""
    with filled.transaction() as connection:
        proof = ask(connection, keyring, "late")
        connection.execute(text("UPDATE subject_secrets SET secret = zeroblob(17)"))
        assert not proofs.confirm(connection, keyring, proof.tracking, VISIT, NOW + 60).is_new
    assert flaw(filled) is None


def test_a_step_out_of_order_is_not_taken(filled: Database, keyring: Keyring) -> None:
    """What is revoked cannot be confirmed, by whichever way it is tried."""
    with filled.transaction() as connection, pytest.raises(WrongStep):
        advance(connection, keyring, 3, Step.CONFIRMED, NOW, "somebody")
    assert flaw(filled) is None
