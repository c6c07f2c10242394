"""Links between the documents lead somewhere: to a file that is there, and to a heading in it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DOCUMENTS += sorted((ROOT / "deploy").rglob("*.md"))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


@cache
def anchors(document: Path) -> frozenset[str]:
    """The headings of a document as links name them: lower case, words joined by hyphens."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", document.read_text()), re.MULTILINE)
    return frozenset(
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    )


def broken(document: Path) -> list[str]:
    """The links of a document that lead nowhere; those to other sites are not followed."""
    lost = []
    for link in LINK.findall(FENCED.sub("", document.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    return lost


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link of a document has its file and its heading."""
    assert not broken(document)


def test_a_lost_link_is_found(tmp_path: Path) -> None:
    """A file that is not there and a heading that is not there are both told, and no others."""
    document = tmp_path / "page.md"
    document.write_text("# What I do, now\n[a](page.md#what-i-do-now) [b](#what) [c](other.md)\n")
    assert broken(document) == ["#what", "other.md"]
