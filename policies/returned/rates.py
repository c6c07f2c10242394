"""How a rate of complaints or bounces reads: too little mail to say, in order, warned, or over.

Pure. The thresholds are those of the `standard` preset, with the least mail that they ask for; what
follows for the tenant the sanction engine decides by its own contract (policies.sanctions.facts).
"""

from __future__ import annotations

from enum import StrEnum

from policies.sanctions.ladder import Preset
from policies.sanctions.words import FactKind


class Reading(StrEnum):
    """What a rate says."""

    FEW = "few"
    """There was too little mail."""
    WELL = "well"
    WARNED = "warned"
    """It has reached the share of the threshold that warns."""
    OVER = "over"


def read_rate(part: int, whole: int, kind: FactKind, preset: Preset) -> Reading:
    """The reading of `part` in `whole` by the preset's threshold for the kind; WELL without one."""
    ladder = preset.ladder_of(kind)
    if ladder is None:
        return Reading.WELL
    if whole < max(1, ladder.block_at.least):
        return Reading.FEW
    percent, limit = 100 * part / whole, ladder.block_at.percent
    if percent >= limit:
        return Reading.OVER
    is_warned = ladder.warn_share and percent >= limit / ladder.warn_share
    return Reading.WARNED if is_warned else Reading.WELL
