"""Order, health and failover among next hops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway.relay.outcome import HopReply, Trouble
from gateway.relay.transaction import Copy
from gateway.words import Body


async def ask(relay: Any, recipient: str = "r@x.example", sender: str = "a@b.example") -> HopReply:
    transaction = relay.hops.transaction(sender, size=None, body=Body.SEVEN_BIT, smtputf8=False)
    (reply,) = await transaction.ask([recipient])
    await transaction.close()
    assert isinstance(reply, HopReply)
    return reply


async def test_the_second_serves_while_the_first_is_away(
    hop: Any, second_hop: Any, relay_to: Callable[..., Any]
) -> None:
    """The first is passed over at once, tried again after its backoff, and preferred again."""
    relay = relay_to(hop, second_hop)
    await hop.stop()
    assert (await ask(relay)).is_positive
    assert (await ask(relay)).is_positive
    assert second_hop.of("RCPT") != []
    assert relay.alarms == ["next_hop.lost"]
    assert [one["state"] for one in relay.hops.describe()] == ["away", "up"]
    await hop.start()
    relay.now += 1.0
    assert (await ask(relay, "again@x.example")).is_positive
    assert hop.of("RCPT") == [(1, "RCPT TO:<again@x.example>")]
    assert relay.alarms == ["next_hop.lost", "next_hop.recovered"]
    assert relay.hops.is_up


async def test_with_none_reachable_the_customer_is_deferred(
    hop: Any, relay_to: Callable[..., Any]
) -> None:
    """451 [NEXT-HOP-AWAY], the second time without another try to connect."""
    relay = relay_to(hop)
    await hop.stop()
    for _ in range(2):
        reply = await ask(relay)
        assert (reply.code, reply.trouble) == (451, Trouble.AWAY)
    assert not relay.hops.is_up
    assert relay.hops.describe()[0]["failures"] == 1


async def test_a_hop_that_refuses_us_at_its_door_is_passed_over_and_alarmed(
    hop: Any, second_hop: Any, relay_to: Callable[..., Any]
) -> None:
    """A 5xx banner is an alarm and never a bounce; the other hop takes the mail."""
    hop.on("GREETING", lambda _: b"554 5.7.1 go away\r\n")
    relay = relay_to(hop, second_hop)
    assert (await ask(relay)).is_positive
    assert relay.alarms == ["next_hop.refused_us"]
    alone = relay_to(hop)
    assert (await ask(alone)).trouble is Trouble.REFUSES_US


async def test_a_refusal_of_us_within_a_transaction_is_451_and_one_alarm(
    hop: Any, relay_to: Callable[..., Any]
) -> None:
    """`Relay access denied` never reaches the customer as a 5xx; one alarm a minute is enough."""
    relay = relay_to(hop)
    hop.on("RCPT", lambda _: b"554 5.7.1 <r@x.example>: Relay access denied\r\n")
    for _ in range(3):
        reply = await ask(relay)
        assert (reply.code, reply.trouble) == (451, Trouble.REFUSES_US)
    assert relay.alarms == ["next_hop.refused_us"]


async def test_an_alarm_names_nobody(hop: Any, relay_to: Callable[..., Any]) -> None:
    """Next hops repeat an address that they refuse; journal and `consentry status` have none."""
    for verb in ("RCPT", "MAIL", "GREETING"):
        relay = relay_to(hop)
        hop.on(verb, lambda _: b"554 5.7.1 relay access denied for <r@x.example> r@x.example\r\n")
        await ask(relay)
        (alarm,) = relay.events
        assert alarm.kind == "next_hop.refused_us"
        said = [alarm.detail["words"], relay.hops.describe()[0]["words"]]
        assert "relay access denied for <> <>" in said[0]
        assert "@" not in str(said)


async def test_a_silent_hop_is_passed_over(
    hop: Any, second_hop: Any, relay_to: Callable[..., Any]
) -> None:
    """One transaction waits in vain; the next goes to the other hop."""
    relay = relay_to(hop, second_hop)
    hop.on("MAIL", hop.STALL)
    assert (await ask(relay)).trouble is Trouble.BROKE_OFF
    assert (await ask(relay)).is_positive
    assert second_hop.connections == 1


async def test_a_hops_own_connection_limit_makes_us_wait_in_line(
    hop: Any, relay_to: Callable[..., Any]
) -> None:
    """A 421 banner to one connection too many is no illness: the transaction waits for another."""
    relay = relay_to(hop, idle_seconds=60.0)
    first = relay.hops.transaction("a@b.example", size=None, body=Body.SEVEN_BIT, smtputf8=False)
    await first.ask(["r@x.example"])
    hop.on("GREETING", b"421 4.7.0 too many connections\r\n")
    second = relay.hops.transaction("a@b.example", size=None, body=Body.SEVEN_BIT, smtputf8=False)

    async def finish_first() -> None:
        await hop.until(lambda: relay.hops.describe()[0]["waiting"])
        await first.send(Copy(("r@x.example",), b"A: b\r\n\r\n", ()), lambda: None)
        await first.close()

    replies, _ = await asyncio.gather(second.ask(["s@x.example"]), finish_first())
    assert replies[0].is_positive
    assert relay.alarms == []


async def test_reconfiguring_keeps_what_is_unchanged(
    hop: Any, second_hop: Any, relay_to: Callable[..., Any]
) -> None:
    """Same settings keep their connections; a hop that is gone is left."""
    relay = relay_to(hop, second_hop)
    await relay.hops.check()
    assert (hop.connections, second_hop.connections) == (1, 1)
    changed = replace(relay.settings[0], idle_seconds=1.0)
    await relay.hops.reconfigure([relay.settings[1], changed])
    assert (await ask(relay)).is_positive
    assert [one["connections"] for one in relay.hops.describe()] == [1, 0]
    assert second_hop.connections == 1
    assert len(hop.of("RCPT")) == 0
