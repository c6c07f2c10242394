"""One rolling window: amounts in buckets that leave it one by one.

A window of any length has at most 288 buckets of whole seconds (24 h are 288 of 5 minutes, an hour
277 of 13 s, a minute 60 of 1 s), so adding and expiring cost the same at any rate. An amount
leaves when its bucket does, at the latest one window length after it was added. Pure: the caller
passes the time, which may stand still or go back a little but frees nothing by doing so.
"""

from __future__ import annotations

BUCKETS = 288


class Window:
    """Amounts added in the last `seconds`; `total` is their sum as of the last `expire`."""

    __slots__ = ("amounts", "length", "total", "width")

    def __init__(self, seconds: int) -> None:
        self.width = -(-seconds // BUCKETS)
        self.length = -(-seconds // self.width)
        self.total = 0
        self.amounts: dict[int, int] = {}
        """Bucket number (Unix seconds // width) to amount, oldest first."""

    def expire(self, now: float) -> None:
        """Let the buckets go whose time is over."""
        gone = int(now // self.width) - self.length
        amounts = self.amounts
        while amounts and (oldest := next(iter(amounts))) <= gone:
            self.total -= amounts.pop(oldest)

    def add(self, now: float, amount: int) -> int:
        """Add `amount` to the current bucket and give that bucket's number."""
        bucket = int(now // self.width)
        if self.amounts:
            bucket = max(bucket, next(reversed(self.amounts)))
        self.amounts[bucket] = self.amounts.get(bucket, 0) + amount
        self.total += amount
        return bucket

    def free_at(self, now: float, excess: int) -> float:
        """When (Unix s) at least `excess` will have left; what is not in yet leaves last."""
        for bucket, amount in self.amounts.items():
            excess -= amount
            if excess <= 0:
                return float((bucket + self.length) * self.width)
        return float((int(now // self.width) + self.length) * self.width)
