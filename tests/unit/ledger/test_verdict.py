"""All outcomes of a message come down to one reply."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger.verdict import conclude
from gateway.relay.answers import reply_for
from gateway.relay.outcome import HopReply, Outcome, State, Trouble

OUTCOMES = {
    "t": Outcome(State.TAKEN, HopReply(250, "2.0.0", "ok")),
    "r": Outcome(State.REFUSED, HopReply(550, "5.1.1", "no such user")),
    "R": Outcome(State.REFUSED, HopReply(552, "5.2.2", "mailbox full")),
    "d": Outcome(State.DEFERRED, HopReply(450, "4.2.0", "greylisted")),
    "a": Outcome(State.DEFERRED, HopReply(451, "", "away", Trouble.AWAY)),
    "b": Outcome(State.DEFERRED, HopReply(451, "", "broke off", Trouble.BROKE_OFF)),
    "x": Outcome(State.DEFERRED, HopReply(451, "", "relay access denied", Trouble.REFUSES_US)),
    "X": Outcome(State.REFUSED, HopReply(451, "", "relay access denied", Trouble.REFUSES_US)),
    "u": Outcome(State.UNKNOWN, HopReply(451, "", "silent", Trouble.BROKE_OFF)),
    "f": Outcome(State.IN_FLIGHT, HopReply(451, "", "no answer yet")),
}


@pytest.mark.parametrize(
    ("outcomes", "reply", "bounce"),
    [
        ("t", "250 2.0.0 Taken by the next server", []),
        ("ttt", "250 2.0.0 Taken by the next server", []),
        ("r", "550 5.1.1 [RELAY-REFUSED] no such user", []),
        ("Rr", "552 5.2.2 [RELAY-REFUSED] mailbox full", []),
        ("tr", "250 2.0.0 Taken by the next server", [1]),
        ("rtR", "250 2.0.0 Taken by the next server", [0, 2]),
        ("d", "450 4.2.0 [RELAY-TEMP] greylisted", []),
        ("rd", "450 4.2.0 [RELAY-TEMP] greylisted", []),
        ("ad", "451 4.4.1 [NEXT-HOP-AWAY] The next server does not answer, try again", []),
        ("b", "451 4.4.2 [NEXT-HOP-SILENT] The next server broke off, try again", []),
        ("x", "451 4.3.5 [NEXT-HOP] The next server refuses this gateway, try again later", []),
        ("X", "451 4.3.5 [NEXT-HOP] The next server refuses this gateway, try again later", []),
        ("u", "451 4.4.2 [NEXT-HOP-SILENT] The next server broke off, try again", []),
        ("fu", "451 4.4.2 [NEXT-HOP-SILENT] The next server broke off, try again", []),
        ("td", "451 4.4.0 [PARTIAL] 1 of 2 taken; a retry sends the rest", []),
        ("tur", "451 4.4.0 [PARTIAL] 1 of 3 taken; a retry sends the rest", []),
        ("ttX", "451 4.4.0 [PARTIAL] 2 of 3 taken; a retry sends the rest", []),
        ("du", "451 4.4.0 [PARTIAL] 0 of 2 taken; a retry sends the rest", []),
    ],
)
def test_the_reply(outcomes: str, reply: str, bounce: list[int]) -> None:
    """Each mixture of outcomes has one reply, and a bounce only beside taken copies."""
    answer = conclude([OUTCOMES[letter] for letter in outcomes], reply_for, has_sender=True)
    assert str(answer.reply) == reply
    assert [refusal.index for refusal in answer.bounce] == bounce


def test_nothing_is_bounced_to_the_empty_sender() -> None:
    """Taken and refused mixed with MAIL FROM:<> is a plain 250: nobody can be told."""
    answer = conclude([OUTCOMES["t"], OUTCOMES["r"]], reply_for, has_sender=False)
    assert (answer.reply.code, answer.bounce) == (250, ())


@given(st.text("trRdabxXuf", min_size=1, max_size=8), st.booleans())
def test_no_copy_is_forgotten(letters: str, has_sender: bool) -> None:
    """250 needs every copy taken or told of; 5xx needs every copy refused; else it is 4xx."""
    answer = conclude([OUTCOMES[letter] for letter in letters], reply_for, has_sender)
    kinds = set(letters)
    if answer.reply.code == 250:
        assert "t" in kinds
        assert kinds <= set("trR")
        told = {refusal.index for refusal in answer.bounce}
        assert not has_sender or told == {i for i, x in enumerate(letters) if x in "rR"}
    elif answer.reply.is_permanent:
        assert kinds <= set("rR")
    else:
        assert kinds & set("dabxXuf")
