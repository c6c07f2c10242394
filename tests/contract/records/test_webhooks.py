"""What is queued for tenants' webhooks: with the change itself, and nothing they may not know."""

import pytest
from sqlalchemy import Connection

from gateway.message.address import parse_mailbox
from gateway.records import audit, webhooks
from gateway.records.database import Database
from gateway.records.streams import numbering, stream_number
from gateway.records.subjects import plain_texts
from gateway.records.suppressions import Draft, add, suppress
from gateway.records.tables import webhook_deliveries
from gateway.records.webhooks import Delivery
from gateway.words import WebhookKind
from policies.terms import StreamTerms
from suppression.keys import Keyring
from suppression.standing import Reason

from .conftest import NOW

JAN = parse_mailbox("Jan@Example.org")
ALL = tuple(WebhookKind)


def _waiting(connection: Connection, tenant: str = "acme") -> list[Delivery]:
    return webhooks.due(connection, tenant, NOW, 100)


def _draft(reason: Reason, scope: str, setter: str = "operator", shown: bool = True) -> Draft:
    return Draft(reason, scope, setter, "test", is_disclosable=shown)


@pytest.fixture
def connected(database: Database, stream: StreamTerms) -> None:
    """acme has a webhook for everything; beta has none."""
    numbering(database)("beta", "news")
    with database.transaction() as connection:
        webhooks.mark(connection, {"acme": ALL}, NOW)


def test_an_unsubscribe_is_told_once(
    connected: None, database: Database, keyring: Keyring, stream: StreamTerms
) -> None:
    """The tenant hears of an unsubscribe with stream and reason; a repeated one is no news."""
    key = keyring.exact_key(JAN)
    with database.transaction() as connection:
        for _ in range(2):
            suppress(connection, stream.number, key, Reason.UNSUBSCRIBE, "one-click", NOW)
    with database.reading() as connection:
        (told,) = _waiting(connection)
    assert told.kind is WebhookKind.UNSUBSCRIBED
    assert told.payload == {"stream": "weekly", "reason": "unsubscribe"}
    assert (told.attempts, told.made_at, told.state) == (0, int(NOW), "waiting")


def test_what_is_rolled_back_is_not_told(
    connected: None, database: Database, keyring: Keyring, stream: StreamTerms
) -> None:
    """The row stands or falls with the change that it tells of."""
    with database.transaction() as connection:
        add(connection, keyring, JAN, _draft(Reason.COMPLAINT, "acme"), NOW)
        connection.rollback()
    with database.reading() as connection:
        assert _waiting(connection) == []


@pytest.mark.parametrize(
    ("draft", "is_told"),
    [
        (_draft(Reason.COMPLAINT, "acme"), True),
        (_draft(Reason.HARD_BOUNCE, "acme"), True),
        (_draft(Reason.MANUAL, "acme/weekly"), True),
        (_draft(Reason.MANUAL, "acme", setter="tenant"), False),
        (_draft(Reason.MANUAL, "acme", shown=False), False),
        (_draft(Reason.COMPLAINT, "acme", shown=False), False),
        (_draft(Reason.PROTECTED, "*"), False),
        (_draft(Reason.ROBINSON, "*"), False),
        (_draft(Reason.MANUAL, "*"), False),
        (_draft(Reason.COMPLAINT, "beta"), False),
        (_draft(Reason.UNSUBSCRIBE, "beta/news"), False),
    ],
    ids=lambda value: f"{value.reason}-{value.scope}" if isinstance(value, Draft) else str(value),
)
def test_only_what_the_tenant_may_know_is_told(
    draft: Draft, is_told: bool, connected: None, database: Database, keyring: Keyring
) -> None:
    """Entries of others, of all tenants, undisclosed ones and the tenant's own are not told."""
    with database.transaction() as connection:
        add(connection, keyring, JAN, draft, NOW)
        assert len(_waiting(connection)) == is_told
        assert _waiting(connection, "beta") == []
        if is_told:
            (told,) = _waiting(connection)
            assert told.kind is WebhookKind.SUPPRESSED
            assert told.payload["reason"] == draft.reason
            assert plain_texts(connection, keyring, [told.subject or 0]).popitem()[1] == str(JAN)


def test_an_address_that_only_another_tenant_knows_is_not_told(
    connected: None, database: Database, keyring: Keyring, stream: StreamTerms
) -> None:
    """By the key of a link the tenant's own records are searched for the address, no others."""
    key = keyring.exact_key(JAN)
    with database.transaction() as connection:
        add(connection, keyring, JAN, _draft(Reason.UNSUBSCRIBE, "beta/news"), NOW)
        suppress(connection, stream.number, key, Reason.UNSUBSCRIBE, "one-click", NOW)
        suppress(connection, stream.number, key, Reason.COMPLAINT, "page", NOW)
        assert [told.subject for told in _waiting(connection)] == [None, None]
        add(connection, keyring, JAN, _draft(Reason.MANUAL, "acme/weekly"), NOW)
        suppress(connection, stream.number, key, Reason.OBJECTION, "page", NOW)
        told = _waiting(connection)[-1]
        assert plain_texts(connection, keyring, [told.subject or 0]).popitem()[1] == str(JAN)


def test_nothing_is_kept_for_a_kind_nobody_wants(
    connected: None, database: Database, keyring: Keyring, stream: StreamTerms
) -> None:
    """Marks say which kinds are queued; a tenant that has no webhook any more waits for nothing."""
    with database.transaction() as connection:
        add(connection, keyring, JAN, _draft(Reason.COMPLAINT, "acme"), NOW)
        webhooks.mark(connection, {"acme": [WebhookKind.UNSUBSCRIBED]}, NOW)
        add(connection, keyring, JAN, _draft(Reason.OBJECTION, "acme"), NOW)
        assert len(_waiting(connection)) == 1
        webhooks.mark(connection, {}, NOW)
        assert _waiting(connection) == []
        (gone,) = webhooks.recent(connection, "acme", 10)
        assert (gone.state, gone.trouble) == ("given up", "the tenant has no webhook any more")


def test_no_address_lies_in_the_queue(
    connected: None, database: Database, keyring: Keyring
) -> None:
    """The rows hold the number of a subject, never the address."""
    with database.transaction() as connection:
        add(connection, keyring, JAN, _draft(Reason.COMPLAINT, "acme"), NOW)
    with database.reading() as connection:
        rows = connection.execute(webhook_deliveries.select()).all()
    assert len(rows) == 1
    assert "example.org" not in repr(rows).lower()


def test_the_ways_of_a_delivery(connected: None, database: Database, keyring: Keyring) -> None:
    """It is put off under the same id, given up with an audit record, tried again, delivered."""
    with database.transaction() as connection:
        add(connection, keyring, JAN, _draft(Reason.COMPLAINT, "acme"), NOW)
        (first,) = _waiting(connection)
        webhooks.put_off(connection, first.number, NOW + 30, "HTTP 503")
        assert _waiting(connection) == []
        (again,) = webhooks.due(connection, "acme", NOW + 30, 1)
        assert (again.id, again.attempts, again.trouble) == (first.id, 1, "HTTP 503")
        assert webhooks.give_up(connection, "acme", NOW - 1, NOW + 31) == 0
        assert webhooks.give_up(connection, "acme", NOW, NOW + 31) == 1
        assert webhooks.recent(connection, "", 10, is_open=True)[0].state == "given up"
        assert webhooks.retry(connection, "beta", "", "ola", NOW) == 0
        assert webhooks.retry(connection, "acme", "msg_none", "ola", NOW) == 0
        assert webhooks.retry(connection, "acme", first.id, "ola", NOW + 60) == 1
        assert webhooks.give_up(connection, "acme", NOW, NOW + 61) == 0
        (third,) = webhooks.due(connection, "acme", NOW + 60, 1)
        assert (third.id, third.attempts) == (first.id, 1)
        webhooks.delivered(connection, third.number, NOW)
        assert _waiting(connection) == []
        assert webhooks.recent(connection, "acme", 10)[0].state == "delivered"
        assert webhooks.retry(connection, "acme", "", "ola", NOW) == 0
        assert audit.verify(connection) is None


def test_a_tenant_is_numbered_when_it_is_marked(database: Database) -> None:
    """A tenant that has never sent can be told too."""
    with database.transaction() as connection:
        webhooks.mark(connection, {"new": ALL}, NOW)
        assert webhooks.is_wanted(
            connection, stream_number(connection, "new"), WebhookKind.SUPPRESSED
        )
