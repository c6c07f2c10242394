"""Lists of addresses as files: reading CSV or one address a line, writing CSV.

Columns are address, reason, scope and date, in any order under a header line, in this order
without one. A cell without `@` in the address column is a whole domain, and so is each cell of a
`domain` column where there is no address column. Nothing is dropped: what
cannot be read, or has characters that cannot be shown, comes back as a `BadRow` with its line
number. Exported cells are safe to open in a spreadsheet. Encodings: UTF-8, with or without a byte
order mark, and UTF-16 with one.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from itertools import chain, islice
from typing import BinaryIO, TextIO

from gateway.errors import AddressSyntaxError
from gateway.message.address import parse_mailbox
from gateway.words import Address
from suppression.address import a_label
from suppression.hashes import Digest, HashKind, read_digest
from suppression.keys import KEY_OCTETS
from suppression.standing import Reason, Stops

EXPORT_HEADER = (
    "address",
    "reason",
    "scope",
    "date",
    "ends",
    "source",
    "key",
    "stops",
    "disclosed",
    "set_by",
    "hashed",
)
_NAMES = {
    "address": "address",
    "email": "address",
    "e-mail": "address",
    "mail": "address",
    "recipient": "address",
    "domain": "domain",
    "hash": "address",
    "email_hash": "address",
    "hashed_email": "address",
    "email_sha256": "address",
    "email_sha512": "address",
    "sha256": "address",
    "sha512": "address",
    "md5": "address",
    "sha1": "address",
    "domain_hash": "domain hash",
    "domain_sha256": "domain hash",
    "domain_sha512": "domain hash",
    "reason": "reason",
    "scope": "scope",
    "date": "date",
    "created": "date",
}
_DEFAULT_ORDER = {"address": 0, "reason": 1, "scope": 2, "date": 3}
BLOCK_LINES = 50_000
"""Lines of a block: what is read and kept, or lost, as a whole."""
SETTERS = ("operator", "tenant", "list-owner", "recipient", "subject")
"""In what capacity entries are set."""
_LATEST = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
_FORMULA = ("=", "+", "-", "@", "'", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Stored:
    """What only our own export says of an entry: what it stops, its end, whether it is told.

    Also in what capacity it was set and from where, and of which kind of hashed list a key is.
    """

    stops: Stops
    ends: float | None
    is_disclosable: bool
    setter: str
    source: str
    hashed: HashKind | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One good line: an address, a whole domain (A-label) or a digest, and what it says of it.

    In our own export an entry without a known address is named by its key.
    """

    line: int
    target: Address | str | bytes | Digest
    reason: Reason | None = None
    scope: str = ""
    date: float | None = None
    stored: Stored | None = None
    stops: Stops | None = None
    """What another service's list says that a manual entry stops."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """One line that was not understood, and why."""

    line: int
    problem: str


class HeadingError(Exception):
    """A header line that can be read in two ways."""


def as_text(file: BinaryIO) -> TextIO:
    """A seekable file as text; octets that do not decode make their line a BadRow."""
    file.seek(0)
    mark = file.read(2)
    file.seek(0)
    encoding = "utf-16" if mark in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return TextIOWrapper(file, encoding, errors="replace", newline="")


def block_of(row: Row | BadRow) -> int:
    """The block of lines that a row is of: an import is done and resumed by blocks."""
    return row.line // BLOCK_LINES


def read_rows(
    lines: Iterable[str],
    is_wanted: Callable[[int], bool] = lambda _block: True,
    hashed: HashKind | None = None,
) -> Iterator[Row | BadRow]:
    """Every non-empty line as a Row or a BadRow, in order, holding one line at a time.

    A hashed list is known by its cells; with `hashed` every one must be a digest of that kind.

    A line is a row: an address never has a line break, and a stray quote spoils its own line only.
    Of the blocks (`block_of`) that are not wanted no line is given; passing over them is cheap.
    """
    numbered = enumerate(lines, 1)
    first = next(_written(numbered), None)
    if first is None:
        return
    number, line = first
    delimiter = next((mark for mark in ";\t," if mark in line), None)
    try:
        header = _columns([cell.strip().lower() for cell in _cells(line, delimiter)])
    except HeadingError as error:
        yield BadRow(number, str(error))
        return
    except csv.Error:
        header = None  # told below
    columns, is_ours = header or (_DEFAULT_ORDER, False)
    is_domain = "domain hash" in columns
    rows = _wanted(numbered, is_wanted)
    if header is None and is_wanted(number // BLOCK_LINES):
        rows = chain([first], rows)
    for number, line in rows:
        try:
            cells = _cells(line, delimiter)
        except csv.Error as error:
            yield BadRow(number, str(error))
            continue
        if any(cell.strip() for cell in cells):
            yield _row(number, cells, columns, is_ours, is_domain, hashed)


def _wanted(
    numbered: Iterator[tuple[int, str]], is_wanted: Callable[[int], bool]
) -> Iterator[tuple[int, str]]:
    """What is written in the lines of the blocks that are wanted."""
    while (ahead := next(numbered, None)) is not None:
        block, place = divmod(ahead[0], BLOCK_LINES)
        lines = chain([ahead], islice(numbered, BLOCK_LINES - place - 1))
        if is_wanted(block):
            yield from _written(lines)
        else:
            deque(lines, maxlen=0)


def _written(numbered: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    return ((number, text.strip("\r\n")) for number, text in numbered if text.strip())


def write_rows(out: TextIO, rows: Iterable[tuple[str, ...]]) -> int:
    """Write EXPORT_HEADER and `rows` as CSV (RFC 4180), formula-safe; how many were written."""
    writer = csv.writer(out)
    writer.writerow(EXPORT_HEADER)
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007
        cells = [" ".join(cell.splitlines()) for cell in row]
        writer.writerow(map(disarmed, cells))
    return count


def disarmed(cell: str) -> str:
    """`cell` such that no spreadsheet takes it for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _columns(cells: list[str]) -> tuple[dict[str, int], bool] | None:
    """The columns a header names and whether it is our own export's; None for data.

    Raises HeadingError when two columns claim the same. A column of domains is read only where
    there is none of addresses: beside one it says where each address is.
    """
    if tuple(cells) == EXPORT_HEADER:
        return {name: position for position, name in enumerate(EXPORT_HEADER)}, True
    columns: dict[str, int] = {}
    for position, cell in enumerate(cells):
        name = _NAMES.get(cell)
        if name is None:
            continue
        if name in columns:
            both = f"{cells[columns[name]]} and {cell}"
            raise HeadingError(f"two columns, {both}, are both taken for the {name}; keep one")
        columns[name] = position
    domain = columns.pop("domain", None)
    domain = columns.get("domain hash", domain)
    if domain is not None:
        columns.setdefault("address", domain)
    if columns.get("address") != domain:
        columns.pop("domain hash", None)
    if "address" not in columns:
        return None
    return columns, False


def _cells(line: str, delimiter: str | None) -> list[str]:
    """The cells of one line. Raises csv.Error."""
    if delimiter is not None:
        return next(csv.reader([line], delimiter=delimiter, strict=True))
    text = line.strip()
    # A one-column CSV may quote its cells; a quoted local part never ends in a quote.
    if len(text) > 2 and text.startswith('"') and text.endswith('"'):
        text = text[1:-1].replace('""', '"')
    return [text]


def _row(
    number: int,
    cells: list[str],
    columns: dict[str, int],
    is_ours: bool,
    is_domain: bool,
    hashed: HashKind | None,
) -> Row | BadRow:
    def cell(name: str) -> str:
        position = columns.get(name)
        if position is None or position >= len(cells):
            return ""
        text = shown(cells[position].strip())
        # Only our own export puts a quote before a cell to disarm it; elsewhere it is data.
        return text[1:] if is_ours and text[:1] == "'" else text

    try:
        reason, address = cell("reason").lower(), cell("address")
        target: Address | str | bytes | Digest
        if is_ours and not address:
            target = _key(cell("key"))
        else:
            target = _digest(address, is_domain, hashed) or read_target(address)
        return Row(
            number,
            target,
            Reason(reason) if reason else None,
            cell("scope"),
            _instant(cell("date")),
            _stored(cell) if is_ours else None,
        )
    except ValueError as error:
        return BadRow(number, str(error))


def read_target(text: str) -> Address | str:
    """An address, or a whole domain as A-label (`example.com` or `@example.com`).

    Raises AddressSyntaxError.
    """
    if not text:
        raise AddressSyntaxError("no address in this line")
    shown(text)
    if "@" in text.removeprefix("@"):
        return parse_mailbox(text)
    # A domain is valid when a mailbox in it is.
    domain = a_label(parse_mailbox(f"x@{text.removeprefix('@')}").domain)
    if "." not in domain:
        raise AddressSyntaxError(f"{domain} is a whole top-level domain or no domain at all")
    return domain


def _key(text: str) -> bytes:
    key = bytes.fromhex(text)
    if len(key) != KEY_OCTETS:
        raise ValueError("neither an address nor a key in this line")
    return key


def _digest(text: str, is_domain: bool, hashed: HashKind | None) -> Digest | None:
    # Hardly any cell is long enough, and has no at sign and no dot; the rest is not looked at.
    if hashed is None and (len(text) < 32 or "@" in text or "." in text):
        return None
    return read_digest(text, is_domain, hashed)


def _stored(cell: Callable[[str], str]) -> Stored:
    disclosed, hashed = cell("disclosed"), cell("hashed")
    if disclosed not in ("yes", "no"):
        raise ValueError(f"disclosed is yes or no, not {disclosed!r}")
    setter = cell("set_by")
    if setter not in SETTERS:
        raise ValueError(f"set_by is {', '.join(SETTERS)}, not {setter!r}")
    return Stored(
        Stops(cell("stops")),
        _instant(cell("ends")),
        disclosed == "yes",
        setter,
        cell("source"),
        HashKind(hashed) if hashed else None,
    )


def shown(text: str) -> str:
    """`text` as it is. Raises AddressSyntaxError when a reader could not see all of it."""
    if text.isascii() and text.isprintable():  # nearly always
        return text
    if "\N{REPLACEMENT CHARACTER}" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise AddressSyntaxError("the line is not valid UTF-8")
    # Some scripts need joiners, in names of domains too.
    if not text.replace("\u200c", "").replace("\u200d", "").isprintable():
        raise AddressSyntaxError("the line has characters that cannot be shown")
    return text


def _instant(text: str) -> float | None:
    """ISO 8601 as Unix seconds, UTC unless it says otherwise. Raises ValueError."""
    if not text:
        return None
    instant = datetime.fromisoformat(text)
    seconds = (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
    if not 0 <= seconds < _LATEST:
        raise ValueError(f"{text} is not between 1970 and 2100")
    return seconds
