"""Storms: many unknown mailboxes of one provider within minutes are its trouble, nobody's bounce.

Pure. `is_storm` judges the figures of one provider within one span. A bounce that could suppress
waits for such a span as PENDING; in a storm it is HELD until a person decides on it.
"""

from __future__ import annotations

from enum import StrEnum


class BounceState(StrEnum):
    """How far a bounce is believed."""

    PENDING = "pending"
    """It waits to see whether a storm comes."""
    BELIEVED = "believed"
    HELD = "held"
    """It came in a storm, which a person has to judge."""
    RELEASED = "released"
    """A person has judged the storm: it is as if it had never come."""


class StormDecision(StrEnum):
    """What a person decides on a storm: forget its bounces, or believe them."""

    RELEASE = "release"
    BELIEVE = "believe"


def is_storm(unknown: int, sent: int, count: int, percent: float) -> bool:
    """Whether so many unknown mailboxes, of so many recipients that were sent to at one provider
    meanwhile, are at least `count` and at least `percent` percent."""
    return unknown >= count and unknown * 100 >= percent * sent
