"""Whatever the next hop does, both sides count the same messages."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from gateway.relay import pool
from gateway.relay.outcome import State
from gateway.relay.transaction import Copy
from gateway.words import Body

MESSAGES = 150
TROUBLE = {
    "MAIL": [b"450 4.3.0 later\r\n", b"550 5.1.8 no\r\n"],
    "RCPT": [b"450 4.2.0 later\r\n", b"550 5.1.1 no\r\n", b"554 5.7.1 Relay access denied\r\n"],
    "DATA": [b"451 4.3.0 later\r\n", b"354 go on\r\n250 2.0.0 Ok\r\n"],
    "DOT": [b"452 4.3.1 full\r\n", b"554 5.6.0 no\r\n", b"250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n"],
    "RSET": [b"250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n"],
}
ALWAYS = [b"421 4.3.2 bye\r\n", b"nonsense\r\n", b"250 half\n", b"220 hello\r\n"]


@pytest.mark.parametrize(("rest", "count"), [(60.0, 1), (0.0, 1), (0.0, 2)])
@pytest.mark.parametrize("seed", range(4))
async def test_taken_means_taken_once_and_nothing_else_means_never(
    hop: Any,
    second_hop: Any,
    relay_to: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    rest: float,
    count: int,
) -> None:
    """Counted by unique id: `taken` arrived once, `unknown` once at most, the rest never.

    Also when connections are taken back from whoever rests, and when there is another next hop.
    """
    monkeypatch.setattr(pool, "REST_SECONDS", rest)
    chance = random.Random(seed)

    def trouble_at(verb: str) -> Callable[[str], Any]:
        choices = [*TROUBLE[verb], *ALWAYS, hop.DROP]
        return lambda _: chance.choice(choices) if chance.random() < 0.15 else None

    hops = [hop, second_hop][:count]
    for one in hops:
        for verb in TROUBLE:
            one.on(verb, trouble_at(verb))
    relay = relay_to(*hops, max_connections=4)
    states: dict[str, State] = {}

    async def send(ids: list[str]) -> None:
        transaction = relay.hops.transaction(
            "a@b.example", size=None, body=Body.SEVEN_BIT, smtputf8=False
        )
        replies = await transaction.ask(ids)
        for one, reply in zip(ids, replies, strict=True):
            states[one] = State.REFUSED
            if reply.is_positive:
                await asyncio.sleep(chance.choice((0, 0, 0.01)))
                copy = Copy((one,), b"Id: " + one.encode() + b"\r\n\r\n", (b".body\r\n",))
                (outcome,) = await transaction.send(copy, lambda: None)
                states[one] = outcome.state
        await transaction.close()

    ids = [f"m{n}@x.example" for n in range(MESSAGES)]
    await asyncio.gather(*(send(ids[n : n + 3]) for n in range(0, MESSAGES, 3)))

    all_taken = [taken for one in hops for taken in one.taken]
    for taken in all_taken:
        assert [f"Id: {one}\r\n\r\n.body\r\n".encode() for one in taken.recipients] == [taken.data]
    arrived = Counter(taken.recipients[0] for taken in all_taken)
    for one, state in states.items():
        allowed = {State.TAKEN: (1,), State.UNKNOWN: (0, 1)}.get(state, (0,))
        assert arrived[one] in allowed, (one, state)
    assert Counter(states.values())[State.TAKEN] > MESSAGES / 4
    assert all(len(one.taken) > 0 for one in hops)
    assert all(described["connections"] <= 4 for described in relay.hops.describe())
