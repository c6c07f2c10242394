"""What campaigns that kill have in common: mails without end, and a next hop a little too slow."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count

from tests.campaigns.customers import Mail, compose
from tests.campaigns.next_hop import WORDS, Act, Script, Step
from tests.faults.customer import SENDER
from tests.faults.houses import WEEKLY


def a_little_slow(chance: random.Random, late: float) -> Script:
    """A next hop that is late at that share of the dots and now and then busy, and always says
    what it did."""

    def step(phase: str) -> Step | None:
        if phase == "DOT" and chance.random() < late:
            return Act.LATE
        if phase in ("RCPT", "DOT") and chance.random() < 0.01:
            return f"450 4.2.0 not now {WORDS}"
        return None

    return step


def mails_without_end(
    chance: random.Random, *, lists: float, lines: int, tries: int
) -> Iterator[Mail]:
    """Mails of fewer than so many lines without end, that share of them a list's."""
    for number in count():
        sender = WEEKLY if chance.random() < lists else SENDER
        recipients = tuple(f"r{number}-{n}@inbox.test" for n in range(chance.choice((1, 1, 2))))
        body = b"Good morning, reader\r\n" * chance.randrange(1, lines)
        yield Mail(number, sender, recipients, compose(number, sender, body), tries=tries)
