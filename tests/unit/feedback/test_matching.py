"""Whose mail a report is about: tokens first, then weaker signs, and never an address alone."""

from __future__ import annotations

from typing import cast

import pytest

from gateway.errors import StoreUnavailable
from gateway.events import Event
from gateway.feedback.matching import OF_LATE, Found, Matcher
from gateway.feedback.parsed import (
    Action,
    Bounce,
    BouncedRecipient,
    Complaint,
    FeedbackType,
    Form,
    Parsed,
)
from gateway.feedback.traces import Traces
from gateway.message.address import parse_mailbox
from gateway.message.message_id import message_id_digest
from policies.returned.evidence import Evidence
from suppression.keys import Generation, Keyring

OLD = Generation.fresh(0)
KEYRING = Keyring([OLD, Generation.fresh(1)], 1)
NOW = 1_800_000_000.0
ANNA, EWA, JAN = (f"{name}@inbox.test" for name in ("anna", "ewa", "jan"))
STREAMS = {1: ("acme", "weekly"), 2: ("beta", "mail")}


def key(address: str, keyring: Keyring = KEYRING) -> bytes:
    """The exact key that new events hold."""
    return keyring.exact_key(parse_mailbox(address))


def sent(
    to: str | tuple[str, ...] = ANNA,
    tenant: str = "acme",
    stream: str = "weekly",
    mailing: str = "m1",
    at: float = NOW - 60,
    message_id: str = "1@acme.test",
    state: str = "taken",
    keyring: Keyring = KEYRING,
) -> Event:
    """A message as the journal has it."""
    each = (to,) if isinstance(to, str) else to
    event = Event("message.relayed", at, ref=f"ref-{mailing}", tenant=tenant, stream=stream)
    event.mailing, event.domain = mailing, f"{tenant}.test"
    event.detail = {
        "message_id": message_id_digest(message_id.encode()),
        "recipients": [
            {"key": key(one, keyring).hex(), "domain": "inbox.test", "state": state} for one in each
        ],
    }
    return event


class Journal:
    """Knows these events."""

    def __init__(self, *events: Event) -> None:
        self.events = sorted(events, key=lambda event: -event.at)

    def of_key(self, wanted: bytes, limit: int = 200) -> list[Event]:
        """Those that name a recipient."""
        return [one for one in self.events if wanted.hex() in str(one.detail)][:limit]

    def of_message_id(self, message_id: str, limit: int = 200) -> list[Event]:
        """Those of a message."""
        digest = message_id_digest(message_id.encode())
        return [one for one in self.events if one.detail["message_id"] == digest][:limit]


def report(*recipients: str) -> Parsed:
    """A complaint that states these."""
    return Parsed(Form.ARF, "mail", complaint=Complaint(FeedbackType.ABUSE, recipients))


def bounce(*recipients: str) -> Parsed:
    """A bounce about these."""
    each = tuple(BouncedRecipient(one, Action.FAILED, 550) for one in recipients)
    return Parsed(Form.DSN, "mail", bounce=Bounce(each))


def token(stream: int = 1, to: str = ANNA, mailing: str = "", keyring: Keyring = KEYRING) -> Traces:
    """What our own tokens say; of a mailing alone without a recipient."""
    return Traces(stream, key(to, keyring) if to else b"", mailing, has_token=True)


def match(parsed: Parsed, traces: Traces, *events: Event, is_signed: bool = False) -> Found:
    """What is found for it."""
    return Matcher(KEYRING, Journal(*events), STREAMS.get).match(parsed, traces, is_signed, NOW)


def test_a_token_names_tenant_stream_and_recipient_whatever_the_report_states() -> None:
    """The journal adds mailing, transaction, sender domain and time; the newest copy counts."""
    older = sent(mailing="m0", at=NOW - 900)
    others = sent(tenant="beta", stream="mail", at=NOW - 1)
    found = match(report(JAN), token(), older, sent(), others)
    assert found.evidence == Evidence(True, True, False, False)
    assert found.match is not None
    told = found.match
    assert (told.tenant, told.stream, told.mailing) == ("acme", "weekly", "m1")
    assert (told.key, told.is_named) == (key(ANNA), True)
    assert told.address == "", "somebody else's address is nobody's"
    assert (told.ref, told.domain, told.sent_at) == ("ref-m1", "acme.test", NOW - 60)
    of_mailing = match(report(ANNA), token(mailing="m0"), older, sent()).match
    assert of_mailing is not None
    assert (of_mailing.ref, of_mailing.address) == ("ref-m0", ANNA)


def test_a_token_counts_before_the_journal_knows_the_copy() -> None:
    """And one of an older generation of secrets as well."""
    old = Keyring([OLD])
    found = match(report(ANNA), token(mailing="m9", keyring=old)).match
    assert found is not None
    assert (found.mailing, found.ref, found.sent_at) == ("m9", "", None)
    assert (found.key, found.address) == (key(ANNA, old), ANNA)


def test_tokens_that_contradict_each_other_are_nobodys() -> None:
    """Also when everything else about the report fits."""
    found = match(
        report(ANNA), Traces(has_token=True, agrees=False, message_id="1@acme.test"), sent()
    )
    assert found == Found(Evidence(True, False, False, False))


def test_a_token_of_a_stream_that_the_records_lost_is_a_fault_of_ours() -> None:
    """It is authentic, so it must not be answered for good."""
    with pytest.raises(StoreUnavailable):
        match(report(ANNA), token(stream=3))


@pytest.mark.parametrize("is_signed", [True, False])
def test_a_token_of_a_mailing_says_whose_mail_but_not_to_whom(is_signed: bool) -> None:
    """The recipient is named only when the source is listed, and states one alone whom the tenant
    has mailed."""
    of_mailing = token(to="", mailing="m1")
    for stated, is_one in (((ANNA,), True), (("x", ANNA), False), ((EWA, ANNA), False)):
        found = match(report(*stated), of_mailing, sent(), is_signed=is_signed).match
        assert found is not None
        assert (found.tenant, found.mailing, found.address) == ("acme", "m1", ANNA)
        assert found.is_named == (is_signed and is_one)
    others = sent(EWA, tenant="beta", stream="mail")
    unknown = match(report(EWA), of_mailing, sent(), others, is_signed=is_signed).match
    assert unknown is not None
    assert (unknown.tenant, unknown.key, unknown.is_named) == ("acme", b"", False)


def test_without_a_token_the_message_id_tells_the_tenant() -> None:
    """And the recipient, when it is stated or there was only one; never for sure."""
    traces = Traces(message_id="<1@acme.test>")
    found = match(report(JAN), traces, sent((ANNA, JAN)))
    assert found.evidence == Evidence(False, True, False, True)
    assert found.match is not None
    assert (found.match.key, found.match.address, found.match.is_named) == (key(JAN), JAN, False)
    only = match(report("redacted"), traces, sent()).match
    several = match(report("redacted"), traces, sent((ANNA, JAN))).match
    assert only is not None
    assert several is not None
    assert (only.key, only.address, several.key) == (key(ANNA), "", b"")


def test_a_message_id_of_two_tenants_is_nobodys() -> None:
    """Somebody has copied it."""
    traces = Traces(message_id="<1@acme.test>")
    found = match(report(), traces, sent(), sent(tenant="beta", stream="mail"))
    assert (found.match, found.evidence.is_matched) == (None, False)


def test_a_stated_recipient_of_exactly_one_tenant_is_matched() -> None:
    """Of late, and only what went out; also by a key of an older generation."""
    assert (found := match(report(ANNA), Traces(), sent()).match) is not None
    assert (found.tenant, found.key, found.is_named) == ("acme", key(ANNA), False)
    old = Keyring([OLD])
    assert match(report(ANNA), Traces(), sent(keyring=old)).match is not None
    for unknown in (
        (sent(EWA),),
        (sent(at=NOW - OF_LATE - 1),),
        (sent(state="refused"),),
        (sent(), sent(tenant="beta", stream="mail")),
    ):
        assert match(report(ANNA), Traces(), *unknown).match is None


def test_a_bounce_is_of_the_tokens_recipient() -> None:
    """Forwarded mail bounces under another name; of several it is the one that is stated."""
    found = match(bounce(JAN), token(), sent())
    assert found.bounced is not None
    assert (found.bounced.address, found.provider) == (JAN, "inbox.test")
    stated = match(bounce(JAN, ANNA), token()).bounced
    assert stated is not None
    assert stated.address == ANNA
    assert match(bounce(JAN, EWA), token()).bounced is None
    assert match(bounce(ANNA), Traces(), sent()).bounced is None
    assert match(bounce(ANNA), token()).provider == "inbox.test"


@pytest.mark.parametrize("written", ["BÜCHER.example", "xn--bcher-kva.Example"])
def test_a_provider_has_one_name_however_a_customer_writes_it(written: str) -> None:
    """A storm is counted by it, and what was sent there, too."""
    to, provider = f"anna@{written}", "xn--bcher-kva.example"
    copy = sent(to)
    (entry,) = cast(list[dict[str, str]], copy.detail["recipients"])
    entry["domain"] = written
    for events in ((copy,), ()):  # from the journal, and from the bounce
        assert match(bounce(to), token(to=to), *events).provider == provider
