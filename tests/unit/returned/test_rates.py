"""A rate is read by the standard preset's thresholds, and not at all of too little mail."""

from __future__ import annotations

import pytest

from gateway.presets import read_preset
from policies.returned.rates import Reading, read_rate
from policies.sanctions.words import FactKind

COMPLAINT, BOUNCE = FactKind.COMPLAINT, FactKind.HARD_BOUNCE


@pytest.mark.parametrize(
    ("part", "whole", "kind", "reading"),
    [
        (999, 999, COMPLAINT, Reading.FEW),
        (0, 1_000, COMPLAINT, Reading.WELL),
        (9, 10_000, COMPLAINT, Reading.WELL),
        (10, 10_000, COMPLAINT, Reading.WARNED),
        (29, 10_000, COMPLAINT, Reading.WARNED),
        (30, 10_000, COMPLAINT, Reading.OVER),
        (199, 199, BOUNCE, Reading.FEW),
        (5, 200, BOUNCE, Reading.WELL),
        (6, 200, BOUNCE, Reading.WARNED),
        (16, 200, BOUNCE, Reading.OVER),
        (0, 0, BOUNCE, Reading.FEW),
    ],
)
def test_a_rate_is_read(part: int, whole: int, kind: FactKind, reading: Reading) -> None:
    """Complaints: 0.3 % of at least 1,000, hard bounces: 8 % of at least 200; a third warns."""
    assert read_rate(part, whole, kind, read_preset("standard")) is reading


def test_what_a_preset_has_no_ladder_for_is_no_trouble() -> None:
    """A contract that leaves a kind out has no threshold for it."""
    assert read_rate(5, 5, FactKind.BATCH_DEFIANCE, read_preset("standard")) is Reading.WELL
