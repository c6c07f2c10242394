"""Names for sessions and transactions: short, unique, and sorted by the time they were made.

A ref is 13 characters of Crockford's base32 in lower case (no i, l, o or u, so it survives being
read out on the telephone): 41 bits of milliseconds since 2020 and 24 bits that no other ref of
that millisecond has in this process. A recipient's refusal is named `<ref>.<n>`. The time in it
lets `consentry explain` open the right journal file at once. Refs are no secrets.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_EPOCH_MS = 1_577_836_800_000  # 2020-01-01T00:00:00Z; 41 bits last until 2089
_SERIAL_BITS = 24
_SERIAL_MASK = (1 << _SERIAL_BITS) - 1
LENGTH = 13


class Refs:
    """Makes refs from `clock` (Unix seconds). Not for use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._last_ms = -1
        self._serial = 0

    def new(self) -> str:
        """The next ref. Within one millisecond refs count up from a random start."""
        ms = int(self._clock() * 1000) - _EPOCH_MS
        if ms == self._last_ms:
            self._serial = (self._serial + 1) & _SERIAL_MASK
        else:
            self._last_ms = ms
            # The upper quarter stays free, so that counting up does not wrap and keeps the order.
            self._serial = int(random.random() * 0xC00000)  # noqa: S311 - a name, not a secret
        value = ms << _SERIAL_BITS | self._serial
        pairs = _PAIRS
        return (
            _ALPHABET[value >> 60 & 31]
            + pairs[value >> 50 & 1023]
            + pairs[value >> 40 & 1023]
            + pairs[value >> 30 & 1023]
            + pairs[value >> 20 & 1023]
            + pairs[value >> 10 & 1023]
            + pairs[value & 1023]
        )


new_ref: Callable[[], str] = Refs().new
"""A ref from the system's clock."""


def split_ref(text: str) -> tuple[str, int | None]:
    """`text` as typed by a person, as (ref, recipient number or None). ValueError if it is none."""
    ref, dot, number = text.strip().lower().partition(".")
    if len(ref) != LENGTH or any(character not in _VALUES for character in ref):
        raise ValueError(f"{text!r} is not a ref: expected {LENGTH} letters and digits")
    if not dot:
        return ref, None
    if not (number.isascii() and number.isdigit()):
        raise ValueError(f"{text!r} is not a ref: after the dot comes the recipient's number")
    return ref, int(number)


def ref_time(ref: str) -> float:
    """When `ref` was made, Unix seconds. ValueError if it is no ref."""
    return ((ref_number(ref) >> _SERIAL_BITS) + _EPOCH_MS) / 1000


def ref_number(ref: str) -> int:
    """`ref` as a number that grows as refs do. ValueError if it is no ref."""
    value = 0
    for character in split_ref(ref)[0]:
        value = value << 5 | _VALUES[character]
    return value
