"""What events tell of a message's recipients."""

from __future__ import annotations

from gateway.ledger.plan import Step
from gateway.ledger.telling import told_of
from gateway.relay.outcome import HopReply, Outcome, State
from gateway.words import Address
from policies.transaction import Recipient
from suppression.standing import Match, Reason, Standing, Stops

ERASED = Match(1, Reason.ERASURE, Stops.BULK, "acme")
TAKEN = Outcome(State.TAKEN, HopReply(250, "2.0.0", "ok"))
REFUSED = Outcome(State.REFUSED, HopReply(550, "5.1.1", "<jan@x.example>: unknown"))
OF_MAIL = Outcome(State.REFUSED, HopReply(550, "5.1.8", "who?", is_of_mail=True))


def recipient(number: int, *, is_erased: bool = False) -> Recipient:
    """One of them."""
    address = Address(f"jan{number}@x.example", f"jan{number}", "x.example")
    matches = (ERASED,) if is_erased else ()
    return Recipient(number, address, Standing(bytes([number]) * 16, matches))


def test_refusals_have_their_enhanced_code_and_earlier_outcomes_are_marked() -> None:
    """No address stands in the words; what was taken says no more than it did."""
    taken, refused = told_of(
        [recipient(1), recipient(2)], [TAKEN, REFUSED], [Step.SEND, Step.SKIP], False
    )
    assert taken == {
        "n": 1, "key": "01" * 16, "domain": "x.example", "state": "taken", "code": 250,
        "text": "ok",
    }  # fmt: skip
    assert (refused["enhanced"], refused["text"]) == ("5.1.1", "<>: unknown")
    assert refused["earlier"] is True
    assert "said_to" not in refused
    (told,) = told_of([recipient(1)], [OF_MAIL], [Step.SEND], False)
    assert told["said_to"] == "mail"


def test_addresses_stand_there_when_asked_for_and_not_of_who_was_erased() -> None:
    """`journal.addresses` is the operator's choice; an erasure is the person's."""
    shown, erased = told_of(
        [recipient(1), recipient(2, is_erased=True)], [TAKEN] * 2, [Step.SEND] * 2, True
    )
    assert shown["address"] == "jan1@x.example"
    assert "address" not in erased
