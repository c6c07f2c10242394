"""Every way to write an end of data that is none, and a transaction hidden behind it.

`ENDS` are all mixtures of CR, LF, CRLF and NUL on both sides of a dot, but the real one: what some
server takes for the end of a message, or passes on so that the next one does. `smuggle` tries one.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

from tests.faults.customer import ANNA, Answer, Customer, message, new_id

BREAKS = (b"\n", b"\r", b"\r\n", b"\n\r", b"\r\r\n", b"\0", b"\r\0", b"\0\n", b"\r\0\n", b"\0\r\n")
ENDS = tuple(
    end
    for before, after in itertools.product((*BREAKS, b"\r\n\0"), (*BREAKS, b"\r\n\0"))
    if b"\r\n.\r\n" not in (end := before + b"." + after)
)
LIMIT = 65_536
"""Octets a message may have where `smuggle` sends one that is over it."""
PAUSE = 0.0005
"""Seconds between two segments, so that they are read one by one."""
MARK = b"evil"


def hidden(recipient: str = "bert@inbox.test") -> bytes:
    """A whole transaction and its end, marked."""
    mail = f"MAIL FROM:<news@acme.test>\r\nRCPT TO:<{recipient}>\r\nDATA\r\nFrom: <news@acme.test>"
    return mail.encode() + b"\r\nSubject: " + MARK + b"\r\n\r\n" + MARK + b"\r\n"


def splits(end: bytes, *, is_big: bool = False, in_header: bool = False) -> Iterator[list[bytes]]:
    """A message with `end` and a hidden transaction in it, its own end behind them: `end` comes in
    single octets, and of a message within the limit also cut in two at every place."""
    raw = message(new_id(), size=LIMIT + 40_000 if is_big else 0)
    if in_header:
        raw = raw[: raw.index(b"\r\n\r\n") + 2]
    start = raw + b"end?"
    octets = start + end + hidden() + b".\r\n"
    first, last = len(start) - 1, len(start) + len(end) + 1
    single = [octets[place : place + 1] for place in range(first, last)]
    yield [octets[:first], *single, octets[last:]]
    for place in range(first, last + 1) if not is_big else ():
        yield [octets[:place], octets[place:]]


def smuggle(customer: Customer, segments: list[bytes]) -> Answer:
    """The answer to a message that comes in these segments."""
    ready = customer.envelope(ANNA)
    if ready.code != 354:
        return ready
    for segment in segments:
        customer.send(segment)
        time.sleep(PAUSE)
    return customer.answer()
