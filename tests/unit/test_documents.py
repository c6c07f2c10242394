"""What documents name is there: files and headings that links lead to, and commands."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import typer

from gateway.cli import app

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DOCUMENTS += sorted((ROOT / "deploy").rglob("*.md"))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"\bconsentry((?: [a-z][a-z-]*){1,2})")
CODE = re.compile(r"```(?:sh|console)?\n.*?```|^    .*?$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
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


def unknown(document: Path) -> set[str]:
    """Commands in a document's code that `consentry` does not have."""
    commands = typer.main.get_command(app).commands
    lost = set()
    for code in CODE.findall(document.read_text()):
        for words in COMMAND.findall(code):
            name, _, inner = words.strip().partition(" ")
            command = commands.get(name)
            has_inner = hasattr(command, "commands")
            if command is None or (has_inner and inner and inner not in command.commands):
                lost.add(words.strip())
    return lost


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_exist(document: Path) -> None:
    """Every `consentry …` in a document's code is a command, and its second word one of a group."""
    assert not unknown(document)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link of a document has its file and its heading."""
    assert not broken(document)


def test_a_lost_link_is_found(tmp_path: Path) -> None:
    """A file that is not there and a heading that is not there are both told, and no others."""
    document = tmp_path / "page.md"
    document.write_text("# What I do, now\n[a](page.md#what-i-do-now) [b](#what) [c](other.md)\n")
    assert broken(document) == ["#what", "other.md"]


def test_an_unknown_command_is_found(tmp_path: Path) -> None:
    """Wherever code stands in a page, and in a group, too."""
    document = tmp_path / "page.md"
    document.write_text(
        "`consentry drain` `consentry fly`\n\n    consentry key list\n    consentry key eat\n"
    )
    assert unknown(document) == {"fly", "key eat"}
