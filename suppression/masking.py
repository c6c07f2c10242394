"""Masking addresses in texts that people write: grounds, notes, sources, outcomes.

Such texts are kept for years and lie outside every encryption, so an address in one would survive
its owner's erasure. `mask` takes any text and gives it with the local part of every address reduced
to its first character (`j***@example.org`): staff still see which provider it was about. Pure, time
linear in the text, raises nothing. What is no address in form (`jan at example.org`) is not found.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

STARS = "***"
_QUOTED = re.compile(r'"[^"]*"(?=[@\uff20])')
"""A quoted local part (RFC 5321 section 4.1.2) may hold blanks, so it goes before the words do."""
_WORD = re.compile(r"[^\s<>()\[\]{},;:\"'`|/\\=&?]+")
_PERCENT = re.compile("%40", re.IGNORECASE)
_AT = re.compile("[@\uff20]")


def mask(text: str) -> str:
    """`text` with every address in it masked; itself when there is none."""
    if "@" not in text and "\uff20" not in text and "%40" not in text:
        return text
    text = _PERCENT.sub("@", text)
    return _WORD.sub(_masked, _QUOTED.sub(STARS, text))


def mask_all(value: object) -> object:
    """`value` with every text in it masked, inside lists and mappings too; keys stay."""
    match value:
        case str():
            # A StrEnum has no address, and stays what it is.
            return mask(value) if type(value) is str else value
        case Mapping():
            return {name: mask_all(inner) for name, inner in value.items()}
        case list() | tuple():
            return [mask_all(inner) for inner in value]
        case _:
            return value


def _masked(word: re.Match[str]) -> str:
    *locals_, domain = _AT.split(word[0])
    if not locals_:
        return word[0]
    local = "".join(locals_)
    if not local or local.endswith(STARS):  # `@example.org`, or masked already
        return word[0] if len(local) <= len(STARS) + 1 else f"{STARS}@{domain}"
    first = local[0] if len(local) > 1 else ""
    return f"{first}{STARS}@{domain}"
