"""`{nb}` in a consent text stood in the evidence PDF as the number of its pages."""

from __future__ import annotations

from typing import Any

import fpdf
import pytest

from gateway.evidence.pdf import as_pdf
from gateway.evidence.sheet import Part, Sheet


@pytest.mark.parametrize("words", ["I agree {nb} times", "I agree \uef00\uef01 times"])
def test_quoted_words_are_not_the_number_of_pages(
    words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever stands for the number of pages in the footer is in no text that is quoted."""
    marks: list[str] = []
    quoted: list[str] = []
    alias = fpdf.FPDF.alias_nb_pages
    cell = fpdf.FPDF.multi_cell

    def noted_alias(self: fpdf.FPDF, mark: str = "{nb}", **options: Any) -> None:
        marks.append(mark)
        alias(self, mark, **options)

    def noted_cell(self: fpdf.FPDF, w: float, h: float, text: str, **options: Any) -> object:
        quoted.append(text)
        return cell(self, w, h, text, **options)

    monkeypatch.setattr(fpdf.FPDF, "alias_nb_pages", noted_alias)
    monkeypatch.setattr(fpdf.FPDF, "multi_cell", noted_cell)
    part = Part("words", quote=words)
    as_pdf(Sheet("en", "title", "intro", (), (part,), "page", 1_800_000_000.0))
    assert any("times" in text for text in quoted)
    assert all(marks[-1] not in text for text in quoted)
