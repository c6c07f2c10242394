"""Reads what an HTML text shows, as lines: some mail servers say what they have to say in HTML.

`visible_text` takes a stranger's HTML, which the caller has cut, and gives plain text: no markup,
comments, scripts or styles, line ends where blocks and rows begin or end. It is no browser: what a
style hides is shown, so that nothing that is read is less than a person may find. Time is linear:
every piece of markup is read to its end or, where that is missing, to the text's, and nothing is
read twice. Raises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from itertools import pairwise

MAX_MARKUP = 20_000
"""Tags and comments that are read; what stands behind them is left out."""
_MARKUP = re.compile(
    r"<!--(?:-?>|.*?--!?>|.*+)"
    r"|<(?P<unseen>title|style|script|template)(?![\w:-])"
    r"(?:.*?</(?P=unseen)(?![\w:-])[^>]*+>?+|.*+)"
    r"|<(?P<end>/?)(?P<name>[a-z][\w:-]{0,30}+)"
    r"""(?:[^>=]++|=\s*+(?:"[^"]*+"?+|'[^']*+'?+)?+)*+>?+"""
    r"|<[!?/][^>]*+>?+",
    re.IGNORECASE | re.DOTALL | re.ASCII,
)
_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}+|#x[0-9a-f]{1,6}+|[a-z][a-z0-9]{1,30}+);?", re.IGNORECASE)
_BLOCK = re.compile(
    "address|article|aside|blockquote|body|br|caption|center|d[dlt]|details|dialog|dir|div|fieldset"
    "|fig(?:caption|ure)|footer|form|h[1-6r]|header|html|legend|li|main|menu|nav|[ou]l|option|p|pre"
    "|section|summary|table|tbody|tfoot|thead|tr"
)
_CELLS = frozenset(("td", "th"))
_SPACES = re.compile(r"[ \t\n\f\r]+")
_UNSEEN = {0xA0: " ", 0x2007: " ", 0x202F: " "} | dict.fromkeys(
    (0xAD, 0x200B, 0x200C, 0x2060, 0xFEFF)
)
"""Spaces that keep words together are spaces; what has no width is nothing."""


def visible_text(html: str) -> str:
    """The text, with one space where there are several, and no empty lines but one between blocks;
    as it stands where it is preformatted."""
    lines = [line.rstrip() for line in "".join(_pieces(html)).split("\n")]
    kept = (line for above, line in pairwise(["", *lines]) if above or line)
    return "\n".join(kept).rstrip()


def _pieces(html: str) -> Iterator[str]:
    place = preformatted = 0
    is_apart = True
    for count, markup in enumerate(_MARKUP.finditer(html), 1):
        text = _shown(html[place : markup.start()], preformatted > 0, is_apart)
        yield text
        is_apart = text.endswith((" ", "\n")) if text else is_apart
        place = markup.end()
        name = (markup["name"] or "").lower()
        if name == "pre":
            preformatted = max(preformatted + (-1 if markup["end"] else 1), 0)
        if _BLOCK.fullmatch(name):
            yield "\n"
            is_apart = True
        elif name in _CELLS and not is_apart:
            yield " "
            is_apart = True
        if count == MAX_MARKUP:
            return
    yield _shown(html[place:], preformatted > 0, is_apart)


def _shown(text: str, is_preformatted: bool, is_apart: bool) -> str:
    """What stands between markup; `is_apart`: behind a space or line end. Character references are
    read last: what they stand for is no markup and no space to leave out."""
    if not is_preformatted:
        text = _SPACES.sub(" ", text)
        text = text.lstrip(" ") if is_apart else text
    if "&" in text:
        text = _REFERENCE.sub(_character, text)
    return text.translate(_UNSEEN)


def _character(reference: re.Match[str]) -> str:
    """One that HTML does not know is left as it is. Not that of a whole text: its digits would be
    made a number, however many there are."""
    return unescape(reference[0])
