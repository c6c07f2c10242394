"""Fees as the operator invoices them: lists, and an export. A fee changes only with its case.

Amounts are in the currency's smallest unit. `export_csv` gives lines as RFC 4180 has them, in which
no text is a formula to a spreadsheet. Reads only.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime

from sqlalchemy import Connection, select

from gateway.records.blocks import case_id
from gateway.records.tables import fees
from policies.sanctions.case import FeeState

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula at a cell's beginning."""


@dataclass(frozen=True, slots=True)
class StoredFee:
    """One fee on record; instants are Unix seconds. `case` is its case's number."""

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
    since: float | None = None,
    limit: int = 1000,
) -> list[StoredFee]:
    """Newest first; `since`: proposed or decided at or after that instant."""
    query = select(fees).order_by(fees.c.id.desc()).limit(limit)
    if tenant:
        query = query.where(fees.c.tenant == tenant)
    if state is not None:
        query = query.where(fees.c.state == state.value)
    if case is not None:
        query = query.where(fees.c.case_id == case)
    if since is not None:
        query = query.where((fees.c.proposed_at >= since) | (fees.c.decided_at >= since))
    return [
        StoredFee(
            case=row["case_id"],
            number=row["number"],
            tenant=row["tenant"],
            amount=row["amount"],
            currency=row["currency"],
            count=row["count"],
            each=row["each"],
            clause=row["clause"],
            state=FeeState(row["state"]),
            proposed_at=row["proposed_at"],
            decided_at=row["decided_at"],
            decided_by=row["decided_by"],
            reason=row["reason"],
            paid_at=row["paid_at"],
            paid_by=row["paid_by"],
        )
        for row in connection.execute(query).mappings()
    ]


def plain_fee(fee: StoredFee) -> dict[str, object]:
    """A fee for JSON and CSV: its case by its id, instants in ISO 8601 (UTC)."""
    row = asdict(fee) | {"case": case_id(fee.case), "state": fee.state.value}
    for name in ("proposed_at", "decided_at", "paid_at"):
        at = row[name]
        row[name] = None if at is None else datetime.fromtimestamp(at, UTC).isoformat()
    return row


def export_csv(found: Iterable[StoredFee]) -> Iterator[str]:
    """A header and a record for each fee, each ending in CRLF."""
    names = [field.name for field in fields(StoredFee)]
    yield _record(names)
    for fee in found:
        row = plain_fee(fee)
        yield _record([row[name] for name in names])


def _record(values: Sequence[object]) -> str:
    line = io.StringIO(newline="")
    csv.writer(line).writerow([_cell(value) for value in values])
    return line.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return "" if value is None else value
