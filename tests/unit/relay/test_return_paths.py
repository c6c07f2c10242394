"""Copies with return paths of their own: each goes out under its recipient's, whatever happens."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from gateway.relay.outcome import HopReply, Outcome, State
from gateway.relay.transaction import Copy, RelayTransaction
from gateway.words import Body

Make = Callable[..., Any]
CUSTOMER = "news@acme.example"
MESSAGES = 120


def path_of(recipient: str) -> str:
    """The return path that only this recipient's copy may go out under."""
    return f"bounce+{recipient.partition('@')[0]}@bounces.example"


def begin(relay: Any) -> RelayTransaction:
    made = relay.hops.transaction(CUSTOMER, size=None, body=Body.SEVEN_BIT, smtputf8=False)
    assert isinstance(made, RelayTransaction)
    return made


async def ask(transaction: RelayTransaction, *recipients: str) -> list[HopReply]:
    """Ask as a session does: under the path of the first in the group."""
    return await transaction.ask(recipients, path_of(recipients[0]))


async def send(transaction: RelayTransaction, recipient: str) -> Outcome:
    copy = Copy((recipient,), b"A: b\r\n\r\n", (b"text\r\n",), path_of(recipient))
    (outcome,) = await transaction.send(copy, lambda: None)
    return outcome


def assert_own_paths(*hops: Any) -> None:
    """Every message that arrived has one recipient and came under that recipient's path."""
    for taken in (taken for hop in hops for taken in hop.taken):
        assert taken.sender == path_of(*taken.recipients)


async def test_the_first_mail_is_already_the_first_recipients(hop: Any, relay_to: Make) -> None:
    """One recipient takes one transaction, and the customer's own MAIL FROM is never said."""
    transaction = begin(relay_to(hop))
    await ask(transaction, "anna@x.example")
    assert (await send(transaction, "anna@x.example")).state is State.TAKEN
    assert [line.split()[0] for _, line in hop.commands] == ["EHLO", "MAIL", "RCPT", "DATA", "."]
    assert_own_paths(hop)


async def test_each_copy_is_a_transaction_of_its_own(hop: Any, relay_to: Make) -> None:
    """Of several recipients, asked for in two groups, each gets a copy under their own path."""
    transaction = begin(relay_to(hop))
    readers = [f"r{number}@x.example" for number in range(4)]
    await ask(transaction, *readers[:2])
    await ask(transaction, *readers[2:])
    for reader in readers:
        assert (await send(transaction, reader)).state is State.TAKEN
    assert [taken.recipients for taken in hop.taken] == [[reader] for reader in readers]
    assert hop.connections == 1
    assert_own_paths(hop)


async def test_a_refused_first_leaves_its_path_to_nobody(hop: Any, relay_to: Make) -> None:
    """When the next hop refuses the first, whose MAIL stands, the second's copy gets a new one."""
    hop.on("RCPT", b"550 5.1.1 unknown\r\n")
    transaction = begin(relay_to(hop))
    replies = await ask(transaction, "gone@x.example", "anna@x.example")
    assert [reply.code for reply in replies] == [550, 250]
    assert (await send(transaction, "anna@x.example")).state is State.TAKEN
    assert_own_paths(hop)


@pytest.mark.parametrize("verb", ["DATA", "MAIL", "RCPT"])
@pytest.mark.parametrize("step", [b"421 4.3.2 bye\r\n", "DROP"])
@pytest.mark.parametrize("count", [1, 2])
async def test_replayed_under_the_same_path(
    hop: Any, second_hop: Any, relay_to: Make, verb: str, step: Any, count: int
) -> None:
    """A connection lost between recipients and copies is made good there or at another next hop."""
    readers = ["anna@x.example", "bert@x.example"]
    transaction = begin(relay_to(*[hop, second_hop][:count]))
    await ask(transaction, *readers)
    said = hop.DROP if step == "DROP" else step
    hop.on(verb, *([said] if count == 1 else [said] * 9))
    for reader in readers:
        assert (await send(transaction, reader)).state is State.TAKEN
    arrived = [taken for one in (hop, second_hop) for taken in one.taken]
    assert sorted(taken.recipients[0] for taken in arrived) == readers
    assert_own_paths(hop, second_hop)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("seed", range(3))
async def test_nobodys_copy_under_anothers_path(
    hop: Any, second_hop: Any, relay_to: Make, seed: int, count: int
) -> None:
    """Whatever one next hop or two of them refuse, break off or garble, at any command."""
    chance = random.Random(seed)
    hops = [hop, second_hop][:count]
    steps = [b"450 4.2.0 later\r\n", b"550 5.1.1 no\r\n", b"421 4.3.2 bye\r\n", b"what?\r\n"]

    def trouble(often: float) -> Callable[[str], Any]:
        return lambda _: chance.choice([*steps, hop.DROP]) if chance.random() < often else None

    for one in hops:
        for verb in ("MAIL", "RCPT", "DATA", "DOT", "RSET"):
            one.on(verb, trouble(0.4 if verb == "RCPT" else 0.15))
    relay = relay_to(*hops, max_connections=3)

    async def deliver(readers: list[str]) -> None:
        transaction = begin(relay)
        replies = await ask(transaction, *readers)
        for reader, reply in zip(readers, replies, strict=True):
            if reply.is_positive:
                await send(transaction, reader)
        await transaction.close()

    readers = [f"r{number}@x.example" for number in range(MESSAGES)]
    await asyncio.gather(*(deliver(readers[n : n + 3]) for n in range(0, MESSAGES, 3)))
    assert sum(len(one.taken) for one in hops) > MESSAGES / 8
    assert_own_paths(*hops)
