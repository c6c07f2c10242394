"""Proofs of consent in a real database: asking, confirming, ending, supplying, and what they do."""

from __future__ import annotations

import asyncio
import time

import pytest

from gateway.message.address import parse_mailbox
from gateway.records import proofs, suppressions, webhooks
from gateway.records.database import Database
from gateway.records.proofs import Act, Asking, NotAsked, Proof, Visit
from gateway.records.streams import numbering
from gateway.records.subjects import plain_texts
from gateway.records.suppressions import Draft
from gateway.words import WebhookKind
from policies.terms import DAY, StreamTerms
from suppression.consent import Evidence, EvidenceError, Level, Status, Step
from suppression.keys import Generation, Keyring
from suppression.standing import Reason, Standing
from tests.contract.records.places import LookUp

NOW = 1_800_000_000.0
JAN = parse_mailbox("Jan.Kowalski@example.org")
VISIT = Visit("203.0.113.9", 40_001, "Browser/1.0", "POST /c/token 200")
ACT = Act(NOW - 60, "203.0.113.8", "https://acme.test/join", "Browser/1.0")
DOUBLE = Evidence(
    Level.DOUBLE,
    "I agree.",
    NOW - 2 * DAY,
    "203.0.113.8",
    "https://acme.test/join",
    NOW - DAY,
    "203.0.113.9",
)


class House:
    """A database with shorthands for what the tests do in it."""

    def __init__(self, database: Database, keyring: Keyring, standings: LookUp) -> None:
        self.database = database
        self.keyring = keyring
        self._standings = standings

    def request(self, now: float = NOW, address: object = JAN, **changes: object) -> Proof:
        asking = {
            "tenant": "acme",
            "stream": "weekly",
            "address": address,
            "text": "I agree to the weekly.",
            "language": "en",
            "actor": "acme's form",
        }
        with self.database.transaction() as connection:
            return proofs.request(connection, self.keyring, Asking(**{**asking, **changes}), now)

    def confirm(self, proof: Proof, now: float = NOW + 60) -> proofs.Answer:
        with self.database.transaction() as connection:
            return proofs.confirm(connection, self.keyring, proof.tracking, VISIT, now)

    def revoke(self, proof: Proof, now: float = NOW + 120, actor: str = "recipient") -> object:
        with self.database.transaction() as connection:
            return proofs.revoke(connection, self.keyring, proof.tracking, actor, "", now, VISIT)

    def supply(self, evidence: Evidence = DOUBLE, now: float = NOW) -> proofs.Answer:
        with self.database.transaction() as connection:
            return proofs.supply(
                connection, self.keyring, "acme", "weekly", JAN, evidence, "en", "acme", now
            )

    def suppress(self, reason: Reason, scope: str, now: float = NOW, **changes: object) -> int:
        draft = Draft(reason, scope, "recipient", "test", **changes)
        with self.database.transaction() as connection:
            return suppressions.add(connection, self.keyring, JAN, draft, now)[0]

    def look_up(self, stream: StreamTerms, address: object = JAN) -> Standing:
        return asyncio.run(self._standings.look_up(stream, [address]))[0]

    def steps(self, proof: Proof) -> list[proofs.StepRecord]:
        with self.database.reading() as connection:
            return proofs.steps(connection, self.keyring, proof.id)

    def found(self, tenant: str = "") -> list[Proof]:
        with self.database.reading() as connection:
            return proofs.find(connection, self.keyring, JAN, tenant)


@pytest.fixture
def house(database: Database, keyring: Keyring, standings: LookUp) -> House:
    return House(database, keyring, standings)


def test_a_confirmed_request_is_consent_of_level_four(house: House, stream: StreamTerms) -> None:
    """The very next look-up sees it, and the steps hold what the click said."""
    proof = house.request(act=ACT)
    assert house.look_up(stream).consent == 0
    assert (proof.status, proof.tenant, proof.stream) == (Status.REQUESTED, "acme", "weekly")
    assert proof.expires_at == NOW + 7 * DAY
    answer = house.confirm(proof)
    assert answer.is_new
    assert answer.proof.status is Status.CONFIRMED
    assert house.look_up(stream).consent == 4
    requested, confirmed = house.steps(proof)
    assert (requested.step, confirmed.step) == (Step.REQUESTED, Step.CONFIRMED)
    assert requested.personal is not None
    assert requested.personal["ip"] == ACT.ip
    assert confirmed.personal == {
        "ip": VISIT.ip,
        "port": VISIT.port,
        "user_agent": VISIT.user_agent,
        "line": VISIT.line,
    }


def test_confirming_twice_is_one_effect(house: House, stream: StreamTerms) -> None:
    """A hundred clicks make one consent and one step."""
    proof = house.request()
    answers = [house.confirm(proof, NOW + n) for n in range(100)]
    assert [answer.is_new for answer in answers] == [True] + [False] * 99
    assert {answer.proof.status for answer in answers} == {Status.CONFIRMED}
    assert len(house.steps(proof)) == 2
    assert house.look_up(stream).consent == 4


def test_too_late_is_too_late(house: House, stream: StreamTerms) -> None:
    """After seven days a click says so and changes nothing."""
    proof = house.request()
    answer = house.confirm(proof, NOW + 7 * DAY)
    assert (answer.proof.status, answer.is_new) == (Status.EXPIRED, False)
    assert house.confirm(proof, NOW).proof.status is Status.EXPIRED
    assert house.look_up(stream).consent == 0


def test_a_newer_request_supersedes_the_older(house: House, stream: StreamTerms) -> None:
    """Only the last mail's link counts."""
    older = house.request(lasts=30 * DAY)
    newer = house.request(NOW + 8 * DAY)
    assert house.confirm(older, NOW + 8 * DAY).proof.status is Status.SUPERSEDED
    assert house.look_up(stream).consent == 0
    assert house.confirm(newer, NOW + 8 * DAY).is_new


def test_one_request_in_seven_days(house: House) -> None:
    """The refusal says when the address may be asked again; other lists are not concerned."""
    house.request()
    with pytest.raises(NotAsked) as refusal:
        house.request(NOW + DAY, act=Act(NOW + DAY, "203.0.113.8"))
    assert (refusal.value.tag, refusal.value.again_at) == ("OPTIN-LIMIT", NOW + 7 * DAY)
    house.request(NOW + DAY, stream="daily")
    house.request(NOW + DAY, tenant="other")
    house.request(NOW + 7 * DAY)


def test_who_declined_is_left_alone_for_longer(house: House) -> None:
    """ "I did not ask for this" holds 180 days, even against a form that is said to be filled."""
    proof = house.request()
    house.revoke(proof)
    again = NOW + 179 * DAY
    with pytest.raises(NotAsked) as refusal:
        house.request(again, act=Act(again, "203.0.113.8"))
    assert refusal.value.again_at == NOW + 180 * DAY


def test_who_left_may_come_back_at_once(house: House, stream: StreamTerms) -> None:
    """Who confirmed, revoked and asks again by a form of one's own is asked again."""
    house.confirm(house.request())
    house.revoke(house.found()[0])
    assert house.look_up(stream).consent == 0
    with pytest.raises(NotAsked):
        house.request(NOW + 200)
    house.confirm(house.request(NOW + 200, act=Act(NOW + 190, "203.0.113.8")), NOW + 300)
    assert house.look_up(stream).consent == 4
    assert not house.look_up(stream).matches


def test_revoking_ends_the_consent_and_closes_the_list(house: House, stream: StreamTerms) -> None:
    """The index forgets the consent and knows an unsubscribe, for the very next RCPT."""
    proof = house.request()
    house.confirm(proof)
    house.revoke(proof)
    standing = house.look_up(stream)
    assert standing.consent == 0
    assert [(m.reason, m.scope) for m in standing.matches] == [(Reason.UNSUBSCRIBE, "acme/weekly")]
    assert house.confirm(proof).proof.status is Status.REVOKED
    assert house.look_up(stream).consent == 0


@pytest.mark.parametrize(
    ("reason", "scope", "tag"),
    [
        (Reason.PROTECTED, "*", "PROTECTED"),
        (Reason.ERASURE, "acme", "UNSUB"),
        (Reason.OBJECTION, "acme", "UNSUB"),
        (Reason.COMPLAINT, "acme", "COMPLAINT"),
        (Reason.HARD_BOUNCE, "acme", "BOUNCED"),
        (Reason.MANUAL, "acme/weekly", "POLICY"),
    ],
)
def test_what_stops_mail_stops_the_question(
    house: House, reason: Reason, scope: str, tag: str
) -> None:
    """No form that somebody is said to have filled in changes that."""
    house.suppress(reason, scope)
    with pytest.raises(NotAsked) as refusal:
        house.request(act=ACT)
    assert refusal.value.tag == tag
    assert not house.found()


def test_the_unsubscribed_may_ask_to_come_back(house: House) -> None:
    """Only by an act of their own: a tenant's wish alone is refused."""
    house.suppress(Reason.UNSUBSCRIBE, "acme/weekly")
    with pytest.raises(NotAsked) as refusal:
        house.request()
    assert refusal.value.tag == "UNSUB"
    assert house.request(act=ACT).status is Status.REQUESTED


def test_what_may_not_be_told_is_not_told(house: House) -> None:
    """An entry that is not to be disclosed reads [POLICY], and other tenants' entries nothing."""
    house.suppress(Reason.COMPLAINT, "other")
    house.suppress(Reason.PROTECTED, "*", is_disclosable=False)
    with pytest.raises(NotAsked) as refusal:
        house.request()
    assert refusal.value.tag == "POLICY"
    assert "protected" not in str(refusal.value).lower()


def test_hosted_consent_lifts_what_it_may(house: House, stream: StreamTerms) -> None:
    """An unsubscribe and a complaint that came first are lifted; what protects stays."""
    proof = house.request()
    house.suppress(Reason.UNSUBSCRIBE, "acme/weekly", NOW + 1)
    house.suppress(Reason.COMPLAINT, "acme", NOW + 2)
    house.suppress(Reason.PROTECTED, "*", NOW + 3)
    house.confirm(proof, NOW + 10)
    assert [match.reason for match in house.look_up(stream).matches] == [Reason.PROTECTED]


def test_who_left_everything_and_joins_one_list_joins_that_list(
    house: House, stream: StreamTerms, database: Database
) -> None:
    """The tenant's other lists stay closed, and so do other tenants."""
    number = numbering(database)
    daily = StreamTerms("acme", "daily", number("acme", "daily"), stream.kind, stream.limits)
    other = StreamTerms("other", "news", number("other", "news"), stream.kind, stream.limits)
    house.suppress(Reason.UNSUBSCRIBE, "acme")
    house.suppress(Reason.UNSUBSCRIBE, "other")
    house.confirm(house.request(act=ACT))
    assert not house.look_up(stream).matches
    assert [m.scope for m in house.look_up(daily).matches] == ["acme/daily"]
    assert [m.scope for m in house.look_up(other).matches] == ["other"]


def test_a_newer_confirmation_supersedes_the_older_consent(
    house: House, stream: StreamTerms
) -> None:
    """One consent is in force, of the newer proof; ending the older changes nothing."""
    older = house.request()
    house.confirm(older)
    newer = house.request(NOW + 8 * DAY, text="I agree to more.")
    house.confirm(newer, NOW + 8 * DAY)
    assert [p.status for p in house.found()] == [Status.SUPERSEDED, Status.CONFIRMED]
    assert not house.revoke(older).is_new  # type: ignore[attr-defined]
    assert house.look_up(stream).consent == 4
    house.revoke(newer, NOW + 9 * DAY)
    assert house.look_up(stream).consent == 0


def test_supplied_evidence_is_consent_of_its_level(house: House, stream: StreamTerms) -> None:
    """Double opt-in evidence is level 3; the same again is not new."""
    answer = house.supply()
    assert answer.is_new
    assert answer.proof.level is Level.DOUBLE
    assert answer.proof.given_at == NOW - DAY
    assert not house.supply().is_new
    assert house.look_up(stream).consent == 3


def test_lower_evidence_does_not_lower_the_level(house: House, stream: StreamTerms) -> None:
    """Single opt-in beside a hosted consent leaves level 4 in force."""
    house.confirm(house.request())
    house.supply(Evidence(Level.SINGLE, "I agree.", NOW + 100, "203.0.113.8"), NOW + 200)
    assert house.look_up(stream).consent == 4


@pytest.mark.parametrize(("left_at", "is_lifted"), [(NOW - 2 * DAY, True), (NOW, False)])
def test_supplied_evidence_lifts_only_what_is_older(
    house: House, stream: StreamTerms, left_at: float, is_lifted: bool
) -> None:
    """Who unsubscribed after the confirmation stays unsubscribed."""
    house.suppress(Reason.UNSUBSCRIBE, "acme/weekly", left_at)
    house.supply()
    assert (not house.look_up(stream).matches) == is_lifted


def test_supplied_evidence_never_lifts_a_complaint(house: House, stream: StreamTerms) -> None:
    """That takes consent given to the gateway itself."""
    house.suppress(Reason.COMPLAINT, "acme", NOW - 5 * DAY)
    house.supply()
    assert [match.reason for match in house.look_up(stream).matches] == [Reason.COMPLAINT]


def test_bad_evidence_is_not_recorded(house: House) -> None:
    """It is refused by the field that is wrong."""
    with pytest.raises(EvidenceError, match="confirmed_ip"):
        house.supply(
            Evidence(Level.DOUBLE, "a", NOW - 9, "203.0.113.8", "form", NOW - 8, "localhost")
        )
    assert not house.found()


def test_a_tenant_sees_its_own_proofs_only(house: House, database: Database) -> None:
    """By address, by tracking number and in the list."""
    proof = house.request()
    assert [p.id for p in house.found("acme")] == [proof.id]
    assert house.found("other") == []
    with database.reading() as connection:
        with pytest.raises(LookupError):
            proofs.by_tracking(connection, house.keyring, proof.tracking, "other")
        assert proofs.of_tenant(connection, house.keyring, "other") == []
        assert len(proofs.of_tenant(connection, house.keyring, "acme")) == 1
        assert proofs.of_tenant(connection, house.keyring, "acme", after=proof.id) == []


def test_an_unknown_tracking_number_is_a_look_up_error(house: House) -> None:
    """Nothing is made up for it."""
    with house.database.transaction() as connection, pytest.raises(LookupError):
        proofs.confirm(connection, house.keyring, bytes(16), VISIT, time.time())


def test_the_tenant_is_told_of_a_confirmation_once(house: House, keyring: Keyring) -> None:
    """With the change itself, however often the person clicks, and without an address at rest."""
    with house.database.transaction() as connection:
        webhooks.mark(connection, {"acme": [WebhookKind.CONSENT_CONFIRMED]}, NOW)
    proof = house.request()
    house.confirm(proof)
    house.confirm(proof)
    with house.database.reading() as connection:
        (told,) = webhooks.due(connection, "acme", NOW + 999, 10)
        assert plain_texts(connection, keyring, [told.subject or 0]) == {told.subject: JAN.text}
    assert told.kind is WebhookKind.CONSENT_CONFIRMED
    assert told.payload == {"stream": "weekly", "tracking": proof.number, "level": 4}


def test_proofs_are_found_and_confirmed_after_a_rotation_of_keys(
    house: House, keyring: Keyring, stream: StreamTerms
) -> None:
    """What was asked under the old secrets is the same person's under the new ones."""
    proof = house.request()
    house.keyring = Keyring([Generation.fresh(9), *keyring.generations.values()])
    assert [found.id for found in house.found()] == [proof.id]
    with pytest.raises(NotAsked):
        house.request(NOW + DAY)
    assert house.confirm(proof).is_new
    assert house.look_up(stream).consent == 4
    newer = house.request(NOW + 8 * DAY)
    house.confirm(newer, NOW + 8 * DAY)
    assert [p.status for p in house.found()] == [Status.SUPERSEDED, Status.CONFIRMED]
    with house.database.reading() as connection:
        assert proofs.verify(connection, "acme") is None
