"""One transaction with a fault at one of five moments, and everything that must be true of it.

`meet(stores, fault, moment, seconds)` sends to somebody whom anybody may mail and to two whom
nobody may, has the fault begin at that moment and last so long, and asks on: over other sessions,
with AUTH and with an opt-out. Then it waits until all is well, has the customer come back with the
same octets until it is told 250, and counts at the next hop. `Met.broken` names what was wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from enum import StrEnum

from tests.e2e.gateway import LOGIN, PASSWORD
from tests.faults.customer import SENDER, Answer, Customer, message, new_id, send
from tests.faults.hop import Action
from tests.faults.houses import WEEKLY
from tests.faults.store_faults import Fault
from tests.faults.stores import COMPLAINED, PROTECTED, Stores
from tests.faults.waiting import eventually

RECOVERY = 5.0
"""Seconds after the fault's end within which everything must work."""
REFUSED = {PROTECTED: "PROTECTED", COMPLAINED: "COMPLAINT"}
PATIENCE = 15.0
"""Seconds for any answer."""


class Moment(StrEnum):
    """When the fault begins."""

    MAIL = "before MAIL"
    RCPT = "before RCPT"
    END = "before the end of data"
    RELAY = "during relay"
    AFTER = "after it"


@dataclass(slots=True)
class Met:
    """What came of one fault at one moment; `seconds` until all was well after its end."""

    fault: str
    moment: Moment
    seconds: float = 0.0
    told: int = 0
    """The answer to the first try: to the dot, or what kept it from that."""
    opt_out: int = 0
    broken: list[str] = field(default_factory=list)

    def passes(self, where: str, answer: Answer, refused: str = "") -> bool:
        """Judge the next answer of the first try; whether it goes on."""
        self.judge(where, answer, refused)
        if not refused:
            self.told = answer.code
        return 200 <= answer.code < 400

    def judge(self, where: str, answer: Answer, refused: str = "") -> None:
        """Note an answer that is none of 2xx, 3xx, 4xx or the refusal that is due."""
        is_due = refused and answer.code == 550 and answer.tag == refused
        if not (200 <= answer.code < 500 or is_due):
            words = answer.text.partition(";")[0] or "closed"
            self.note(f"{where}: {answer.code} {words}")
        if refused and answer.code == 250:
            self.note(f"{where}: {refused} accepted")

    def note(self, text: str) -> None:
        """Note what should not have been, once."""
        if text not in self.broken:
            self.broken.append(text)


def meet(stores: Stores, name: str, fault: Fault, moment: Moment, seconds: float) -> Met:
    """Have it happen; `seconds` is how long the fault lasts."""
    met = Met(name, moment)
    unique = new_id()
    reader, address = f"reader-{unique}@inbox.test", f"{unique}@inbox.test"
    octets = message(unique)
    with ExitStack() as during:
        until = 0.0

        def begin(now: Moment) -> None:
            nonlocal until
            if now is moment:
                during.enter_context(fault(stores))
                until = time.monotonic() + seconds

        def ask_on() -> None:
            while True:
                _ask_on(stores, met, reader)
                if time.monotonic() >= until:
                    return

        # What an earlier fault has damaged may show late; it is mended within the time as well.
        began = time.monotonic()
        while not until and time.monotonic() - began < RECOVERY:
            _first_try(stores, met, begin, ask_on, address, octets)
        if not until:
            met.note(f"refused before the fault began: {met.told}")
        ask_on()
    ended = time.monotonic()
    eventually(lambda: all(_works(stores) for _ in range(2 * stores.workers - 1)), 60)
    met.seconds = time.monotonic() - ended
    if met.seconds > RECOVERY:
        met.note(f"well again only after {met.seconds:.1f} s")
    if met.opt_out == 200:
        (said,) = _recipients(stores, WEEKLY, reader)
        met.judge("RCPT of who opted out", said, "UNSUB")
    if met.told != 250:
        eventually(lambda: send(stores.node.open, octets, address).code == 250)
    _count(stores, met, address)
    return met


def _first_try(
    stores: Stores,
    met: Met,
    begin: Callable[[Moment], None],
    ask_on: Callable[[], None],
    address: str,
    octets: bytes,
) -> None:
    """One transaction until its end, or until it is refused."""
    try:
        with Customer(stores.node.open, seconds=PATIENCE) as customer:
            customer.hello()
            begin(Moment.MAIL)
            if not met.passes("MAIL", customer.ask(f"MAIL FROM:<{SENDER}>")):
                return
            begin(Moment.RCPT)
            refused = {address: "", **REFUSED}
            customer.send("".join(f"RCPT TO:<{one}>\r\n" for one in refused).encode())
            answers = [customer.answer() for _ in refused]
            passed = [
                met.passes(f"RCPT {tag or 'open'}", answer, tag)
                for tag, answer in zip(refused.values(), answers, strict=True)
            ]
            if not passed[0] or not met.passes("DATA", customer.ask("DATA")):
                return
            if met.moment is Moment.RELAY:
                stores.hop.on("DOT", Action.HOLD)
            customer.send(octets)
            begin(Moment.END)
            customer.send(b".\r\n")
            if met.moment is Moment.RELAY:
                stores.hop.wait_held()
                begin(Moment.RELAY)
                ask_on()
                stores.hop.release()
            met.passes("the dot", customer.answer())
            begin(Moment.AFTER)
    except TimeoutError:
        met.note(f"no answer within {PATIENCE:g} s")
    finally:
        stores.hop.forget()


def _ask_on(stores: Stores, met: Met, reader: str) -> None:
    """What others ask meanwhile."""
    try:
        for address, answer in zip(REFUSED, _recipients(stores, SENDER, *REFUSED), strict=False):
            met.judge("another's RCPT", answer, REFUSED[address])
        encrypted = {"tls": stores.node.certificates, "seconds": PATIENCE}
        with Customer(stores.node.submissions, **encrypted) as customer:
            customer.hello()
            met.judge("AUTH", customer.sign_in(LOGIN, PASSWORD))
        if met.opt_out != 200:
            met.opt_out = stores.opt_out(reader)
            if met.opt_out not in (200, 503):
                met.note(f"an opt-out was answered {met.opt_out}")
    except TimeoutError:
        met.note(f"others got no answer within {PATIENCE:g} s")


def _recipients(stores: Stores, sender: str, *addresses: str) -> list[Answer]:
    """The answers to RCPT in a transaction of their own; to MAIL, when that was refused."""
    with Customer(stores.node.open, seconds=PATIENCE) as customer:
        customer.hello()
        said = customer.ask(f"MAIL FROM:<{sender}>")
        if said.code != 250:
            return [said]
        customer.send("".join(f"RCPT TO:<{one}>\r\n" for one in addresses).encode())
        return [customer.answer() for _ in addresses]


def _works(stores: Stores) -> bool:
    """Whether everything works at the worker that takes the connection."""
    unique = new_id()
    with suppress(TimeoutError):
        if stores.opt_out(f"{unique}@inbox.test") != 200:
            return False
        if [one.tag for one in _recipients(stores, SENDER, *REFUSED)] != list(REFUSED.values()):
            return False
        return send(stores.node.open, message(unique), f"{unique}@inbox.test").code == 250
    return False


def _count(stores: Stores, met: Met, address: str) -> None:
    """What the next hop has."""
    kept = list(stores.hop.kept)
    copies = sum(address in one.recipients for one in kept)
    flagged = set()
    for event in stores.node.events():
        detail = event.get("detail", {})
        told = detail.get("recipients")
        for one in told if isinstance(told, list) else ():
            is_flagged = one["state"] == "unknown" or one["n"] in detail.get("possible_doubles", ())
            if is_flagged and one["address"] == address:
                flagged.add(event["ref"])
    if not copies:
        met.note("lost")
    if copies - 1 > len(flagged):
        met.note(f"{copies - 1} doubles, {len(flagged)} flagged")
    if any(one in REFUSED for message in kept for one in message.recipients):
        met.note("somebody protected was mailed")
