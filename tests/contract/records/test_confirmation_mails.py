"""The rounds of confirmation mails over a real database: sent, reminded, expired, never doubled.

The next hop is a function and the clock a variable; what it was given are the exact octets.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.config.signers import signers_of
from gateway.config.tenant import TenantConfig
from gateway.courier import Said
from gateway.message.address import parse_mailbox
from gateway.message.dkim_keys import dns_record
from gateway.opt_in.rounds import House, Rounds
from gateway.records.blocks import add_block
from gateway.records.database import Database
from gateway.records.proofs import Act
from policies.ports import Block
from policies.terms import DAY
from suppression.consent import Status, Step
from suppression.keys import Keyring
from suppression.standing import Reason
from suppression.tokens import Purpose, Tokens
from tests.contract.records.rounds_world import (
    JAN,
    KEY,
    LATER,
    NOW,
    REFUSED,
    TAKEN,
    UNKNOWN,
    Killed,
    World,
)
from tests.e2e.verifiers import by_dkimpy, txt

pytestmark = pytest.mark.sqlite_file
"""What is mailed is the same wherever the rows lie; `test_proofs` has those."""


def stored(folder: Path) -> bytes:
    """Every octet of the database's files, in lower case."""
    return b"".join(path.read_bytes() for path in folder.glob("consentry.db*")).lower()


@pytest.fixture
def tenant(tmp_path: Path) -> TenantConfig:
    (tmp_path / "key.pem").write_bytes(KEY)
    return TenantConfig.model_validate(
        {
            "name": "acme",
            "display_name": "Księgarnia „Róg”",
            "state": "open",
            "domains": {
                "acme.test": {"dkim": [{"selector": "s", "key_file": str(tmp_path / "key.pem")}]}
            },
            "streams": {
                "weekly": {
                    "kind": "list",
                    "display_name": "Nowości",
                    "opt_in": {"sender": "listy@acme.test", "privacy": "https://acme.test/dane"},
                }
            },
        }
    )


@pytest.fixture
def world(database: Database, keyring: Keyring, tenant: TenantConfig) -> World:
    tenants = {"acme": tenant}
    house = House(
        "gateway.test", "https://gateway.test/c", tenants, signers_of(tenants), (), keyring
    )
    return World(database, keyring, house)


def change(world: World, **changes: object) -> None:
    """The tenant's file says something else from now on."""
    tenant = world.house.tenants["acme"].model_copy(update=changes)
    world.house = replace(world.house, tenants={"acme": tenant})
    world.rounds.adopt(world.house)


async def test_a_request_is_mailed_signed_and_on_record(world: World) -> None:
    """The mail holds the words, one link that only confirms this proof, and a valid signature."""
    proof = world.request(act=Act(NOW - 60, "203.0.113.8"))
    await world.at(NOW)
    ((sender, recipient, octets),) = world.sent
    assert (sender, recipient) == ("listy@acme.test", JAN.text)
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert message["To"] == JAN.text
    assert message["From"] == "Księgarnia „Róg” <listy@acme.test>"
    assert message["Subject"] == "Prosimy o potwierdzenie: Nowości"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Consent-Number"] == proof.number
    plain, html = (part.get_content() for part in message.iter_parts())
    assert "Mogę ją wycofać." in plain
    assert "https://acme.test/dane" in html
    links = set(re.findall(r"https://gateway\.test/c/([a-z2-7]{52})\b", plain + html))
    (token,) = links
    read = Tokens(world.keyring).read(Purpose.CONFIRM, token)
    assert read is not None
    assert (read.stream_number, read.key) == (proof.scope, proof.tracking)
    (signature,) = by_dkimpy(octets, {"s._domainkey.acme.test": txt(dns_record(KEY))})
    assert (signature.domain, signature.is_valid) == ("acme.test", True)

    requested, sending, mailed = world.steps(proof)
    assert requested.step is Step.REQUESTED
    assert sending.facts["sha256"] == sha256(octets).hexdigest()
    assert sending.facts["message_id"] == message["Message-ID"]
    assert mailed.facts["hop"] == "main"
    assert mailed.personal == {"reply": TAKEN.words}
    assert world.proof(proof).expires_at == NOW + 7 * DAY


async def test_one_reminder_then_the_end(world: World) -> None:
    """After three days one reminder goes out, after seven the request expires, silently."""
    proof = world.request()
    await world.at(NOW + 5)
    await world.at(NOW + 3 * DAY)
    assert len(world.sent) == 1
    await world.at(NOW + 5 + 3 * DAY)
    await world.at(NOW + 6 * DAY)
    assert len(world.sent) == 2
    reminder = email.message_from_bytes(world.sent[1][2], policy=email.policy.default)
    assert "Przypomnienie" in str(reminder["Subject"])
    await world.at(NOW + 5 + 7 * DAY)
    assert world.proof(proof).status is Status.EXPIRED
    assert world.names(proof)[-3:] == [Step.SENDING, Step.REMINDED, Step.EXPIRED]
    await world.at(NOW + 400 * DAY)
    assert len(world.sent) == 2


async def test_no_reminder_where_the_list_wants_none(world: World) -> None:
    """`reminder_after: null` leaves the one mail alone."""
    weekly = world.house.tenants["acme"].streams["weekly"]
    opt_in = weekly.opt_in.model_copy(update={"reminder_after": None})
    change(world, streams={"weekly": weekly.model_copy(update={"opt_in": opt_in})})
    proof = world.request()
    await world.at(NOW)
    await world.at(NOW + 6.9 * DAY)
    await world.at(NOW + 7 * DAY)
    assert len(world.sent) == 1
    assert world.proof(proof).status is Status.EXPIRED


async def test_who_has_answered_is_not_reminded(world: World) -> None:
    """A confirmed request is due for nothing any more."""
    proof = world.request()
    await world.at(NOW)
    world.confirm(proof)
    await world.at(NOW + 30 * DAY)
    assert len(world.sent) == 1
    assert world.proof(proof).status is Status.CONFIRMED


async def test_a_deferred_mail_is_tried_again_ever_later(world: World) -> None:
    """4xx and an unreachable next hop mean later: after 1, 2, 4 minutes."""
    world.answers = [LATER, LATER, LATER]
    proof = world.request()
    for moment in (0, 59, 60, 179, 180, 419, 420):
        await world.at(NOW + moment)
    assert len(world.sent) == 1
    assert world.names(proof).count(Step.DEFERRED) == 3
    assert world.proof(proof).mailed_at == NOW + 420


async def test_what_is_never_taken_expires(world: World) -> None:
    """A mail that nobody takes for seven days is given up."""
    world.answers = [LATER] * 1000
    proof = world.request()
    for hour in range(7 * 24 + 1):
        await world.at(NOW + hour * 3600)
    assert world.proof(proof).status is Status.EXPIRED
    assert not world.sent


async def test_a_refused_mail_fails(world: World) -> None:
    """5xx about the recipient ends the request, with the next hop's words sealed."""
    world.answers = [REFUSED]
    proof = world.request()
    await world.at(NOW)
    await world.at(NOW + DAY)
    assert world.proof(proof).status is Status.FAILED
    assert world.steps(proof)[-1].personal == {"reply": REFUSED.words}
    assert len(world.sent) == 1


async def test_a_crash_after_the_answer_sends_the_same_mail_once_more(world: World) -> None:
    """The very same octets, marked as a repeat; a second crash is taken for a mail that arrived."""
    world.answers = [Killed(), Killed()]
    proof = world.request()
    for moment in (0, 120):
        with pytest.raises(Killed):
            await world.at(NOW + moment)
        world.restart()
    await world.at(NOW + 240)
    await world.at(NOW + 360)
    first, second = (octets for _, _, octets in world.sent)
    assert first == second
    sending = [step for step in world.steps(proof) if step.step is Step.SENDING]
    assert [step.facts.get("is_repeat", False) for step in sending] == [False, True]
    assert len({step.facts["message_id"] for step in sending}) == 1
    assert world.steps(proof)[-1].facts["is_assumed"] is True
    assert world.proof(proof).status is Status.MAILED


async def test_silence_after_the_dot_is_a_mail_that_may_have_arrived(world: World) -> None:
    """It is sent once more, and a refusal of the second copy does not undo the first."""
    world.answers = [UNKNOWN, REFUSED]
    proof = world.request()
    await world.at(NOW)
    await world.at(NOW + 120)
    assert world.proof(proof).status is Status.MAILED
    assert len(world.sent) == 2
    assert world.confirm(proof).is_new


@pytest.mark.parametrize(
    ("reason", "scope"),
    [
        (Reason.PROTECTED, "*"),
        (Reason.COMPLAINT, "acme"),
        (Reason.OBJECTION, "acme"),
        (Reason.ERASURE, "acme"),
        (Reason.UNSUBSCRIBE, "acme/weekly"),
        (Reason.UNSUBSCRIBE, "acme"),
    ],
)
async def test_what_came_between_stops_the_mail(world: World, reason: Reason, scope: str) -> None:
    """Nothing leaves once the records forbid it, and nothing does later."""
    proof = world.request()
    world.now = NOW + 1
    world.suppress(reason, scope)
    await world.at(NOW + 2)
    await world.at(NOW + DAY)
    assert not world.sent
    assert world.proof(proof).status is Status.FAILED


async def test_what_came_between_stops_the_reminder(world: World) -> None:
    """The question stands, and may still be confirmed; no second mail goes out."""
    proof = world.request()
    await world.at(NOW)
    world.suppress(Reason.COMPLAINT, "acme")
    await world.at(NOW + 4 * DAY)
    assert len(world.sent) == 1
    assert world.proof(proof).status is Status.MAILED
    await world.at(NOW + 7 * DAY)
    assert world.proof(proof).status is Status.EXPIRED


async def test_who_unsubscribed_before_asking_again_is_mailed(world: World) -> None:
    """The older unsubscribe was known when the form was filled in."""
    world.suppress(Reason.UNSUBSCRIBE, "acme/weekly")
    world.now = NOW + 100
    world.request(act=Act(NOW + 90, "203.0.113.8"))
    await world.at(NOW + 100)
    assert len(world.sent) == 1


@pytest.mark.parametrize("state", ["closed", "disabled"])
async def test_a_tenant_that_may_not_send_sends_later(world: World, state: str) -> None:
    """The mail waits for the tenant to be opened."""
    change(world, state=state)
    proof = world.request()
    await world.at(NOW)
    assert not world.sent
    assert world.names(proof) == [Step.REQUESTED, Step.DEFERRED]
    change(world, state="open")
    await world.at(NOW + 60)
    assert len(world.sent) == 1


async def test_a_blocked_domain_sends_nothing(world: World) -> None:
    """A block on the sender's domain holds confirmation mails back too."""
    with world.database.transaction() as connection:
        add_block(connection, "acme", Block("C-000001", "acme.test", "test"), "operator", NOW)
    world.request()
    await world.at(NOW)
    assert not world.sent


async def test_unsigned_mail_never_leaves(world: World) -> None:
    """Without a key for the sender's domain the mail waits."""
    world.house = replace(world.house, signers={})
    world.rounds.adopt(world.house)
    world.request()
    await world.at(NOW)
    assert not world.sent


async def test_a_slow_next_hop_keeps_no_other_mail_waiting(world: World) -> None:
    """While one mail hangs, the next request goes out."""
    hanging, sent = asyncio.Event(), world.send

    async def slow(sender: str, recipient: str, octets: bytes) -> Said:
        if recipient == JAN.text:
            await hanging.wait()
        return await sent(sender, recipient, octets)

    world.rounds = Rounds(
        world.database, world.house, world.events.append, lambda: world.now, slow, pause=0.01
    )
    world.request()
    world.request(address=parse_mailbox("ewa@example.org"))
    while not world.sent:
        await world.rounds.run()
    assert [recipient for _, recipient, _ in world.sent] == ["ewa@example.org"]
    hanging.set()
    await world.rounds.close()
    assert len(world.sent) == 2


async def test_no_event_and_no_open_row_holds_an_address(
    world: World, tmp_path: Path, database: Database
) -> None:
    """Address, IP and the next hop's words are sealed wherever they are kept."""
    proof = world.request(act=Act(NOW - 60, "203.0.113.8", "https://acme.test/f?e=jan@x.test"))
    await world.at(NOW)
    world.confirm(proof)
    told = repr(world.events).lower()
    octets = stored(tmp_path)
    for secret in ("jan.kowalski", "203.0.113", "jan@x.test", "browser/1.0"):
        assert secret not in told
        assert secret.encode() not in octets
