"""A clock that gives Unix seconds and never jumps.

It starts at the wall clock and goes on with the monotonic one, so that a wall clock that is set
while the process runs does not expire every window at once. It reads no other time and knows no
time zones.
"""

from __future__ import annotations

import time

from policies.ports import Clock


def steady_clock() -> Clock:
    """A new clock, right by the wall clock at this moment; seconds, never going back."""
    offset = time.time() - time.monotonic()
    return lambda: offset + time.monotonic()
