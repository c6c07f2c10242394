"""The evidence sheet as one PDF file: A4, fonts embedded, text that can be searched and copied.

Deterministic: the same sheet gives the same octets. The font is DejaVu Sans (docs/decisions/
evidence-pdf.md); a character that it lacks is written as its code point, never left out.
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import as_file, files
from typing import cast

from fpdf import FPDF
from fpdf.enums import WrapMode, XPos, YPos
from fpdf.fonts import TTFFont

from gateway.evidence.sheet import Part, Sheet

FONT = "DejaVu"
_FILES = {"": "DejaVuSans.ttf", "B": "DejaVuSans-Bold.ttf"}
MARGIN = 18.0
"""Millimetres."""
_LABEL = 52.0
_GREY, _BLACK = (77, 77, 77), (0, 0, 0)
_PAGES = "\uef00\uef01"
"""Stands for the number of pages until it is known: private glyphs, which no text is shown with."""


class _Document(FPDF):
    """A page with a title and a number at its foot."""

    def __init__(self, sheet: Sheet) -> None:
        super().__init__(format="A4")
        self._sheet = sheet

    def footer(self) -> None:
        """Called at each page's end."""
        self.set_y(-14)
        self.set_font(FONT, size=8)
        self.set_text_color(*_GREY)
        words = f"{self._sheet.title} · {self._sheet.page} {self.page_no()}/{_PAGES}"
        self.cell(0, 5, words, align="C")


def as_pdf(sheet: Sheet) -> bytes:
    """The whole file."""
    document = _Document(sheet)
    document.alias_nb_pages(_PAGES)
    document.set_margins(MARGIN, MARGIN)
    document.set_auto_page_break(True, 20)
    for style, name in _FILES.items():
        with as_file(files("gateway.evidence").joinpath("fonts", name)) as path:
            document.add_font(FONT, style, path)
    document.set_title(sheet.title)
    document.set_author("Consentry")
    document.set_lang(sheet.language)
    document.set_creation_date(datetime.fromtimestamp(int(sheet.made_at), UTC))
    document.set_display_mode("fullwidth")
    document.add_page()
    _line(document, sheet.title, 18, "B")
    _line(document, sheet.intro, 10)
    _pairs(document, sheet.rows)
    for part in sheet.parts:
        _part(document, part)
    return bytes(document.output())


def _part(document: FPDF, part: Part) -> None:
    document.ln(2 if part.is_minor else 5)
    if document.will_page_break(24):  # a title never stands alone at a page's foot
        document.add_page()
    document.start_section(_shown(document, part.title), 1 if part.is_minor else 0)
    _line(document, part.title, 10 if part.is_minor else 13, "B")
    if part.quote:
        document.set_draw_color(*_GREY)
        document.set_font(FONT, size=10)
        document.set_x(MARGIN + 4)
        document.multi_cell(
            0,
            5.2,
            _shown(document, part.quote),
            border="L",
            align="L",
            new_x=XPos.LMARGIN,
            new_y=YPos.NEXT,
        )
        document.ln(1)
    _pairs(document, part.rows)
    if part.text:
        _line(document, part.text, 10)


def _pairs(document: FPDF, rows: tuple[tuple[str, str], ...]) -> None:
    """Label and value beside each other; both may take several lines."""
    for label, value in rows:
        if document.will_page_break(12):
            document.add_page()
        top, page = document.get_y(), document.page
        document.set_font(FONT, size=9)
        document.set_text_color(*_GREY)
        document.multi_cell(
            _LABEL, 4.8, _shown(document, label), align="L", new_x=XPos.RIGHT, new_y=YPos.NEXT
        )
        bottom = document.get_y()
        document.set_y(top)
        document.set_x(MARGIN + _LABEL + 3)
        document.set_text_color(*_BLACK)
        document.multi_cell(
            0,
            4.8,
            _shown(document, value),
            align="L",
            new_x=XPos.LMARGIN,
            new_y=YPos.NEXT,
            wrapmode=WrapMode.WORD if " " in value else WrapMode.CHAR,
        )
        if document.page == page:
            document.set_y(max(bottom, document.get_y()))


def _line(document: FPDF, text: str, size: float, style: str = "") -> None:
    document.set_font(FONT, style, size)
    document.set_text_color(*_BLACK)
    document.multi_cell(
        0, size * 0.52, _shown(document, text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT
    )
    document.ln(1)


def _shown(document: FPDF, text: str) -> str:
    """`text` with whatever the font lacks as `[U+4E2D]`."""
    known = cast("TTFFont", document.fonts[FONT.lower()]).cmap
    return "".join(
        c if c == "\n" or (ord(c) in known and c not in _PAGES) else f"[U+{ord(c):04X}]"
        for c in text.replace("\r\n", "\n").replace("\t", "    ")
    )
