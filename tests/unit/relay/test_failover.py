"""The next hop breaks off or refuses us after EHLO: the transaction goes on at another one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.relay.outcome import HopReply, Outcome, State, Trouble
from gateway.relay.transaction import Copy, RelayTransaction
from gateway.words import Body

Make = Callable[..., Any]
REFUSES_US = b"554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied\r\n"
RELAY_DENIED = b"554 5.7.1 <r@x.example>: Relay access denied\r\n"
BREAKS = ["DROP", b"421 4.3.2 too busy\r\n", b"what?\r\n"]


def begin(relay: Any) -> RelayTransaction:
    made = relay.hops.transaction("a@b.example", size=None, body=Body.SEVEN_BIT, smtputf8=False)
    assert isinstance(made, RelayTransaction)
    return made


def always(hop: Any, verb: str, step: Any) -> None:
    said = hop.DROP if step == "DROP" else step
    hop.on(verb, lambda _: said)


async def ask(transaction: RelayTransaction, *names: str) -> list[HopReply]:
    return await transaction.ask([f"{name}@x.example" for name in names])


async def send(transaction: RelayTransaction, *names: str) -> list[Outcome]:
    """Send to those who were asked; the dot goes out once at most."""
    dots: list[None] = []
    copy = Copy(tuple(f"{name}@x.example" for name in names), b"A: b\r\n\r\n", (b"text\r\n",))
    outcomes = await transaction.send(copy, lambda: dots.append(None))
    await transaction.close()
    assert len(dots) <= 1
    return outcomes


async def relay_one(relay: Any, name: str = "r") -> Outcome:
    transaction = begin(relay)
    (reply,) = await ask(transaction, name)
    assert reply.is_positive
    (outcome,) = await send(transaction, name)
    return outcome


def health(relay: Any) -> list[object]:
    return [one["state"] for one in relay.hops.describe()]


@pytest.mark.parametrize(
    ("verb", "step"),
    [
        *((verb, step) for verb in ("MAIL", "RCPT", "DATA") for step in BREAKS),
        ("MAIL", b"530 5.7.0 Must issue a STARTTLS command first\r\n"),
        ("MAIL", REFUSES_US),
        ("RCPT", REFUSES_US),
        ("DATA", REFUSES_US),
    ],
)
async def test_the_other_takes_what_the_first_does_not(
    hop: Any, second_hop: Any, relay_to: Make, verb: str, step: Any
) -> None:
    """The mail goes out at once, once; the next goes straight to the other one."""
    relay = relay_to(hop, second_hop)
    always(hop, verb, step)
    assert (await relay_one(relay, "one")).state is State.TAKEN
    connections = hop.connections
    assert (await relay_one(relay, "two")).state is State.TAKEN
    assert [taken.recipients for taken in second_hop.taken] == [
        ["one@x.example"],
        ["two@x.example"],
    ]
    assert (hop.taken, hop.connections) == ([], connections)
    kind = "refused_us" if isinstance(step, bytes) and step[:1] == b"5" else "lost"
    assert relay.alarms == [f"next_hop.{kind}"]
    assert health(relay)[1] == "up"
    assert health(relay)[0] != "up"


async def test_the_first_is_preferred_again_when_it_takes_mail(
    hop: Any, second_hop: Any, relay_to: Make
) -> None:
    """To accept a recipient does not heal one that drops messages; to take a message does."""
    relay = relay_to(hop, second_hop)
    always(hop, "DATA", "DROP")
    for seconds in (0.0, 1.1, 1.1):
        relay.now += seconds
        assert (await relay_one(relay)).state is State.TAKEN
    assert len(second_hop.taken) == 3
    assert (health(relay), relay.alarms) == (["broke-off", "up"], ["next_hop.lost"])
    hop.on("DATA")
    relay.now += 1.1
    for _ in range(2):
        assert (await relay_one(relay)).state is State.TAKEN
    assert (len(hop.taken), len(second_hop.taken)) == (2, 3)
    assert health(relay) == ["up", "up"]
    assert relay.alarms == ["next_hop.lost", "next_hop.recovered"]


async def test_recipients_accepted_by_the_first_get_their_copy_from_the_other(
    hop: Any, second_hop: Any, relay_to: Make
) -> None:
    """Between two groups the first breaks down: the second group is asked elsewhere, the copy
    goes there with all recipients."""
    relay = relay_to(hop, second_hop)
    transaction = begin(relay)
    assert (await ask(transaction, "one"))[0].is_positive
    always(hop, "RCPT", "DROP")
    assert (await ask(transaction, "two"))[0].is_positive
    outcomes = await send(transaction, "one", "two")
    assert [outcome.state for outcome in outcomes] == [State.TAKEN] * 2
    assert [taken.recipients for taken in second_hop.taken] == [["one@x.example", "two@x.example"]]
    assert hop.taken == []


async def test_a_recipient_refused_where_another_was_accepted_is_no_reason_to_leave(
    hop: Any, second_hop: Any, relay_to: Make
) -> None:
    """Who takes the one recipient does not refuse us as a whole: 451 for the other, no more."""
    relay = relay_to(hop, second_hop)
    hop.on("RCPT", None, RELAY_DENIED)
    transaction = begin(relay)
    assert [reply.code for reply in await ask(transaction, "one", "two")] == [250, 451]
    hop.on("RCPT", RELAY_DENIED)
    assert (await ask(transaction, "three"))[0].trouble is Trouble.REFUSES_US
    assert (await send(transaction, "one"))[0].state is State.TAKEN
    assert (len(hop.taken), second_hop.connections) == (1, 0)
    assert health(relay) == ["up", "up"]


async def test_only_who_was_refused_for_our_sake_is_asked_again(
    hop: Any, second_hop: Any, relay_to: Make
) -> None:
    """The first next hop's word about an unknown recipient stands."""
    relay = relay_to(hop, second_hop)
    hop.on("RCPT", b"550 5.1.1 unknown\r\n", REFUSES_US)
    transaction = begin(relay)
    assert [reply.code for reply in await ask(transaction, "one", "two")] == [550, 250]
    assert second_hop.of("RCPT") == [(1, "RCPT TO:<two@x.example>")]
    assert (await send(transaction, "two"))[0].state is State.TAKEN


@pytest.mark.parametrize(
    ("step", "trouble"), [("DROP", Trouble.BROKE_OFF), (REFUSES_US, Trouble.REFUSES_US)]
)
async def test_where_there_is_no_other_it_is_asked_all_the_same(
    hop: Any, relay_to: Make, step: Any, trouble: Trouble
) -> None:
    """A next hop that lets us in is passed over in favour of another only; it stays ready."""
    relay = relay_to(hop)
    always(hop, "RCPT", step)
    for _ in range(2):
        asked = len(hop.of("RCPT"))
        (reply,) = await ask(begin(relay), "r")
        assert (reply.code, reply.trouble) == (451, trouble)
        assert len(hop.of("RCPT")) > asked
    assert relay.hops.is_up
    hop.on("RCPT")
    assert (await relay_one(relay)).state is State.TAKEN
    assert health(relay) == ["up"]


async def test_where_all_fail_the_firsts_trouble_is_told(
    hop: Any, second_hop: Any, relay_to: Make
) -> None:
    """Each is tried, for every recipient, and nothing is sent."""
    relay = relay_to(hop, second_hop)
    hop.on("MAIL", REFUSES_US)
    always(second_hop, "MAIL", "DROP")
    replies = await ask(begin(relay), "one", "two")
    assert [reply.trouble for reply in replies] == [Trouble.REFUSES_US] * 2
    assert len(second_hop.of("MAIL")) == 3


async def test_where_one_refuses_and_the_other_drops_the_mail_is_put_off(
    hop: Any, second_hop: Any, relay_to: Make
) -> None:
    """Accepted at the second, whose trouble is then the only one left to tell."""
    relay = relay_to(hop, second_hop)
    hop.on("MAIL", lambda _: b"530 5.7.0 not you\r\n")
    always(second_hop, "DATA", "DROP")
    transaction = begin(relay)
    assert (await ask(transaction, "r"))[0].is_positive
    (outcome,) = await send(transaction, "r")
    assert (outcome.state, outcome.reply.trouble) == (State.DEFERRED, Trouble.BROKE_OFF)
    assert (hop.taken, second_hop.taken) == ([], [])


@pytest.mark.parametrize("step", ["DROP", b"what?\r\n", REFUSES_US])
async def test_after_the_dot_nothing_goes_elsewhere(
    hop: Any, second_hop: Any, relay_to: Make, step: Any
) -> None:
    """What the first was given whole is never given to the other; the next mail is."""
    relay = relay_to(hop, second_hop)
    always(hop, "DOT", step)
    outcome = await relay_one(relay)
    assert outcome.state is (State.DEFERRED if step == REFUSES_US else State.UNKNOWN)
    assert second_hop.connections == 0
    assert (await relay_one(relay, "next")).state is State.TAKEN
    assert [taken.recipients for taken in second_hop.taken] == [["next@x.example"]]


async def test_what_becomes_unknown_at_the_other_stays_unknown(
    hop: Any, second_hop: Any, relay_to: Make
) -> None:
    """Nothing was sent at the first, but at the second the dot was: that is what counts."""
    relay = relay_to(hop, second_hop)
    always(hop, "DATA", "DROP")
    always(second_hop, "DOT", "DROP")
    assert (await relay_one(relay)).state is State.UNKNOWN
    assert len(second_hop.of(".")) == 1


async def test_another_that_lacks_smtputf8_is_no_final_answer(
    hop: Any, second_hop: Any, relay_to: Make
) -> None:
    """Only the one that is away may take such mail: it is put off, not refused for good."""
    relay = relay_to(hop, second_hop)
    await hop.stop()
    second_hop.on("EHLO", lambda _: b"250-hop.test\r\n250 PIPELINING\r\n")
    transaction = relay.hops.transaction(
        "a@b.example", size=None, body=Body.EIGHT_BIT, smtputf8=True
    )
    (reply,) = await ask(transaction, "r")
    assert (reply.code, reply.trouble) == (451, Trouble.AWAY)


async def test_503_to_a_data_that_has_no_recipient_is_no_refusal_of_us(
    hop: Any, second_hop: Any, relay_to: Make
) -> None:
    """DATA is pipelined behind recipients who are refused one and all: nobody's answer."""
    relay = relay_to(hop, second_hop)
    transaction = begin(relay)
    await ask(transaction, "one", "two")
    hop.on("RCPT", lambda _: b"550 5.1.1 gone by now\r\n")
    hop.on("DATA", lambda _: b"503 5.5.1 need RCPT\r\n")
    assert [outcome.state for outcome in await send(transaction, "one")] == [State.REFUSED]
    assert (relay.alarms, second_hop.connections) == ([], 0)
