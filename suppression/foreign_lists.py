"""Reading the suppression lists of other mailing services, as CSV and JSON.

`read_foreign` takes the text of a file and gives rows like `suppression.listfile`; what maps to
nothing is a `BadRow` with its line. A CSV cell may hold line breaks (what a server said), so a
record's line is the one that it begins in. JSON is what the services' programming interfaces give:
a list, a page with a list in it, several pages after each other, or an object on each line. It is
held in memory as text, one record at a time is taken from it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from gateway.message.address import parse_mailbox
from suppression.dialects import Dialect, Part, column, meaning, recognise
from suppression.listfile import BLOCK_LINES, BadRow, Row, shown
from suppression.precedence import RULES, Width, width

_LISTS = {"suppresseddestinationsummaries", "suppressions", "results", "items", "recipients"}
"""Where the interfaces' pages have their records."""
_ONE = "suppresseddestination"
_MAX_LINES = 100
"""Lines of one CSV record; more are a quote that is never closed."""
_SCAN = json.JSONDecoder()
_Placed = tuple[int, object]
"""Where a value begins in the text, and it."""


@dataclass(frozen=True, slots=True)
class Format:
    """How a service's list is to be read. `scope` is where entries go that may go there.

    `part` is which of a service's lists it is, where it has several.
    """

    dialect: Dialect
    part: Part | None = None
    scope: str = ""


def recognise_text(start: str) -> Dialect | None:
    """Whose list begins like this; None for our own, plain, or anybody's."""
    text = start.lstrip("\ufeff \t\r\n")
    if text[:1] in ("[", "{"):
        found = next(_records(text), None)
        return None if found is None or isinstance(found, BadRow) else recognise(found[1])
    first = text.partition("\n")[0].strip("\r")
    cells = next(csv.reader([first], delimiter=_delimiter(first)), [])
    if len(cells) == 2 and "@" in cells[0] and cells[1].strip() in ("BOUNCE", "COMPLAINT"):
        return Dialect.SES  # as SES itself takes lists: no header
    return recognise([column(cell) for cell in cells])


def read_foreign(
    file: Iterable[str], form: Format, is_wanted: Callable[[int], bool] = lambda _block: True
) -> Iterator[Row | BadRow]:
    """Every record as a Row or a BadRow, in order; of the blocks that are wanted."""
    lines = iter(file)
    ahead: list[str] = []
    for line in lines:
        ahead.append(line)
        if line.strip("\ufeff \t\r\n"):
            break
    if ahead and ahead[-1].lstrip("\ufeff \t")[:1] in ("[", "{"):
        records = _records("".join(chain(ahead, lines)))
    else:
        records = _table(chain(ahead, lines), form.dialect)
    for found in records:
        begins = found.line if isinstance(found, BadRow) else found[0]
        if is_wanted(begins // BLOCK_LINES):
            yield found if isinstance(found, BadRow) else _row(*found, form)


def _row(line: int, record: Mapping[str, str], form: Format) -> Row | BadRow:
    try:
        said = meaning(form.dialect, record, form.part)
        target = parse_mailbox(shown(said.address))
    except ValueError as error:
        return BadRow(line, str(error))
    scope = form.scope
    # A tenant's bounces stay the tenant's, in whichever stream its unsubscribes are to be.
    if width(scope) is Width.STREAM and Width.STREAM not in RULES[said.reason].widths:
        scope = scope.partition("/")[0]
    return Row(line, target, said.reason, scope, said.date, stops=said.stops)


def _delimiter(line: str) -> str:
    return next((mark for mark in ";\t" if mark in line), ",")


# ---- CSV ------------------------------------------------------------------------------------


def _table(lines: Iterator[str], dialect: Dialect) -> Iterator[tuple[int, dict[str, str]] | BadRow]:
    counted = _Counted(lines)
    first = next((line for line in counted if line.strip("\ufeff \t\r\n")), None)
    if first is None:
        return
    reader = csv.reader(chain([first], counted), delimiter=_delimiter(first))
    names: list[str] = []
    while True:
        begins = counted.number + (1 if names else 0)
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield BadRow(begins, str(error))
            continue
        if cells is None:
            return
        if counted.number - begins > _MAX_LINES:
            yield BadRow(begins, f"a quote is not closed: nothing is taken up to {counted.number}")
            continue
        if not names:
            names = [column(cell) for cell in cells]
            if dialect is Dialect.SES and "@" in cells[0]:
                names = ["emailaddress", "reason"]
            else:
                continue
        if any(cell.strip() for cell in cells):
            yield begins, {name: cell.strip() for name, cell in zip(names, cells, strict=False)}


class _Counted:
    """Lines, and the number of the last one given."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        return line


# ---- JSON -----------------------------------------------------------------------------------


def _records(text: str) -> Iterator[tuple[int, dict[str, str]] | BadRow]:
    """The records in a JSON text, each with the line that it begins in."""
    place, line, counted = 0, 1, 0
    try:
        for place, record in _values(text):
            line += text.count("\n", counted, place)
            counted = place
            if isinstance(record, str):  # a SendGrid group is a list of mere addresses
                yield line, {"email": record}
            elif isinstance(record, dict):
                yield line, {column(name): _text(value) for name, value in record.items()}
            else:
                yield BadRow(line, "this is neither an object nor an address")
    except (ValueError, RecursionError) as error:
        at = error.pos if isinstance(error, json.JSONDecodeError) else place
        line += text.count("\n", counted, at)
        yield BadRow(line, "this is no JSON from here on; nothing more is taken")


def _values(text: str) -> Iterator[_Placed]:
    """Where each record begins, and it. Raises JSONDecodeError."""
    place = _skip(text, 0)
    while place < len(text):
        if text[place] == "[":
            place = yield from _elements(text, place)
        elif text[place] == "{":
            place = yield from _page(text, place)
        else:
            raise json.JSONDecodeError("no list and no object", text, place)
        place = _skip(text, place)


def _page(text: str, place: int) -> Generator[_Placed, None, int]:
    """The records of the list in a page; an object without one is a record itself."""
    start, members = place, 0
    is_page = False
    place = _skip(text, place + 1)
    while text[place : place + 1] != "}":
        if members:
            place = _expect(text, place, ",")
        name, place = _SCAN.raw_decode(text, place)
        place = _expect(text, _skip(text, place), ":")
        if text[place : place + 1] == "[" and column(str(name)) in _LISTS:
            is_page = True
            place = yield from _elements(text, place)
        else:
            value, after = _SCAN.raw_decode(text, place)
            if column(str(name)) == _ONE:
                is_page = True
                yield place, value
            place = after
        members += 1
        place = _skip(text, place)
    if not is_page and members:
        yield start, _SCAN.raw_decode(text, start)[0]
    return place + 1


def _elements(text: str, place: int) -> Generator[_Placed, None, int]:
    place = _skip(text, place + 1)
    is_first = True
    while text[place : place + 1] != "]":
        if not is_first:
            place = _expect(text, place, ",")
        value, after = _SCAN.raw_decode(text, place)
        yield place, value
        place = _skip(text, after)
        is_first = False
    return place + 1


def _expect(text: str, place: int, mark: str) -> int:
    if text[place : place + 1] != mark:
        raise json.JSONDecodeError(f"no {mark}", text, place)
    return _skip(text, place + 1)


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in " \t\r\n\ufeff":
        place += 1
    return place


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None or isinstance(value, list | dict) else str(value).strip()
