"""How limits are worded in replies: units, windows and reset times. Pure."""

from __future__ import annotations

import time

from gateway import replies
from gateway.reply import Reply
from policies.ports import Shortage
from policies.terms import DAY

HOUR = 3600
_WINDOWS = {60: "minute", HOUR: "hour", DAY: "day"}


def utc(at: float) -> str:
    """Unix seconds as `2026-11-20 22:31:05 UTC`, rounded up."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(-(-at // 1)))


def rate_reply(shortage: Shortage, unit: str, seconds: int, now: float) -> Reply:
    """The [RATE] reply for a full window of `seconds`."""
    return replies.RATE.fill(
        used=shortage.used,
        limit=shortage.limit,
        unit=unit,
        window=_WINDOWS.get(seconds, f"{seconds} s"),
        time=utc(now + seconds if shortage.free_at is None else shortage.free_at),
    )
