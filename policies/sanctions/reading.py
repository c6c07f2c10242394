"""Reading plain data strictly: each helper takes a value with its key path and raises
ConfigurationError that names the path when the value is not what it should be.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from gateway.errors import ConfigurationError

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
LANGUAGES = ("en", "pl")
_DURATION = re.compile(r"(\d{1,9})([smhd])", re.ASCII)

Word = TypeVar("Word", bound=StrEnum)


def wrong(path: str, problem: str) -> ConfigurationError:
    """What is wrong, and where."""
    return ConfigurationError(f"{path}: {problem}")


def mapping(path: str, value: object, known: Collection[str]) -> Mapping[str, object]:
    """A mapping with no key that is not known."""
    if not isinstance(value, Mapping):
        raise wrong(path, "a mapping is needed")
    for key in value:
        if key not in known:
            raise wrong(f"{path}.{key}", f"no such key; known are {', '.join(sorted(known))}")
    return value


def sequence(path: str, value: object) -> Iterable[tuple[str, object]]:
    """The items of a list, each with its path."""
    if not isinstance(value, list | tuple):
        raise wrong(path, "a list is needed")
    return [(f"{path}[{number}]", item) for number, item in enumerate(value)]


def text(path: str, value: object) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise wrong(path, "a text is needed")
    return value


def texts(path: str, value: object, *more: str) -> dict[str, str]:
    """The same text in English and Polish, and what else may be said of it."""
    found = mapping(path, value, {*LANGUAGES, *more})
    names = [*LANGUAGES, *(name for name in more if name in found)]
    return {name: text(f"{path}.{name}", found.get(name)) for name in names}


def flag(path: str, value: object) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise wrong(path, "true or false is needed")
    return value


def whole(path: str, value: object, least: int, most: int = 10**9) -> int:
    """A whole number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise wrong(path, f"a whole number from {least} to {most} is needed")
    return value


def percent(path: str, value: object) -> float:
    """0 to 100."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise wrong(path, "a number from 0 to 100 is needed")
    return value


def duration(path: str, value: object) -> float:
    """Seconds, or a text such as 90m, 24h, 30d."""
    if isinstance(value, str) and (found := _DURATION.fullmatch(value)):
        return int(found[1]) * UNITS[found[2]]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 10**10:
        raise wrong(path, "seconds or a duration such as 90m, 24h, 30d is needed")
    return value


def word(path: str, value: object, words: type[Word]) -> Word:
    """One of the words of an enum."""
    try:
        return words(text(path, value))
    except ValueError:
        raise wrong(path, f"{value} is none of {', '.join(words)}") from None
