"""Erasure in the records: what goes, what stays, and that every chain still holds."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import func, select

from gateway.message.address import parse_mailbox
from gateway.records import audit, proofs
from gateway.records.database import Database
from gateway.records.erasure import clear_log, clear_old, erase
from gateway.records.holdings import about, holders, person_keys
from gateway.records.standings import SqliteStandings
from gateway.records.streams import stream_number
from gateway.records.subject_requests import RequestKind, list_requests, record
from gateway.records.subjects import DESTROYED
from gateway.records.suppressions import Draft, add, find
from gateway.records.tables import audit as audit_table
from gateway.records.tables import subject_secrets, webhook_deliveries
from gateway.records.webhooks import mark
from gateway.words import WebhookKind
from policies.terms import StreamTerms
from suppression.consent import Evidence, Level
from suppression.keys import Keyring
from suppression.standing import Reason
from tests.contract.records.places import octets

from .conftest import NOW

JAN = parse_mailbox("Jan.Kowalski+x@Example.ORG")
BO = parse_mailbox("bo@example.org")
SECRET_WORDS = "Zgadzam się na biuletyn"


def _evidence() -> Evidence:
    return Evidence(
        Level.DOUBLE,
        SECRET_WORDS,
        NOW - 2000,
        "192.0.2.77",
        "https://shop.example/form?jan.kowalski+x@example.org",
        NOW - 1900,
        "192.0.2.78",
        "Mozilla/5.0",
        "<1@acme.example>",
    )


def _fill(
    database: Database, keyring: Keyring, address: str = JAN.text, tenant: str = "acme"
) -> None:
    """Everything that one tenant may hold of a person."""
    one = parse_mailbox(address)
    with database.transaction() as connection:
        stream_number(connection, tenant, "weekly")
        mark(connection, {tenant: {WebhookKind.UNSUBSCRIBED}}, NOW)
        for reason, scope in (
            (Reason.UNSUBSCRIBE, f"{tenant}/weekly"),
            (Reason.COMPLAINT, tenant),
            (Reason.PROTECTED, "*"),
        ):
            draft = Draft(reason, scope, "operator", f"letter of {address}")
            add(connection, keyring, one, draft, NOW)
        proofs.supply(connection, keyring, tenant, "weekly", one, _evidence(), "pl", "api", NOW)
        scope = tenant
        record(connection, keyring, RequestKind.ERASURE, one, scope, "by call", NOW, "ann", NOW)


def _secrets(database: Database) -> Iterator[bytes]:
    with database.reading() as connection:
        yield from connection.execute(select(subject_secrets.c.secret)).scalars()


def test_nothing_readable_stays_and_nobody_mails(
    database: Database, keyring: Keyring, stream: StreamTerms
) -> None:
    """Address, evidence and the secrets behind them go; the stops stay, and a tombstone comes."""
    _fill(database, keyring)
    _fill(database, keyring, BO.text)
    before = set(_secrets(database))
    with database.transaction() as connection:
        done = erase(connection, keyring, JAN, "", "ann", NOW)
    clear_old(database.store.place)
    assert done.tenants == ("acme",)
    gone = before - set(_secrets(database))
    assert len(gone) == done.destroyed >= 6
    lying = octets(database)
    assert not [secret for secret in gone if secret in lying]
    assert b"owalski" not in lying
    with database.reading() as connection:
        kept = find(connection, keyring, JAN)
        held = about(connection, keyring, JAN)
        others = about(connection, keyring, BO)
        assert audit.verify(connection) is None
        assert proofs.verify(connection, "acme") is None
        (request,) = [one for one in list_requests(connection, keyring) if not one.address]
        assert request.key == keyring.exact_key(JAN)
    live = {entry.reason for entry in kept if entry.is_live(NOW)}
    assert {Reason.ERASURE, Reason.PROTECTED, Reason.COMPLAINT, Reason.UNSUBSCRIBE} <= live
    assert {entry.address for entry in kept} == {""}
    assert [consent["ended"] for consent in held["consents"]] == [NOW]
    assert held["webhooks"] == []
    assert {step["personal"] for proof in held["proofs"] for step in proof["steps"]} == {None}  # type: ignore[attr-defined]
    assert others["consents"][0]["stored_as"] == BO.text
    assert others["consents"][0]["ended"] is None


async def test_the_next_rcpt_is_refused_for_every_spelling(
    database: Database, keyring: Keyring, standings: SqliteStandings, stream: StreamTerms
) -> None:
    """The tombstone is loose: a tag more or less is the same person."""
    _fill(database, keyring)
    with database.transaction() as connection:
        erase(connection, keyring, JAN, "", "ann", NOW)
    group = [parse_mailbox(text) for text in ("jan.kowalski@example.org", JAN.text)]
    for standing in await standings.look_up(stream, group):
        assert Reason.ERASURE in {match.reason for match in standing.matches}
        assert standing.is_erased


def test_one_tenant_s_erasure_leaves_the_others_alone(database: Database, keyring: Keyring) -> None:
    """What another tenant holds stays readable to it, and no tombstone stands there."""
    _fill(database, keyring)
    _fill(database, keyring, tenant="other")
    with database.transaction() as connection:
        assert holders(connection, person_keys(keyring, JAN).own) == ["acme", "other"]
        erase(connection, keyring, JAN, "acme", "ann", NOW)
    with database.reading() as connection:
        acme = about(connection, keyring, JAN, "acme")
        other = about(connection, keyring, JAN, "other")
        tombs = [e.scope for e in find(connection, keyring, JAN) if e.reason is Reason.ERASURE]
    assert [proof["stored_as"] for proof in acme["proofs"]] == [""]
    assert [proof["stored_as"] for proof in other["proofs"]] == [JAN.text]
    assert tombs == ["acme"]
    assert len(other["webhooks"]) == 1


def test_erasing_again_changes_nothing(database: Database, keyring: Keyring) -> None:
    """After a crash in the middle, or out of caution: the second time finds all done."""
    _fill(database, keyring)
    with database.transaction() as connection:
        first = erase(connection, keyring, JAN, "", "ann", NOW)
        second = erase(connection, keyring, JAN, "", "ann", NOW + 1)
        count = select(func.count()).select_from(webhook_deliveries)
        assert connection.execute(count).scalar() == 0
    assert first.destroyed > 0
    assert (second.destroyed, second.consents_ended, second.webhooks_dropped) == (0, 0, 0)
    assert DESTROYED in set(_secrets(database))


def test_what_is_on_record_of_it_names_a_key_alone(database: Database, keyring: Keyring) -> None:
    """The audit record of an erasure does not say again who was erased."""
    with database.transaction() as connection:
        draft = Draft(Reason.MANUAL, "acme", "operator", "x")
        add(connection, keyring, JAN, draft, NOW)
        erase(connection, keyring, JAN, "", "ann", NOW)
        where = audit_table.c.action == "subject.erased"
        row = connection.execute(select(audit_table).where(where)).one()
    assert row.key == keyring.exact_key(JAN)
    assert json.loads(row.detail)["tenants"] == ["acme"]


@pytest.mark.sqlite_file
def test_a_reader_that_stays_is_told_of(
    database: Database, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old pages cannot be cleared under somebody who reads them: that is no silent success."""
    monkeypatch.setattr("gateway.records.erasure._CHECKPOINT_SECONDS", 0.0)
    with database.reading() as connection:
        connection.execute(select(subject_secrets)).all()
        _fill(database, keyring)
        with pytest.raises(Exception, match="reader keeps it"):
            clear_log(database.path)
    clear_log(database.path)
