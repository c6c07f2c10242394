"""How often somebody may call: fixed windows of a minute, counted in memory.

Answers carry RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10). A window
begins with the first call after the last one ended. Callers are remembered for their window only,
and the oldest are let go when there are too many.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

WINDOW = 60
MAX_KNOWN = 20_000
"""Windows kept at once; a client address costs an attacker of IPv6 nothing."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a window after a call. `left` below zero: the call is one too many."""

    quota: int
    left: int
    seconds: int

    @property
    def is_over(self) -> bool:
        """Whether this call is not to be served."""
        return self.left < 0

    def headers(self) -> dict[str, str]:
        """The fields of every answer, Retry-After only when it is over."""
        fields = {
            "RateLimit-Policy": f'"minute";q={self.quota};w={WINDOW}',
            "RateLimit": f'"minute";r={max(self.left, 0)};t={self.seconds}',
        }
        return fields | {"Retry-After": str(self.seconds)} if self.is_over else fields


class Rates:
    """Counts calls by whatever names a caller."""

    def __init__(self) -> None:
        self._windows: dict[object, tuple[float, int]] = {}

    def take(self, who: object, quota: int, now: float) -> Allowance:
        """Count one call of `who` at `now` (monotonic seconds)."""
        start, used = self._windows.pop(who, (now, 0))
        if now - start >= WINDOW:
            start, used = now, 0
        self._windows[who] = (start, used + 1)  # the latest last, so that the first is the oldest
        if len(self._windows) > MAX_KNOWN:
            del self._windows[next(iter(self._windows))]
        return Allowance(quota, quota - used - 1, max(1, math.ceil(start + WINDOW - now)))
