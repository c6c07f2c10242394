"""A complaint by page took its address from any tenant's record, and told the complaint's of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.message.address import parse_mailbox
from gateway.records import webhooks
from gateway.records.choices import choose
from gateway.records.database import open_database
from gateway.records.keyring import open_keyring
from gateway.records.streams import numbering
from gateway.records.suppressions import Draft, add, entries, find
from gateway.words import WebhookKind
from suppression.choices import Choice
from suppression.standing import Reason

NOW = 1_800_000_000.0
JAN, BARE = parse_mailbox("jan+news@gmail.com"), parse_mailbox("jan@gmail.com")


@pytest.mark.parametrize(
    ("knows", "told"), [("bolt", ""), ("acme", JAN.text), ("*", "")], ids=["other", "own", "all"]
)
def test_a_complaint_holds_what_its_own_tenant_knew(knows: str, told: str, tmp_path: Path) -> None:
    """Whoever else has the address on record, the entry and the webhook do not show it; yet every
    spelling of it is stopped."""
    database = open_database(tmp_path / "consentry.db")
    keyring = open_keyring(database, tmp_path / "keyring.json")
    stream = numbering(database)("acme", "weekly")
    reason = Reason.ROBINSON if knows == "*" else Reason.UNSUBSCRIBE
    with database.transaction() as connection:
        webhooks.mark(connection, {"acme": set(WebhookKind)}, NOW)
        add(connection, keyring, JAN, Draft(reason, knows, "operator", "list"), NOW)
    with database.transaction() as connection:
        key = keyring.exact_key(JAN)
        choice = Choice(is_wide=True, is_spam=True)
        assert choose(connection, keyring, stream, key, choice, "page", NOW).is_complaint_new
    with database.reading() as connection:
        own = entries(connection, keyring, "acme")
        (complaint,) = [entry for entry in own if entry.reason is Reason.COMPLAINT]
        assert complaint.address == told
        assert complaint.id in {entry.id for entry in find(connection, keyring, BARE)}
        waiting = webhooks.due(connection, "acme", NOW, 10)
        (call,) = [one for one in waiting if one.payload["reason"] == "complaint"]
        assert (call.subject is not None) is bool(told)
    database.close()
