"""A transaction that may go no further: nothing more goes out, and what is past its dot goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway import replies
from gateway.relay.answers import WITHHELD, reply_for
from gateway.relay.outcome import State
from gateway.relay.transaction import Copy, RelayTransaction
from gateway.words import Body

Make = Callable[..., Any]
ANNA, BERT = "anna@x.example", "bert@x.example"


def begin(relay: Any) -> RelayTransaction:
    made = relay.hops.transaction("news@acme.example", size=9, body=Body.SEVEN_BIT, smtputf8=False)
    assert isinstance(made, RelayTransaction)
    return made


def copy_for(recipient: str) -> Copy:
    return Copy((recipient,), b"Subject: x\r\n\r\n", (b"hello\r\n",))


def nothing() -> None:
    """A `before_dot` that has nothing to say."""


async def test_between_two_steps_the_connection_is_dropped_and_nothing_more_is_sent(
    hop: Any, relay_to: Make
) -> None:
    """Neither a recipient nor a copy reaches the next hop afterwards."""
    transaction = begin(relay_to(hop))
    await transaction.ask([ANNA])
    transaction.abandon()
    said = len(hop.commands)
    assert await transaction.ask([BERT]) == [WITHHELD]
    (outcome,) = await transaction.send(copy_for(ANNA), nothing)
    assert (outcome.state, outcome.reply) == (State.DEFERRED, WITHHELD)
    await transaction.close()
    assert (len(hop.commands), hop.taken, hop.connections) == (said, [], 1)


@pytest.mark.parametrize("verb", ["GREETING", "MAIL", "RCPT"])
async def test_who_is_being_asked_about_gets_a_451(hop: Any, relay_to: Make, verb: str) -> None:
    """Whatever the next hop was about to answer, and no other connection is tried."""
    answer = asyncio.Event()
    hop.hold(verb, answer)
    relay = relay_to(hop)
    transaction = begin(relay)
    asking = asyncio.create_task(transaction.ask([ANNA]))
    await hop.until(lambda: hop.of(verb) or (verb == "GREETING" and hop.connections))
    transaction.abandon()
    answer.set()
    assert await asking == [WITHHELD]
    await transaction.close()
    assert hop.connections == 1
    assert verb != "GREETING" or not hop.of("MAIL")
    assert not relay.alarms


async def test_a_copy_under_way_does_not_get_its_dot(hop: Any, relay_to: Make) -> None:
    """Abandoned between DATA and the dot it was not sent, and `before_dot` is never called."""
    answer, called = asyncio.Event(), []
    hop.hold("DATA", answer)
    relay = relay_to(hop)
    transaction = begin(relay)
    await transaction.ask([ANNA])
    sending = asyncio.create_task(transaction.send(copy_for(ANNA), lambda: called.append(True)))
    await hop.until(lambda: hop.of("DATA"))
    transaction.abandon()
    answer.set()
    (outcome,) = await sending
    assert (outcome.state, called) == (State.DEFERRED, [])
    await transaction.close()
    assert (hop.taken, hop.connections, relay.alarms) == ([], 1, [])


async def test_what_is_past_its_dot_is_never_cut(hop: Any, relay_to: Make) -> None:
    """Its answer is waited for and counts; the copy behind it is not begun."""
    answer = asyncio.Event()
    hop.hold("DOT", answer)
    transaction = begin(relay_to(hop))
    await transaction.ask([ANNA])
    sending = asyncio.create_task(transaction.send(copy_for(ANNA), nothing))
    await hop.until(lambda: hop.of("."))
    transaction.abandon()
    answer.set()
    (outcome,) = await sending
    assert outcome.state is State.TAKEN
    (outcome,) = await transaction.send(copy_for(BERT), nothing)
    assert outcome.reply == WITHHELD
    await transaction.close()
    assert [taken.recipients for taken in hop.taken] == [[ANNA]]


async def test_a_copy_that_may_not_go_right_before_its_dot_does_not(
    hop: Any, relay_to: Make
) -> None:
    """What raises there withholds it, and the customer hears that a check could not be made."""

    def lost() -> None:
        raise LookupError("the batch is another's")

    transaction = begin(relay_to(hop))
    await transaction.ask([ANNA])
    (outcome,) = await transaction.send(copy_for(ANNA), lost)
    assert outcome.state is State.DEFERRED
    assert reply_for(outcome.reply) == replies.TEMP
    await transaction.close()
    assert hop.taken == []
