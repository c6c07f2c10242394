"""Connections are taken back from transactions that wait for their customers, when others need
them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.relay import pool
from gateway.relay.outcome import HopReply, State, Trouble
from gateway.relay.settings import Timeouts
from gateway.relay.transaction import Copy, RelayTransaction
from gateway.words import Body

Make = Callable[..., Any]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "REST_SECONDS", 0.0)
    monkeypatch.setattr(pool, "LINE_SECONDS", 0.3)


def begin(relay: Any) -> RelayTransaction:
    made = relay.hops.transaction("a@b.example", size=None, body=Body.SEVEN_BIT, smtputf8=False)
    assert isinstance(made, RelayTransaction)
    return made


async def ask(transaction: RelayTransaction, *names: str) -> list[HopReply]:
    return await transaction.ask([f"{name}@x.example" for name in names])


async def send(transaction: RelayTransaction, *names: str) -> list[State]:
    copy = Copy(tuple(f"{name}@x.example" for name in names), b"A: b\r\n\r\n", ())
    outcomes = await transaction.send(copy, lambda: None)
    await transaction.close()
    return [outcome.state for outcome in outcomes]


def waiting(relay: Any) -> int:
    count = relay.hops.describe()[0]["waiting"]
    assert isinstance(count, int)
    return count


async def test_two_get_their_mail_over_one_connection(hop: Any, relay_to: Make) -> None:
    """Who lost it goes on, again and again: recipients are asked, then all are sent the copy.

    The line is served at once, without waiting for a sweep (a second with these timeouts).
    """
    relay = relay_to(hop, max_connections=1, timeouts=Timeouts())
    slow, quick = begin(relay), begin(relay)
    for name in ("1", "2"):
        assert (await ask(slow, "s" + name))[0].is_positive
        assert (await ask(quick, "q" + name))[0].is_positive
    assert await send(quick, "q1", "q2") == [State.TAKEN] * 2
    assert await send(slow, "s1", "s2") == [State.TAKEN] * 2
    assert [taken.recipients for taken in hop.taken] == [
        ["q1@x.example", "q2@x.example"],
        ["s1@x.example", "s2@x.example"],
    ]
    assert hop.connections == 1


async def test_who_rested_longest_is_first(hop: Any, relay_to: Make) -> None:
    """Using a connection counts, not having it."""
    relay = relay_to(hop, max_connections=2)
    first, second = begin(relay), begin(relay)
    await ask(first, "f1")
    await ask(second, "s")
    await ask(first, "f2")
    await ask(begin(relay), "other")
    assert [line for number, line in hop.of("RCPT") if number == 1] == [
        "RCPT TO:<f1@x.example>",
        "RCPT TO:<f2@x.example>",
    ]
    assert hop.of("RSET") == [(2, "RSET")]


async def test_one_in_line_is_worth_one_connection(hop: Any, relay_to: Make) -> None:
    """While one is being reset for the line, a sweep takes no second one."""
    relay = relay_to(hop, max_connections=2)
    for name in ("one", "two"):
        await ask(begin(relay), name)
    may_reset = asyncio.Event()
    hop.hold("RSET", may_reset)
    third = asyncio.create_task(ask(begin(relay), "three"))
    await hop.until(lambda: hop.of("RSET"))
    relay.hops._hops[0].pool._sweep()
    may_reset.set()
    assert (await third)[0].is_positive
    assert len(hop.of("RSET")) == 1


@pytest.mark.parametrize("verb", ["RCPT", "DATA", "DOT"])
async def test_nobody_is_robbed_in_the_middle(hop: Any, relay_to: Make, verb: str) -> None:
    """A transaction that waits for the next hop keeps its connection; the line waits for it."""
    relay = relay_to(hop, max_connections=1)
    answer = asyncio.Event()
    hop.hold(verb, answer)
    slow, quick = begin(relay), begin(relay)

    async def mail_slowly() -> list[State]:
        await ask(slow, "s")
        return await send(slow, "s")

    mailing = asyncio.create_task(mail_slowly())
    await hop.until(lambda: hop.of("." if verb == "DOT" else verb))
    in_line = asyncio.create_task(ask(quick, "q"))
    await hop.until(lambda: waiting(relay))
    relay.hops._hops[0].pool._sweep()
    assert not in_line.done()
    assert not hop.of("RSET")
    answer.set()
    assert await asyncio.wait_for(mailing, 60) == [State.TAKEN]
    assert (await in_line)[0].is_positive
    assert len(hop.taken) == 1


async def test_the_line_is_served_as_soon_as_somebody_has_rested(
    hop: Any, relay_to: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who had not rested long enough when the line began is found by the sweep."""
    monkeypatch.setattr(pool, "REST_SECONDS", 0.05)
    relay = relay_to(hop, max_connections=1)
    await ask(begin(relay), "slow")
    in_line = asyncio.create_task(ask(begin(relay), "quick"))
    await hop.until(lambda: waiting(relay))
    assert not hop.of("RSET")
    assert (await in_line)[0].is_positive


async def test_a_quick_customer_keeps_its_connection(
    hop: Any, relay_to: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its second is over nothing is taken back; who waits in vain hears [NEXT-HOP-BUSY]."""
    monkeypatch.setattr(pool, "REST_SECONDS", 60.0)
    relay = relay_to(hop, max_connections=1)
    quick = begin(relay)
    await ask(quick, "q")
    (reply,) = await ask(begin(relay), "other")
    assert (reply.code, reply.enhanced, reply.trouble) == (451, "4.4.5", Trouble.BUSY)
    assert await send(quick, "q") == [State.TAKEN]
    assert len(hop.of("MAIL")) == 1
    assert relay.alarms == []
    assert relay.hops.is_up


async def test_a_connection_lost_at_rest_is_not_taken_back(hop: Any, relay_to: Make) -> None:
    """What the next hop closed meanwhile leaves room for a new one, and the holder goes on too."""
    relay = relay_to(hop, max_connections=1)
    slow = begin(relay)
    await ask(slow, "s")
    for task in list(hop._tasks):
        task.cancel()
    await hop.until(lambda: relay.hops.describe()[0]["connections"] == 0)
    assert (await ask(begin(relay), "other"))[0].is_positive
    assert await send(slow, "s") == [State.TAKEN]


async def test_what_was_closed_is_not_taken_back(hop: Any, relay_to: Make) -> None:
    """A transaction that is over leaves nothing behind in the pool."""
    relay = relay_to(hop)
    transaction = begin(relay)
    await ask(transaction, "r")
    resting = relay.hops._hops[0].pool._resting
    assert len(resting) == 1
    await transaction.close()
    assert not resting
