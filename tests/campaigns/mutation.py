"""Changes octets as a broken or hostile peer would: our own generator, the same for the same seed.

`mutate` applies one to eight changes: slices deleted, doubled, moved, spliced with another seed;
lines swapped; line ends replaced by what looks like one; words of the dictionary inserted; octets
flipped or repeated by the thousand. `segments` cuts what a peer sends as a network may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random

LINE_ENDS = (
    *(b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\r\n", b"\0\r\n", b"\r\0\n", b""),
    *(b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r\n", b"\r\n..\r\n", b"\r\n.\r"),
)
"""What may come in the place of CRLF."""
ODD = (
    *(b"\0", b"\x0b", b"\x0c", b"\x1b[2J", b"\x7f", b"\x80", b"\xc3\xa9", b"\xc3", b"\xef\xbb\xbf"),
    *(b"\xe2\x80\xa8", b"\xc4\xb1", b"\xed\xa0\x80", b"\xf0\x9f\x93\xa7", b"\t", b" ", b"."),
    *(b"%s%n", b"{0}", b"$(id)", b"\\", b'"', b"<", b">", b"@", b":", b";", b"(", b")", b"="),
)
"""Octets that readers stumble over."""

Change = Callable[[Random, bytes, Sequence[bytes], Sequence[bytes]], bytes]


def mutate(random: Random, octets: bytes, words: Sequence[bytes], seeds: Sequence[bytes]) -> bytes:
    """`octets` with one to eight changes; `words` are inserted, `seeds` spliced in."""
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4, 8))):
        octets = random.choice(_CHANGES)(random, octets, words, seeds)
    return octets


def segments(random: Random, octets: bytes) -> Iterator[bytes]:
    """`octets` as they may arrive: whole, in a few pieces, or one by one."""
    how = random.randrange(8)
    if how < 2 or len(octets) < 2:
        yield octets
        return
    if how == 7 and len(octets) < 300:
        for place in range(len(octets)):
            yield octets[place : place + 1]
        return
    last = 0
    for place in sorted([random.randrange(len(octets)) for _ in range(how)]):
        if place > last:
            yield octets[last:place]
            last = place
    yield octets[last:]


def _slice(random: Random, octets: bytes) -> tuple[int, int]:
    start = random.randrange(len(octets) + 1)
    return start, min(len(octets), start + random.choice((1, 2, 5, 20, 200)))


def _delete(random: Random, octets: bytes, words: object, seeds: object) -> bytes:
    start, end = _slice(random, octets)
    return octets[:start] + octets[end:]


def _double(random: Random, octets: bytes, words: object, seeds: object) -> bytes:
    start, end = _slice(random, octets)
    place = random.randrange(len(octets) + 1)
    return octets[:place] + octets[start:end] + octets[place:]


def _insert(random: Random, octets: bytes, words: Sequence[bytes], seeds: object) -> bytes:
    start, end = _slice(random, octets)
    word = random.choice(words if random.random() < 0.6 else ODD)
    return octets[:start] + word + octets[end if random.random() < 0.3 else start :]


def _flip(random: Random, octets: bytes, words: object, seeds: object) -> bytes:
    changed = bytearray(octets)
    for _ in range(random.choice((1, 1, 3, 10)) if octets else 0):
        place = random.randrange(len(changed))
        changed[place] = random.choice((random.randrange(256), changed[place] ^ 0x20))
    return bytes(changed)


def _repeat(random: Random, octets: bytes, words: object, seeds: object) -> bytes:
    start, end = _slice(random, octets)
    times = random.choice((2, 3, 10, 30, 100, 300, 3000)) if end - start < 3 else 10
    return octets[:end] + octets[start:end] * times + octets[end:]


def _end_of_line(random: Random, octets: bytes, words: object, seeds: object) -> bytes:
    place = octets.find(b"\r\n", random.randrange(len(octets) + 1))
    if place < 0:
        return octets + random.choice(LINE_ENDS)
    return octets[:place] + random.choice(LINE_ENDS) + octets[place + 2 :]


def _lines(random: Random, octets: bytes, words: object, seeds: object) -> bytes:
    lines = octets.split(b"\r\n")
    one, other = random.randrange(len(lines)), random.randrange(len(lines))
    match random.randrange(4):
        case 0:
            lines[one], lines[other] = lines[other], lines[one]
        case 1:
            lines.insert(one, lines[other])
        case 2:
            del lines[one]
        case _:
            lines[one] = lines[one].swapcase()
    return b"\r\n".join(lines)


def _splice(random: Random, octets: bytes, words: object, seeds: Sequence[bytes]) -> bytes:
    other = random.choice(seeds)
    return octets[: random.randrange(len(octets) + 1)] + other[random.randrange(len(other) + 1) :]


_CHANGES: tuple[Change, ...] = (
    _delete, _double, _insert, _insert, _insert, _flip, _repeat, _end_of_line, _end_of_line,
    _lines, _lines, _splice,
)  # fmt: skip
