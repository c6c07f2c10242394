"""The next hop refuses, stalls, drops or garbles at every step of the conversation.

The customer hears what the reply table says, the message has arrived as often as that means, and
the next message over the same pool gets an answer of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest

from gateway.relay import hop as relay_hop
from tests.e2e.certificates import Certificates
from tests.e2e.gateway import Gateway, Settings
from tests.faults.customer import message, new_id, send
from tests.faults.hop import Action, Hop, Step
from tests.faults.houses import Inside
from tests.faults.waiting import eventually

PATIENCE = 1.5
"""Seconds for a step that is stalled; for every other there is all the time in the world."""
PHASES = {
    "GREETING": ("greeting",),
    "EHLO": ("command",),
    "MAIL": ("command",),
    "RCPT": ("command",),
    "DATA": ("command", "data"),
    "DOT": ("dot",),
}
"""The time limits that hold at a step."""
OPENING = ("GREETING", "EHLO")


@pytest.fixture(scope="module")
def house(
    shared_hop: Hop, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Inside]:
    """A gateway that tries its next hop again at once."""
    settings = Settings(shared_hop.port)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relay_hop, "MAX_BACKOFF", 0.01)
        folder = tmp_path_factory.mktemp("house")
        with Inside(Gateway(folder, settings, certificates)) as running:
            # The first look at the next hop must be over: broken off, it would count as trouble.
            eventually(lambda: connections(running, "idle") == 1)
            yield running


@contextmanager
def impatient(house: Inside, at: str) -> Iterator[None]:
    """Little patience for the next hop at one step."""
    (hop,) = house.gateway.hops._hops
    times = hop.settings.timeouts
    usual = {phase: getattr(times, phase) for phase in PHASES[at]}
    for phase in usual:
        object.__setattr__(times, phase, PATIENCE)
    try:
        yield
    finally:
        for phase, seconds in usual.items():
            object.__setattr__(times, phase, seconds)


def expected(at: str, trouble: Step) -> tuple[int, str, int]:
    """Code and tag for the customer, and how many copies the next hop keeps."""
    if trouble == "garbage":
        return (451, "NEXT-HOP-AWAY", 0) if at in OPENING else (451, "NEXT-HOP-SILENT", 0)
    match trouble:
        case Action.DROP | Action.STALL if at in OPENING:
            return 451, "NEXT-HOP-AWAY", 0
        case Action.STALL | Action.DROP if at == "DOT":
            return 451, "NEXT-HOP-SILENT", 0
        case Action.KEEP_AND_DROP:
            return 451, "NEXT-HOP-SILENT", 1
        case Action.DROP:
            return 250, "", 1
        case Action.STALL:
            return 451, "NEXT-HOP-SILENT", 0
        case str() if trouble.startswith("421") and at not in ("DOT", *OPENING):
            return 250, "", 1
        case str() if trouble.startswith("421") and at == "DOT":
            return 451, "RELAY-TEMP", 0
        case str() if trouble.startswith("5") and at in OPENING:
            return 451, "NEXT-HOP", 0
        case str() if at in OPENING:
            return 451, "NEXT-HOP-AWAY", 0
        case str() if trouble.startswith("5"):
            return 550, "RELAY-REFUSED", 0
    return 450, "RELAY-TEMP", 0


TROUBLES: tuple[Step, ...] = (
    "450 4.2.0 not now",
    "550 5.6.0 never",
    "421 4.3.2 shutting down",
    "garbage",
    Action.DROP,
    Action.STALL,
)


@pytest.mark.parametrize(
    ("at", "trouble"),
    [
        *((at, trouble) for at in PHASES for trouble in TROUBLES),
        ("DOT", Action.KEEP_AND_DROP),
    ],
    ids=str,
)
def test_next_hop_in_trouble(at: str, trouble: Step, house: Inside, hop: Hop) -> None:
    """Each step, each trouble, once; then it is well again."""
    renew_connections(house, hop)
    hop.on(at, trouble)
    unique, following = new_id(), new_id()
    with impatient(house, at) if trouble is Action.STALL else nullcontext():
        answer = send(house.port, message(unique))
    assert (answer.code, answer.tag, hop.copies_of(unique)) == expected(at, trouble)
    hop.forget()
    eventually(lambda: send(house.port, message(following)).code == 250)
    assert hop.copies_of(following) == 1
    if answer.code != 250:
        (kept,) = [one for one in hop.kept if following.encode() in one.raw]
        assert unique.encode() not in kept.raw


@pytest.mark.parametrize("late", ["250 2.0.0 queued", "550 5.1.1 no"])
def test_a_late_reply_is_never_the_next_message_s(late: str, house: Inside, hop: Hop) -> None:
    """After a timeout the connection is not used again, whatever it still says."""
    renew_connections(house, hop)
    hop.on("DOT", Action.HOLD)
    unique, following = new_id(), new_id()
    with impatient(house, "DOT"):
        answer = send(house.port, message(unique))
    assert (answer.code, answer.tag) == (451, "NEXT-HOP-SILENT")
    hop.on("DOT", "450 4.2.0 only for the second")
    hop.release()
    eventually(lambda: send(house.port, message(following)).tag == "RELAY-TEMP")
    one, other = (
        {m.connection for m in hop.kept if name.encode() in m.raw} for name in (unique, following)
    )
    assert (len(one), other) == (1, set())
    # The fate of the first is unknown, so its retry goes out, and says so.
    assert send(house.port, message(unique)).code == 250
    assert hop.copies_of(unique) == 2
    assert eventually(lambda: house.event("message.relayed").detail.get("possible_doubles")) == [1]


def test_unasked_words_on_an_idle_connection(house: Inside, hop: Hop) -> None:
    """What a next hop says between messages ends the connection; it is nobody's reply."""
    assert send(house.port, message(new_id())).code == 250
    hop.say_to_all("550 5.7.1 and another thing")
    eventually(lambda: connections(house) == 0)
    unique = new_id()
    assert send(house.port, message(unique)).code == 250
    assert hop.copies_of(unique) == 1


def renew_connections(house: Inside, hop: Hop) -> None:
    """Let the next message meet a fresh connection, so that every step takes place."""

    def is_alone() -> bool:
        hop.break_all()
        return connections(house) == 0

    eventually(is_alone)


def connections(house: Inside, which: str = "connections") -> object:
    """How many connections to the next hop are open or opening, or those of them that are idle."""
    (state,) = house.call(house.gateway.hops.describe)
    return state[which]
