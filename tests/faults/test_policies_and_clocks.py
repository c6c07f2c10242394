"""Policies that raise, hang or answer nonsense, and wall clocks that jump: mail waits with 451, it
is never taken for "no objection", and nothing expires in bulk.

One gateway in this process, for its policies and clocks to be replaced.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from gateway.errors import StoreUnavailable
from gateway.message.header import HeaderView
from gateway.message.received import Message
from gateway.pipeline import Pipeline
from gateway.words import Mode
from policies.claims import Claim, Granted
from policies.transaction import Recipient, Transaction
from policies.verdict import ACCEPT, Verdict
from tests.e2e.certificates import Certificates
from tests.e2e.gateway import PASSWORD, Gateway, Settings, acme, customer
from tests.faults.customer import ANNA, Customer, message, new_id, send
from tests.faults.hop import Action, Hop
from tests.faults.houses import STREAMS, Inside
from tests.faults.waiting import eventually

DAY = 86_400
SUPPRESSED = "suppressed@inbox.test"


class Wall:
    """A wall clock that can be set."""

    def __init__(self) -> None:
        self.offset = 0.0

    def __call__(self) -> float:
        return time.time() + self.offset


@pytest.fixture(scope="module")
def wall() -> Wall:
    """The gateway's wall clock."""
    return Wall()


@pytest.fixture(scope="module")
def house(
    shared_hop: Hop,
    certificates: Certificates,
    tmp_path_factory: pytest.TempPathFactory,
    wall: Wall,
) -> Iterator[Inside]:
    """A gateway with one recipient suppressed for 90 days."""
    settings = Settings(
        shared_hop.port,
        tenants={
            "acme": acme(streams=STREAMS),
            "small": customer("small", limits={"bytes_per_day": 20_000}),
        },
    )
    harness = Gateway(tmp_path_factory.mktemp("house"), settings, certificates)
    with Inside(harness, clock=wall) as running:
        harness.run("suppress", "add", SUPPRESSED, "--reason", "hard_bounce", "--scope", "acme")
        yield running


# ---- policies -----------------------------------------------------------------------------------


async def breaks(_t: Transaction) -> Verdict:
    raise ZeroDivisionError("a mistake of ours")


async def is_away(_t: Transaction) -> Verdict:
    raise StoreUnavailable("records: away")


async def hangs(_t: Transaction) -> Verdict:
    await asyncio.sleep(60)
    return ACCEPT


async def says_nothing(_t: Transaction) -> Verdict:
    return None  # type: ignore[return-value]


Fault = Callable[[Transaction], Awaitable[Verdict]]


class Broken:
    """A policy that does not work."""

    name = "broken"

    def __init__(self, fault: Fault) -> None:
        self.fault = fault


class AtMail(Broken):
    """Fails at MAIL."""

    async def at_mail(self, t: Transaction) -> Verdict:
        """Fail."""
        return await self.fault(t)


class AtRcpt(Broken):
    """Fails at RCPT."""

    async def at_rcpt(self, t: Transaction, group: Sequence[Recipient]) -> Sequence[Verdict]:
        """Fail."""
        return [await self.fault(t) for _ in group]


class AtMessage(Broken):
    """Fails on the message."""

    async def at_message(self, t: Transaction, message: Message, view: HeaderView) -> Verdict:
        """Fail."""
        return await self.fault(t)


class AtConfirm(Broken):
    """Fails before the copies go out."""

    claims = True

    async def claims_at_confirm(
        self, t: Transaction, octets_per_copy: int, copies: int
    ) -> Sequence[Claim] | Verdict:
        """Fail."""
        return await self.fault(t)

    def judge_at_confirm(
        self,
        t: Transaction,
        octets_per_copy: int,
        copies: int,
        claims: Sequence[Claim],
        granted: Sequence[Granted],
    ) -> Verdict:
        """Never asked: there was no claim."""
        raise AssertionError


@pytest.mark.parametrize("fault", [breaks, is_away, hangs, says_nothing])
@pytest.mark.parametrize("stage", [AtMail, AtRcpt, AtMessage, AtConfirm])
def test_a_policy_that_fails_defers(
    stage: type[Broken], fault: Fault, house: Inside, hop: Hop
) -> None:
    """451 4.3.0 without a word of what it was; journal and metrics name the policy."""
    gateway = house.gateway
    whole, unique = gateway.snapshot, new_id()
    pipeline = Pipeline(
        [(stage(fault), Mode.ENFORCE)],
        gateway.stores.look_ups.standings,
        0.2,
        gateway._policy_failed,
    )
    gateway.snapshot = replace(whole, pipeline=pipeline)
    try:
        answer = send(house.port, message(unique))
    finally:
        gateway.snapshot = whole
    assert (answer.code, answer.tag) == (451, "TEMP")
    assert "4.3.0" in answer.text
    assert "mistake" not in answer.text
    assert "Error" not in answer.text
    assert hop.copies_of(unique) == 0
    assert house.event("policy.failed").detail["policy"] == "broken"
    assert 'policy="broken"' in house.call(gateway.metrics.text)
    assert send(house.port, message(unique)).code == 250


# ---- clocks -------------------------------------------------------------------------------------


@pytest.fixture(params=[400 * DAY, -400 * DAY], ids=["ahead", "back"])
def jump(request: pytest.FixtureRequest, wall: Wall) -> Iterator[float]:
    """How far the wall clock will jump; afterwards it is right again."""
    yield request.param
    wall.offset = 0.0


def test_a_suppression_outlives_a_jump(jump: float, wall: Wall, house: Inside, hop: Hop) -> None:
    """A recipient suppressed for 90 days is not mailed because a clock is wrong."""
    assert send(house.port, message(new_id()), SUPPRESSED).tag == "BOUNCED"
    wall.offset = jump
    unique = new_id()
    assert send(house.port, message(unique), SUPPRESSED).tag == "BOUNCED"
    assert hop.copies_of(unique) == 0


def test_the_ledger_outlives_a_jump(jump: float, wall: Wall, house: Inside, hop: Hop) -> None:
    """A retry after the jump, and after the hourly clearing up, doubles nothing."""
    unique = new_id()
    hop.on("DOT", Action.HOLD)
    with Customer(house.port) as leaver:
        leaver.hello()
        leaver.envelope(ANNA)
        leaver.send(message(unique) + b".\r\n")
        hop.wait_held()
        leaver.leave(resets=True)
    eventually(lambda: house.call(lambda: len(house.gateway.watch)) == 0)
    hop.release()
    eventually(lambda: not hop.held and not house.gateway.delivery.in_progress)
    eventually(lambda: house.gateway.ledger._stored and not house.gateway.ledger._unsaved)
    wall.offset = jump
    house.run(house.gateway.ledger.purge())
    assert send(house.port, message(unique)).code == 250
    assert hop.copies_of(unique) == 1


def test_windows_outlive_a_jump(
    jump: float, wall: Wall, house: Inside, certificates: Certificates
) -> None:
    """A full daily limit stays full."""
    sender = "news@small.test"
    with Customer(house.harness.submissions, tls=certificates) as small:
        small.hello()
        small.sign_in("small", PASSWORD)

        def is_full() -> bool:
            octets = message(new_id(), sender=sender, size=9_000)
            return small.deliver(octets, sender=sender).tag == "BYTES"

        eventually(is_full)
        wall.offset = jump
        assert is_full()
