"""Pre-checks a list that a tenant pasted or uploaded on its page: as the API does, within the
tenant's allowance.

`check` gives what was found by line, never by address; or the name of the text that says why not.
Raises StoreUnavailable.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from io import BytesIO
from itertools import islice

from gateway.pre_check.check import PreCheck
from gateway.records.receipts import Receipt, TooMuch
from gateway.web.status.parts import StatusParts
from suppression.listfile import as_text, read_rows
from suppression.pre_check import Asked, ask_row

MOST = 20_000
"""Addresses of one list here; a check of so many takes some seconds. More go to the API."""
SHOWN = 500
PART = 500


@dataclass(frozen=True, slots=True)
class Checked:
    """A receipt, how many were refused by tag, and the first refused lines with their tags."""

    receipt: Receipt
    refused: tuple[tuple[str, int], ...]
    lines: tuple[tuple[int, str], ...]


async def check(
    parts: StatusParts, tenant: str, stream: str, octets: bytes, actor: str
) -> Checked | str:
    """Check the list in `octets` (CSV, or one address a line) for one stream."""
    known = parts.loaded.tenants.get(tenant)
    if known is None or stream not in known.streams:
        return "no_stream"
    rows = await asyncio.to_thread(_rows, octets)
    if len(rows) > MOST:
        return "long_list"
    if not rows:
        return "empty_list"
    scope = f"{tenant}/{stream}"
    checker = PreCheck(
        parts.database, parts.keyring, parts.loaded, scope, actor, parts.emit, parts.clock
    )
    refused: list[tuple[int, str]] = []
    try:
        await checker.begin(len(rows))
        for start in range(0, len(rows), PART):
            answers = await checker.answer(rows[start : start + PART])
            refused += [(one.asked.line, one.tag) for one in answers if one.reply is not None]
        receipt = await checker.finish()
    except TooMuch:
        return "much_checked"
    finally:
        await checker.close()
    counts = Counter(tag for _, tag in refused)
    return Checked(receipt, tuple(sorted(counts.items())), tuple(refused[:SHOWN]))


def _rows(octets: bytes) -> list[Asked]:
    with as_text(BytesIO(octets)) as file:
        return [ask_row(row) for row in islice(read_rows(file), MOST + 1)]
