"""Lists of addresses as files: reading CSV or one address a line, writing CSV.

Columns are address, reason, scope and date, in any order under a header line, in this order
without one. A cell without `@` in the address column is a whole domain. Nothing is dropped: what
cannot be read, or has characters that cannot be shown, comes back as a `BadRow` with its line
number. Exported cells are safe to open in a spreadsheet. Encodings: UTF-8, with or without a byte
order mark, and UTF-16 with one.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from typing import BinaryIO, TextIO

from gateway.errors import AddressSyntaxError
from gateway.message.address import parse_mailbox
from gateway.words import Address
from suppression.address import a_label
from suppression.standing import Reason

EXPORT_HEADER = ("address", "reason", "scope", "date", "ends", "source", "key")
_NAMES = {
    "address": "address",
    "email": "address",
    "e-mail": "address",
    "mail": "address",
    "recipient": "address",
    "domain": "address",
    "reason": "reason",
    "scope": "scope",
    "date": "date",
    "created": "date",
}
_DEFAULT_ORDER = {"address": 0, "reason": 1, "scope": 2, "date": 3}
_FORMULA = ("=", "+", "-", "@", "'", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Row:
    """One good line: an address or a whole domain (A-label), and what the line says of it."""

    line: int
    target: Address | str
    reason: Reason | None = None
    scope: str = ""
    date: float | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """One line that was not understood, and why."""

    line: int
    problem: str


def as_text(file: BinaryIO) -> TextIO:
    """A seekable file as text; octets that do not decode make their line a BadRow."""
    file.seek(0)
    mark = file.read(2)
    file.seek(0)
    encoding = "utf-16" if mark in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return TextIOWrapper(file, encoding, errors="replace", newline="")


def read_rows(lines: Iterable[str]) -> Iterator[Row | BadRow]:
    """Every non-empty line as a Row or a BadRow, in order, holding one line at a time."""
    numbered = enumerate(lines, 1)
    number, line = next(((n, text) for n, text in numbered if text.strip()), (0, ""))
    if not number:
        return
    delimiter = next((mark for mark in ";\t," if mark in line), None)
    header = _columns(line, delimiter or ",")
    if header is None:
        columns, is_ours = _DEFAULT_ORDER, False
    else:
        columns, is_ours = header
    if delimiter is None:
        if header is None:
            yield _plain(number, line)
        for number, line in numbered:
            if line.strip():
                yield _plain(number, line)
        return
    # csv joins the lines of a quoted cell; the last line's number is what an editor will show.
    position = number

    def rest() -> Iterator[str]:
        nonlocal position
        if header is None:
            yield line
        for position, following in numbered:  # noqa: B007
            yield following

    reader = csv.reader(rest(), delimiter=delimiter)
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield BadRow(position, str(error))
            continue
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield _row(position, cells, columns, is_ours)


def write_rows(out: TextIO, rows: Iterable[tuple[str, ...]]) -> int:
    """Write EXPORT_HEADER and `rows` as CSV (RFC 4180), formula-safe; how many were written."""
    writer = csv.writer(out)
    writer.writerow(EXPORT_HEADER)
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007
        writer.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in row])
    return count


def _columns(line: str, delimiter: str) -> tuple[dict[str, int], bool] | None:
    """The columns a header line names and whether it is our own export's; None for data."""
    cells = [cell.strip().lower() for cell in next(csv.reader([line], delimiter=delimiter))]
    columns: dict[str, int] = {}
    for position, cell in enumerate(cells):
        if cell in _NAMES:
            columns.setdefault(_NAMES[cell], position)
    if "address" not in columns:
        return None
    return columns, tuple(cells) == EXPORT_HEADER


def _plain(number: int, line: str) -> Row | BadRow:
    text = line.strip()
    # A one-column CSV may quote its cells; a quoted local part never ends in a quote.
    if len(text) > 2 and text.startswith('"') and text.endswith('"'):
        text = text[1:-1].replace('""', '"')
    return _row(number, [text], _DEFAULT_ORDER, is_ours=False)


def _row(number: int, cells: list[str], columns: dict[str, int], is_ours: bool) -> Row | BadRow:
    def cell(name: str) -> str:
        position = columns.get(name)
        if position is None or position >= len(cells):
            return ""
        text = _shown(cells[position].strip())
        # Only our own export puts a quote before a cell to disarm it; elsewhere it is data.
        return text[1:] if is_ours and text[:1] == "'" else text

    try:
        reason = cell("reason").lower()
        return Row(
            number,
            read_target(cell("address")),
            Reason(reason) if reason else None,
            cell("scope"),
            _instant(cell("date")),
        )
    except ValueError as error:
        return BadRow(number, str(error))


def read_target(text: str) -> Address | str:
    """An address, or a whole domain as A-label (`example.com` or `@example.com`).

    Raises AddressSyntaxError.
    """
    if not text:
        raise AddressSyntaxError("no address in this line")
    _shown(text)
    if "@" in text.removeprefix("@"):
        return parse_mailbox(text)
    # A domain is valid when a mailbox in it is.
    domain = a_label(parse_mailbox(f"x@{text.removeprefix('@')}").domain)
    if "." not in domain:
        raise AddressSyntaxError(f"{domain} is a whole top-level domain or no domain at all")
    return domain


def _shown(text: str) -> str:
    """`text` as it is. Raises AddressSyntaxError when a reader could not see all of it."""
    if "\N{REPLACEMENT CHARACTER}" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise AddressSyntaxError("the line is not valid UTF-8")
    if not text.isprintable():
        raise AddressSyntaxError("the line has characters that cannot be shown")
    return text


def _instant(text: str) -> float | None:
    """ISO 8601 as Unix seconds, UTC unless it says otherwise."""
    if not text:
        return None
    instant = datetime.fromisoformat(text)
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
