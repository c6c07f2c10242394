"""A hold whose settling raised anything but `StoreUnavailable` left all behind it unsettled."""

from __future__ import annotations

from types import SimpleNamespace

from policies.transaction import Transaction, settle


class Claim:
    """A hold that notes how it was settled, and then raises `fault` if there is one."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.settled: list[tuple[int, int]] = []

    async def settle(self, octets: int, recipients: int) -> None:
        self.settled.append((octets, recipients))
        if self.fault is not None:
            raise self.fault


async def test_all_are_settled_once() -> None:
    """Those before and behind the bad one are settled, and what went wrong is told."""
    terms = SimpleNamespace()
    holds = [Claim(), Claim(RuntimeError("out of order")), Claim(KeyError("gone")), Claim()]
    transaction = Transaction("r", "s", "192.0.2.1", terms, terms, None, 0.0)  # type: ignore[arg-type]
    transaction.holds.extend(holds)
    assert await settle(transaction, 500, 2) == ["RuntimeError: out of order", "KeyError: 'gone'"]
    assert await settle(transaction, 0, 0) == []
    assert [hold.settled for hold in holds] == [[(500, 2)]] * 4
