"""Transactions against a next hop that misbehaves at every point of the conversation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.relay.outcome import Outcome, State, Trouble
from gateway.relay.transaction import Copy, RelayTransaction
from gateway.words import Body

HEADER = b"Subject: x\r\n\r\n"
DROP, STALL = "DROP", "STALL"
Make = Callable[..., Any]


def begin(relay: Any, sender: str = "news@acme.example") -> RelayTransaction:
    made = relay.hops.transaction(sender, size=100, body=Body.EIGHT_BIT, smtputf8=False)
    assert isinstance(made, RelayTransaction)
    return made


def copy_for(*recipients: str, body: tuple[bytes, ...] = (b"hello\r\n",)) -> Copy:
    return Copy(recipients, HEADER, body)


def nothing() -> None:
    """A `before_dot` that has nothing to say."""


def states(outcomes: list[Outcome]) -> list[State]:
    return [outcome.state for outcome in outcomes]


async def relay_one(relay: Any, recipient: str, body: bytes = b"hello\r\n") -> Outcome:
    transaction = begin(relay)
    (reply,) = await transaction.ask([recipient])
    assert reply.is_positive
    (outcome,) = await transaction.send(copy_for(recipient, body=(body,)), nothing)
    await transaction.close()
    return outcome


async def test_one_message_takes_one_transaction_on_a_kept_connection(
    hop: Any, relay_to: Make
) -> None:
    """Message after message goes over the same connection, with parameters as offered."""
    relay = relay_to(hop)
    for number in range(3):
        assert (await relay_one(relay, f"r{number}@x.example")).state is State.TAKEN
    assert hop.connections == 1
    assert [taken.recipients for taken in hop.taken] == [[f"r{n}@x.example"] for n in range(3)]
    assert hop.of("MAIL")[0][1] == "MAIL FROM:<news@acme.example> SIZE=100 BODY=8BITMIME"
    assert not hop.of("RSET")


async def test_lines_that_begin_with_a_dot_arrive_as_they_were(hop: Any, relay_to: Make) -> None:
    """Dots are stuffed in the header, at block borders and inside blocks."""
    relay = relay_to(hop)
    transaction = begin(relay)
    await transaction.ask(["r@x.example"])
    copy = Copy(("r@x.example",), b".odd: 1\r\n\r\n", (b".\r\n..two\r\n", b".three\r\n"))
    assert states(await transaction.send(copy, nothing)) == [State.TAKEN]
    assert hop.taken[0].data == b".odd: 1\r\n\r\n.\r\n..two\r\n.three\r\n"


async def test_a_large_message_waits_for_a_reader_that_is_slow(hop: Any, relay_to: Make) -> None:
    """Twenty megabytes arrive whole and in order through a small write buffer."""
    relay = relay_to(hop)
    blocks = tuple(b"%06d" % n * 10_000 + b"\r\n" for n in range(350))
    transaction = begin(relay)
    await transaction.ask(["r@x.example"])
    outcomes = await transaction.send(copy_for("r@x.example", body=blocks), nothing)
    assert states(outcomes) == [State.TAKEN]
    assert hop.taken[0].data == HEADER + b"".join(blocks)


async def test_each_recipient_gets_its_own_reply(hop: Any, relay_to: Make) -> None:
    """In a pipelined group each reply belongs to the recipient in its place."""
    relay = relay_to(hop)
    hop.on("RCPT", lambda line: b"550 5.1.1 no <u2@x> here\r\n" if "u2" in line else None)
    transaction = begin(relay)
    replies = await transaction.ask(["u1@x.example", "u2@x.example", "u3@x.example"])
    assert [reply.code for reply in replies] == [250, 550, 250]
    outcomes = await transaction.send(copy_for("u1@x.example", "u3@x.example"), nothing)
    assert states(outcomes) == [State.TAKEN, State.TAKEN]
    assert hop.taken[0].recipients == ["u1@x.example", "u3@x.example"]
    assert len(hop.of("MAIL")) == 1


async def test_several_copies_share_one_connection(hop: Any, relay_to: Make) -> None:
    """Each copy is a transaction of its own; only the first has to reset the recipients' one."""
    relay = relay_to(hop)
    recipients = [f"r{n}@x.example" for n in range(5)]
    transaction = begin(relay)
    await transaction.ask(recipients)
    for recipient in recipients:
        outcomes = await transaction.send(copy_for(recipient), nothing)
        assert states(outcomes) == [State.TAKEN]
    await transaction.close()
    assert [taken.recipients for taken in hop.taken] == [[recipient] for recipient in recipients]
    assert hop.connections == 1
    assert len(hop.of("RSET")) == 1


async def test_a_refused_mail_is_the_reply_to_every_recipient(hop: Any, relay_to: Make) -> None:
    """The 503s to the RCPTs behind a refused MAIL are nobody's answer; it says what was refused."""
    relay = relay_to(hop)
    hop.on("MAIL", b"550 5.1.8 bad sender\r\n")
    transaction = begin(relay)
    replies = await transaction.ask(["u1@x.example", "u2@x.example"])
    assert [(reply.code, reply.text) for reply in replies] == [(550, "bad sender")] * 2
    assert all(reply.is_of_mail for reply in replies)


async def test_too_many_recipients_leaves_the_others_for_later(hop: Any, relay_to: Make) -> None:
    """A 552 without an enhanced code puts off at RCPT, and when asked again with the copy."""
    relay = relay_to(hop)
    hop.on("RCPT", None, b"552 Too many recipients\r\n")
    transaction = begin(relay)
    replies = await transaction.ask(["u1@x.example", "u2@x.example"])
    assert [(reply.code, reply.enhanced) for reply in replies] == [(250, "2.1.5"), (452, "4.5.3")]
    hop.on("RCPT", None, b"552 Too many recipients\r\n")
    outcomes = await transaction.send(copy_for("u1@x.example", "u2@x.example"), nothing)
    assert states(outcomes) == [State.TAKEN, State.DEFERRED]


async def test_75_unknown_of_100_cost_no_good_recipient_its_mail(hop: Any, relay_to: Make) -> None:
    """A hop that hangs up after 20 refusals never gets to: no connection collects more than 8."""
    relay = relay_to(hop)
    hop.on("RCPT", lambda line: None if "good" in line else b"550 5.1.1 User unknown\r\n")
    recipients = [f"{'good' if n % 4 == 0 else 'bad'}{n}@x.example" for n in range(100)]
    transaction = begin(relay)
    replies = await transaction.ask(recipients[:60]) + await transaction.ask(recipients[60:])
    assert [reply.code for reply in replies] == [250 if n % 4 == 0 else 550 for n in range(100)]
    good = tuple(recipients[::4])
    assert states(await transaction.send(copy_for(*good), nothing)) == [State.TAKEN] * 25
    assert [tuple(taken.recipients) for taken in hop.taken] == [good]
    refused = [number for number, line in hop.of("RCPT") if "bad" in line]
    assert max(refused.count(number) for number in set(refused)) <= 8


async def test_a_421_within_a_group_goes_on_elsewhere(hop: Any, relay_to: Make) -> None:
    """Who was answered keeps the answer, who was not is asked on another connection."""
    relay = relay_to(hop)
    hop.on("RCPT", None, b"550 5.1.1 no\r\n", b"421 4.7.0 enough\r\n")
    transaction = begin(relay)
    replies = await transaction.ask([f"r{n}@x.example" for n in range(4)])
    assert [reply.code for reply in replies] == [250, 550, 250, 250]
    copy = copy_for("r0@x.example", "r2@x.example", "r3@x.example")
    assert states(await transaction.send(copy, nothing)) == [State.TAKEN] * 3
    assert [taken.recipients for taken in hop.taken] == [list(copy.recipients)]
    assert hop.taken[0].connection == 2


async def test_a_recipient_refused_when_asked_again_gets_its_own_outcome(
    hop: Any, relay_to: Make
) -> None:
    """After a lost connection one of two is refused: the other is sent the copy all the same."""
    relay = relay_to(hop)
    hop.on("DATA", b"421 4.3.2 restarting\r\n")
    transaction = begin(relay)
    await transaction.ask(["r0@x.example", "r1@x.example"])
    hop.on("RCPT", b"550 5.1.1 gone by now\r\n")
    outcomes = await transaction.send(copy_for("r0@x.example", "r1@x.example"), nothing)
    assert states(outcomes) == [State.REFUSED, State.TAKEN]
    assert hop.taken[0].recipients == ["r1@x.example"]


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("step", [DROP, b"421 4.3.2 bye\r\n"])
async def test_a_connection_lost_before_the_dot_is_replayed(
    hop: Any, relay_to: Make, verb: str, step: Any
) -> None:
    """A drop or a 421 anywhere before the dot costs nobody anything."""
    relay = relay_to(hop)
    hop.on(verb, _step(hop, step))
    assert (await relay_one(relay, "r@x.example")).state is State.TAKEN
    assert len(hop.taken) == 1
    assert hop.connections == 2


@pytest.mark.parametrize("verb", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("step", [DROP, STALL, b"421 4.3.2 bye\r\n", b"what?\r\n", b"250 a\n"])
async def test_a_next_hop_that_fails_at_every_try_defers(
    hop: Any, relay_to: Make, verb: str, step: Any
) -> None:
    """Whatever it does before the dot, for ever: 451, nothing sent, nothing raised, no hang."""
    relay = relay_to(hop)
    hop.on(verb, lambda _: _step(hop, step))
    transaction = begin(relay)
    replies = await transaction.ask(["r@x.example"])
    if replies[0].is_positive:
        outcomes = await transaction.send(copy_for("r@x.example"), nothing)
        assert states(outcomes) == [State.DEFERRED]
        replies = [outcomes[0].reply]
    assert replies[0].code == 451
    assert replies[0].trouble in (Trouble.AWAY, Trouble.BROKE_OFF)
    assert hop.taken == []
    assert hop.connections <= 3


@pytest.mark.parametrize(
    ("step", "state"),
    [
        (DROP, State.UNKNOWN),
        (STALL, State.UNKNOWN),
        (b"what?\r\n", State.UNKNOWN),
        (b"354 go on\r\n", State.UNKNOWN),
        (b"250 Ok\r\n250 Ok\r\n", State.UNKNOWN),
        (b"421 4.3.2 bye\r\n", State.DEFERRED),
        (b"452 4.3.1 full\r\n", State.DEFERRED),
        (b"554 5.7.1 no such content\r\n", State.REFUSED),
    ],
)
async def test_what_follows_the_dot_is_never_sent_again(
    hop: Any, relay_to: Make, step: Any, state: State
) -> None:
    """After the dot only a reply in its place decides; the lack of one is `unknown`."""
    relay = relay_to(hop)
    hop.on("DOT", _step(hop, step))
    assert (await relay_one(relay, "r@x.example")).state is state
    assert len(hop.of(".")) == 1
    relay.now += 60
    assert (await relay_one(relay, "s@x.example")).state is State.TAKEN


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "DOT"])
async def test_a_late_or_surplus_answer_is_never_the_next_messages(
    hop: Any, relay_to: Make, verb: str
) -> None:
    """A hop that answers twice at any point loses the connection, not a message."""
    relay = relay_to(hop)
    usual = b"354 go on\r\n" if verb == "DATA" else b"250 2.0.0 Ok\r\n"
    hop.on(verb, usual + b"250 2.0.0 for another\r\n")
    transaction = begin(relay)
    replies = await transaction.ask(["first@x.example"])
    if replies[0].is_positive:
        outcomes = await transaction.send(copy_for("first@x.example"), nothing)
        assert outcomes[0].state in (State.DEFERRED, State.UNKNOWN)
    await transaction.close()
    hop.on("RCPT", b"550 5.1.1 second is unknown\r\n")
    second = begin(relay)
    (reply,) = await second.ask(["second@x.example"])
    assert (reply.code, reply.text) == (550, "second is unknown")


async def test_the_dot_is_not_sent_when_before_dot_raises(hop: Any, relay_to: Make) -> None:
    """Without the intent on record the connection is dropped and the copy deferred."""
    relay = relay_to(hop)

    def refuse() -> None:
        raise OSError("disk full")

    transaction = begin(relay)
    await transaction.ask(["r@x.example"])
    outcomes = await transaction.send(copy_for("r@x.example"), refuse)
    await transaction.close()
    assert states(outcomes) == [State.DEFERRED]
    assert (await relay_one(relay, "s@x.example")).state is State.TAKEN
    assert [taken.recipients for taken in hop.taken] == [["s@x.example"]]
    assert len(hop.of(".")) == 1


async def test_cancelled_after_the_dot_the_outcome_comes_late(hop: Any, relay_to: Make) -> None:
    """The caller leaves, the relay listens on, and the connection serves again afterwards."""
    relay = relay_to(hop)
    answer = asyncio.Event()
    late: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
    sent = asyncio.Event()
    hop.hold("DOT", answer)
    transaction = begin(relay)
    await transaction.ask(["r@x.example"])
    task = asyncio.create_task(transaction.send(copy_for("r@x.example"), sent.set, late.set_result))
    await sent.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await transaction.close()
    answer.set()
    assert states(await late) == [State.TAKEN]
    assert (await relay_one(relay, "s@x.example")).state is State.TAKEN
    assert hop.connections == 1


async def test_cancelled_before_the_dot_nothing_is_sent(hop: Any, relay_to: Make) -> None:
    """A caller that leaves while DATA is unanswered takes the connection with it."""
    relay = relay_to(hop)
    hop.hold("DATA", asyncio.Event())
    transaction = begin(relay)
    await transaction.ask(["r@x.example"])
    task = asyncio.create_task(transaction.send(copy_for("r@x.example"), nothing))
    await hop.until(lambda: hop.of("DATA"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await transaction.close()
    hop.on("DATA")
    assert (await relay_one(relay, "s@x.example")).state is State.TAKEN
    assert [taken.recipients for taken in hop.taken] == [["s@x.example"]]
    assert hop.connections == 2


async def test_close_during_send_waits_for_the_answer(hop: Any, relay_to: Make) -> None:
    """A session that has answered its client may close while a task still runs `send`."""
    relay = relay_to(hop)
    answer = asyncio.Event()
    hop.hold("DOT", answer)
    transaction = begin(relay)
    await transaction.ask(["r@x.example"])
    task = asyncio.create_task(transaction.send(copy_for("r@x.example"), nothing))
    await hop.until(lambda: hop.of("."))
    await transaction.close()
    answer.set()
    assert states(await task) == [State.TAKEN]
    assert (await relay_one(relay, "s@x.example")).state is State.TAKEN
    assert hop.connections == 1


async def test_without_pipelining_each_command_waits_for_its_reply(
    hop: Any, relay_to: Make
) -> None:
    """A next hop that does not offer PIPELINING is asked one thing at a time, without BODY."""
    relay = relay_to(hop)
    hop.on("EHLO", lambda _: b"250 hop.test\r\n")
    hop.on("RCPT", None, b"550 5.1.1 no\r\n")
    transaction = begin(relay)
    replies = await transaction.ask(["r0@x.example", "r1@x.example"])
    assert [reply.code for reply in replies] == [250, 550]
    for recipient in ("r0@x.example", "r2@x.example"):
        assert states(await transaction.send(copy_for(recipient), nothing)) == [State.TAKEN]
    assert hop.of("MAIL")[0][1] == "MAIL FROM:<news@acme.example>"
    assert [taken.recipients for taken in hop.taken] == [["r0@x.example"], ["r2@x.example"]]


async def test_smtputf8_is_refused_where_no_next_hop_offers_it(hop: Any, relay_to: Make) -> None:
    """The customer's mail that needs it gets 550 5.6.7, whoever the recipient is."""
    relay = relay_to(hop)
    hop.on("EHLO", lambda _: b"250-hop.test\r\n250 PIPELINING\r\n")
    assert relay.hops.supports(smtputf8=True)
    transaction = relay.hops.transaction(
        "a@b.example", size=None, body=Body.EIGHT_BIT, smtputf8=True
    )
    replies = await transaction.ask(["r@x.example", "s@x.example"])
    assert [(reply.code, reply.enhanced) for reply in replies] == [(550, "5.6.7")] * 2
    assert not relay.hops.supports(smtputf8=True)


async def test_an_unused_transaction_is_reset_before_the_next(hop: Any, relay_to: Make) -> None:
    """Recipients of a message that never came do not get the next one."""
    relay = relay_to(hop)
    abandoned = begin(relay)
    await abandoned.ask(["r@x.example"])
    await abandoned.close()
    assert (await relay_one(relay, "s@x.example")).state is State.TAKEN
    assert [taken.recipients for taken in hop.taken] == [["s@x.example"]]


def _step(hop: Any, step: Any) -> Any:
    return {DROP: hop.DROP, STALL: hop.STALL}.get(step, step) if isinstance(step, str) else step
