"""Fees as the operator invoices them: lists, and an export. A fee changes only with its case.

Amounts are in the currency's smallest unit. Reads only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from policies.sanctions.case import FeeState


@dataclass(frozen=True, slots=True)
class StoredFee:
    """One fee on record; instants are Unix seconds. `case` is its number."""

    case: int
    number: int
    tenant: str
    amount: int
    currency: str
    count: int
    each: int
    clause: str
    state: FeeState
    proposed_at: int
    decided_at: int | None
    decided_by: str | None
    reason: str | None
    paid_at: int | None
    paid_by: str | None


def list_fees(
    connection: Connection,
    *,
    tenant: str = "",
    state: FeeState | None = None,
    case: int | None = None,
    limit: int = 1000,
) -> list[StoredFee]:
    """Newest first."""
    raise NotImplementedError


def export_csv(fees: list[StoredFee]) -> Iterator[str]:
    """RFC 4180 lines; no cell is a formula to a spreadsheet."""
    raise NotImplementedError
