"""A process killed every half minute was started again later each time, until nobody took mail for
thirty seconds after each kill: it counted as one that cannot start."""

from __future__ import annotations

from gateway.supervisor import FIRST_DELAY, LONGEST_DELAY, next_delay


def test_who_has_served_is_started_again_at_once() -> None:
    """However often it is killed; one that dies while starting is left alone for longer."""
    delay = 0.0
    for _ in range(50):
        delay = next_delay(delay, lived=12.0)
        assert delay == FIRST_DELAY
    for _ in range(10):
        delay = next_delay(delay, lived=2.0)
    assert delay == LONGEST_DELAY
