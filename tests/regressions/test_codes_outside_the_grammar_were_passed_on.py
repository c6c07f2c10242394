"""A next hop's 571 or 483 became our own reply, though RFC 5321 section 4.2 knows no such code."""

from __future__ import annotations

import pytest

from gateway.relay.answers import outcome_of, reply_for
from gateway.relay.outcome import HopReply, State


@pytest.mark.parametrize(
    ("code", "enhanced", "told"),
    [(571, "5.7.1", 550), (599, "", 550), (483, "4.3.2", 451), (460, "", 451), (554, "", 554)],
)
def test_the_reply_has_a_code_that_there_is(code: int, enhanced: str, told: int) -> None:
    """Of the same class and with the same enhanced code and words; the outcome is unchanged."""
    hop = HopReply(code, enhanced, "no")
    answer = reply_for(hop)
    assert (answer.code, answer.enhanced) == (told, enhanced or f"{code // 100}.0.0")
    assert answer.text == "no"
    assert outcome_of(hop).state is (State.REFUSED if code >= 500 else State.DEFERRED)
