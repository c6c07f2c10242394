"""Lists are read whole: a good row as it stands, a bad one with its line number."""

import io
from pathlib import Path

import pytest

from gateway.words import Address
from suppression.listfile import EXPORT_HEADER, BadRow, Row, as_text, read_rows, write_rows
from suppression.standing import Reason


def _read(text: str) -> list[Row | BadRow]:
    return list(read_rows(io.StringIO(text, newline="")))


def _texts(text: str) -> list[str]:
    return [str(row.target) if isinstance(row, Row) else f"bad {row.line}" for row in _read(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("\n\n", []),
        ("a@x.example\r\n\r\nb@x.example", ["a@x.example", "b@x.example"]),
        ("email\na@x.example\n", ["a@x.example"]),
        ('"a@x.example"\n"john doe"@x.example\n', ["a@x.example", '"john doe"@x.example']),
        ("a@x.example,manual\nb@x.example\n", ["a@x.example", "b@x.example"]),
        ("Reason;E-Mail\nmanual;a@x.example\n", ["a@x.example"]),
        ("firma.example\n@Other.Example\n", ["firma.example", "other.example"]),
        (
            "a@x.example\nnonsense here\nexample\nb@x.example\n",
            ["a@x.example", "bad 2", "bad 3", "b@x.example"],
        ),
        ("domain,email\nx.example,a@x.example\n", ["a@x.example"]),
        ("name;domain\nX;x.example\n", ["x.example"]),
        ("email,name,recipient\na@x.example,A,b@x.example\n", ["bad 1"]),
        ("a@x.example,,,0001-01-01T00:00:00+01:00\nb@x.example,,,2100-01-01\n", ["bad 1", "bad 2"]),
        ("a@x.example,unheard-of\nb@x.example,,,yesterday\n", ["bad 1", "bad 2"]),
        (
            'address,reason\n"a@x.example,manual\nb@x.example,manual\n"c@x.example",manual\n',
            ["bad 2", "b@x.example", "c@x.example"],
        ),
    ],
)
def test_forms_of_lists(text: str, expected: list[str]) -> None:
    """Plain lines, CSV with or without header, any column order, domains, bad rows in place; an
    address beats its domain, and two columns of addresses are not guessed at."""
    assert _texts(text) == expected


def test_columns_are_read() -> None:
    """A full row carries reason, scope and date; a date without zone is UTC."""
    rows = _read("date,scope,address,reason\n2026-01-02,acme,Jan@X.example,Hard_Bounce\n")
    assert rows == [
        Row(
            2,
            Address("Jan@X.example", "Jan", "x.example"),
            Reason.HARD_BOUNCE,
            "acme",
            1767312000.0,
        )
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    """UTF-8 with or without a mark, and UTF-16 with one."""
    path = tmp_path / "list.csv"
    path.write_bytes("address\nzażółć@x.example\n".encode(encoding))
    with as_text(path.open("rb")) as file:
        (row,) = read_rows(file)
    assert isinstance(row, Row)
    assert str(row.target) == "zażółć@x.example"


def test_octets_that_do_not_decode_make_their_line_bad(tmp_path: Path) -> None:
    """One Latin-2 line in a UTF-8 list is reported, the others are read."""
    path = tmp_path / "list.txt"
    path.write_bytes(b"a@x.example\nza\xbf@x.example\nb@x.example\n")
    with as_text(path.open("rb")) as file:
        rows = list(read_rows(file))
    assert [type(row) for row in rows] == [Row, BadRow, Row]
    assert isinstance(rows[1], BadRow)
    assert rows[1].line == 2
    assert "UTF-8" in rows[1].problem


def test_an_export_is_safe_in_a_spreadsheet_and_reads_back() -> None:
    """No cell starts a formula, and our own import takes the guard off again."""
    out = io.StringIO(newline="")
    addresses = ["=cmd@x.example", "+tag@x.example", "-a@x.example", "'q@x.example", "b@x.example"]
    blank = ("", "", "", "", "", "", "everything", "yes", "operator", "")
    assert write_rows(out, ((address, *blank) for address in addresses)) == len(addresses)
    lines = out.getvalue().splitlines()
    assert lines[0] == ",".join(EXPORT_HEADER)
    assert not any(line.startswith(("=", "+", "-", "@")) for line in lines)
    assert _texts(out.getvalue()) == addresses


def test_a_foreign_quote_before_an_address_is_data() -> None:
    """An address may start with an apostrophe; only our own export's is a guard."""
    assert _texts("address,reason\n'q@x.example,manual\n") == ["'q@x.example"]


@pytest.mark.parametrize(
    "content",
    [
        b"a@x.example,manual,acme/wee\xbfkly\n",
        b"a@x.example,manual,acme\x1b[2J\n",
        "a@x.example,manual,acme\n".encode("utf-16")[:-1],
    ],
)
def test_what_cannot_be_shown_is_refused_in_every_cell(content: bytes) -> None:
    """Octets that are no text, and control characters, make the line bad wherever they stand."""
    (row,) = read_rows(as_text(io.BytesIO(content)))
    assert isinstance(row, BadRow)


def test_a_line_too_long_for_a_cell_is_one_bad_row() -> None:
    """Also in the first line, where the header is looked for."""
    long = f"{'a' * 200_000},manual\n"
    assert _texts(long + "b@x.example,manual\n" + long) == ["bad 1", "b@x.example", "bad 3"]


def test_an_exported_row_is_one_line() -> None:
    """A line break in a cell is written as a space, for a row is read back line by line."""
    out = io.StringIO(newline="")
    write_rows(out, [("a@x.example", "", "", "", "", "note\r\n=1", "", "bulk", "no", "tenant", "")])
    assert _texts(out.getvalue()) == ["a@x.example"]
