"""Messages through a gateway while everything around it breaks, counted on both sides.

One real `consentry serve`. Customers hang up at every moment and come back with the same octets;
eight next hops (STARTTLS and none, PIPELINING and none) refuse, stall, drop, garble and answer
twice at every phase, and vanish; meanwhile the SMTP process is killed, the records are emptied and
the disk is full. Some mails are to people who complained, some hold bare CR, LF or NUL. Prints one
table; exits 1 when a promise is broken. Takes about five minutes for 100,000 messages.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import uvloop

from tests.campaigns.books import Count, broken, reckon, show, what_happened
from tests.campaigns.broken import FAULTS, in_use
from tests.campaigns.customers import Crowd, Habits, Mail, compose
from tests.campaigns.house import House, Kill, house
from tests.campaigns.next_hop import WORDS, Act, NextHop, Script, Step, make_ports
from tests.e2e.certificates import make_certificates
from tests.faults.customer import SENDER
from tests.faults.houses import WEEKLY
from tests.faults.test_store_and_disk import flushed
from tests.faults.waiting import eventually

HOPS = 8
PATIENCE = 0.5
"""Seconds that the gateway waits for a next hop, each time."""
HABITS = Habits(customers=60, hang_ups=0.1)
STOPPED_EVERY, FLAWED_EVERY = 33, 41
TROUBLED = {
    "GREETING": 0.02,
    "EHLO": 0.02,
    "MAIL": 0.01,
    "RCPT": 0.01,
    "DATA": 0.01,
    "BODY": 0.01,
    "DOT": 0.04,
    "RSET": 0.02,
}
"""How likely there is trouble each time, by phase."""
LATER = f"450 4.2.0 not now {WORDS}"
NEVER = f"554 5.6.0 not this one {WORDS}"
LEAVING = f"421 4.3.2 leaving {WORDS}"
TWO = (Act.TWICE, Act.TWICE_LATER)
EVERYWHERE: tuple[Step, ...] = (LEAVING, Act.DROP, Act.STALL, Act.GARBLE, Act.LATE, *TWO)
STEPS: dict[str, tuple[Step, ...]] = {
    "GREETING": (*EVERYWHERE, f"554 5.3.2 no service {WORDS}"),
    "EHLO": (*EVERYWHERE, LATER),
    "MAIL": (*EVERYWHERE, LATER, NEVER),
    "RCPT": (*EVERYWHERE, LATER, NEVER),
    "DATA": (*EVERYWHERE, LATER, NEVER),
    "BODY": (Act.DROP, Act.STALL, LEAVING, LATER, NEVER),
    "DOT": (*EVERYWHERE, LATER, NEVER, Act.KEEP_AND_DROP, Act.KEEP_AND_STALL, Act.LATE),
    "RSET": (*EVERYWHERE, LATER, NEVER),
}
FLAWS = (b"a\rb", b"a\nb", b"a\0b", b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\r\n.\r\r\n")
"""What is put into a message's text; none of them may end it."""
SMUGGLED = b"MAIL FROM:<%b>\r\nRCPT TO:<smuggled%d@inbox.test>\r\nDATA\r\nSubject: id-0 0\r\n\r\n"


def main() -> None:
    """Run the campaign and print its counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=100_000, help="messages (100,000)")
    parser.add_argument("--seconds", type=float, default=1800, help="begin none after that (1800)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (1)")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    parser.add_argument("--broken", choices=FAULTS, default="", help="take this safety out first")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="consentry-faults-") as folder, in_use(options.broken):
        counts = uvloop.run(campaign(Path(folder), options.messages, options.seconds, options.seed))
    show(counts, options.json)
    if names := broken(counts):
        sys.exit(f"broken: {', '.join(names)}")


async def campaign(folder: Path, messages: int, seconds: float, seed: int) -> list[Count]:
    """Run it in `folder`; the counts."""
    certificates = make_certificates(folder / "certificates")
    hop = NextHop(troubles(random.Random(seed)), certificates, make_ports(HOPS))
    await hop.start()
    gateway = house(folder, hop.ports, certificates, PATIENCE)
    gateway.write()
    await asyncio.to_thread(
        gateway.suppress, (stopped(number) for number in range(0, messages, STOPPED_EVERY))
    )
    await asyncio.to_thread(gateway.start)
    began = time.monotonic()
    try:
        mails = write_mails(messages, random.Random(seed + 1))
        crowd = Crowd(gateway.doors, certificates, mails, HABITS, seed)
        sending = asyncio.ensure_future(crowd.run())
        asyncio.get_running_loop().call_later(seconds, crowd.end)
        kills = await breakages(gateway, hop, crowd, sending, messages)
        await sending
        took = time.monotonic() - began
        await asyncio.to_thread(eventually, lambda: not gateway.status["in_progress"], 60)
    finally:
        await asyncio.to_thread(gateway.stop)
        await hop.stop()
    counts = await asyncio.to_thread(reckon, crowd.over, hop, gateway, kills)
    return [
        Count("seconds", round(took, 1)),
        *what_happened(crowd, hop),
        *counts,
    ]


def troubles(chance: random.Random) -> Script:
    """The next hops' script: now and then one of the phase's steps."""

    def script(phase: str) -> Step | None:
        return chance.choice(STEPS[phase]) if chance.random() < TROUBLED[phase] else None

    return script


def write_mails(count: int, chance: random.Random) -> Iterator[Mail]:
    """So many different mails, of all kinds; a fifth of their customers give up early."""
    for number in range(count):
        is_list = chance.random() < 0.4
        sender = WEEKLY if is_list else SENDER
        recipients = [f"r{number}-{n}@inbox.test" for n in range(chance.choice((1, 1, 1, 2, 3)))]
        suppressed = [stopped(number)] if number % STOPPED_EVERY == 0 else []
        size = 200_000 if chance.random() < 0.005 else chance.randrange(3000)
        body = b".A line that begins with a dot\r\n" + b"Good morning, reader\r\n" * (size // 22)
        is_flawed = number % FLAWED_EVERY == 0
        if is_flawed:
            at = body.index(b"\r\n", chance.randrange(len(body) - 2))
            smuggled = SMUGGLED % (sender.encode(), number) if chance.random() < 0.5 else b""
            body = body[:at] + chance.choice(FLAWS) + smuggled + body[at:]
        yield Mail(
            number,
            sender,
            (*recipients, *suppressed),
            compose(number, sender, body),
            tries=chance.randint(1, 3) if chance.random() < 0.2 else 400,
            is_flawed=is_flawed,
            suppressed=frozenset(suppressed),
        )


def stopped(number: int) -> str:
    """The recipient of this mail who has complained."""
    return f"stopped{number}@inbox.test"


async def breakages(
    gateway: House,
    hop: NextHop,
    crowd: Crowd,
    sending: asyncio.Future[None],
    messages: int,
) -> list[Kill]:
    """Break things, one after the other, spread over the run; gives the kills."""
    kills: list[Kill] = []
    rounds = max(4, messages // 8000)
    for number in range(rounds):
        for part, breakage in enumerate((killed, emptied, full, vanished)):
            due = messages * (number + (part + 0.5) / 4) / rounds
            while len(crowd.over) < due and not sending.done():
                await asyncio.wait([sending], timeout=0.1)
            if sending.done():
                return kills
            print(f"{len(crowd.over):>7} messages; {breakage.__name__}", file=sys.stderr)
            await breakage(gateway, hop, kills)
    return kills


async def killed(gateway: House, _hop: NextHop, kills: list[Kill]) -> None:
    """The SMTP process ends with SIGKILL."""
    kills.append(await asyncio.to_thread(gateway.kill))


async def emptied(gateway: House, _hop: NextHop, _kills: list[Kill]) -> None:
    """For a second the records cannot tell who is suppressed."""
    await asyncio.to_thread(_for_a_while, lambda: flushed(gateway))


async def full(gateway: House, _hop: NextHop, _kills: list[Kill]) -> None:
    """For a second there is no room on the disk."""
    await asyncio.to_thread(_for_a_while, lambda: gateway.full_disk("smtp"))


async def vanished(_gateway: House, hop: NextHop, _kills: list[Kill]) -> None:
    """For a second half of the next hops refuse connections."""
    for port in hop.ports[::2]:
        hop.vanish(port)
    await asyncio.sleep(1)
    for port in hop.ports[::2]:
        await hop.appear(port)


def _for_a_while(trouble: Callable[[], AbstractContextManager[None]]) -> None:
    with trouble():
        time.sleep(1)


if __name__ == "__main__":
    main()
