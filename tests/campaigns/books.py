"""The reckoning of a campaign: what customers were told against what the next hop has.

`reckon` counts per recipient by unique id. Every recipient of every mail has an address of its own,
so a copy's address and the number in its subject say whose it is. What the gateway says of copies
comes from its journal, its ledger, and what killed processes left behind. `show` prints the counts;
those marked as promises must be 0, and `broken` names those that are not.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import orjson

from gateway.ledger.entry import entry_keys
from gateway.message.received import Receiver
from tests.campaigns.customers import Crowd, Mail
from tests.campaigns.house import Kill
from tests.campaigns.next_hop import Copy, NextHop
from tests.faults.houses import WEEKLY

ACCOUNTED = frozenset({"taken", "unknown"})
SWALLOWED = (-0.2, 0.5)
"""Seconds around a kill: what the journal was to say of a copy then (lines wait up to 50 ms) is
lost with the process. That its forerunner was unknown is not, so only the announcement is
excused."""


class Count(NamedTuple):
    """One line of the table; a promise must be 0."""

    label: str
    value: float
    is_promise: bool = False


class Flags(NamedTuple):
    """What the gateway says, by recipient: refs of copies whose fate is unknown, and refs under
    which a copy was announced as a possible double before it went."""

    unknown: dict[str, set[str]]
    announced: dict[str, set[str]]


class Bookkeeper(Protocol):
    """A gateway, or several that share their records."""

    @property
    def journal_files(self) -> Sequence[Path]:
        """What the SMTP processes have written."""

    def known(self) -> dict[bytes, str]:
        """The ledger: key to state."""


def reckon(
    mails: Sequence[Mail], hop: NextHop, house: Bookkeeper, kills: Sequence[Kill] = ()
) -> list[Count]:
    """The counts, after the gateway has stopped."""
    keys = {key: recipient for mail in mails for recipient, key in _keys(mail)}
    flags = _flags(house, kills, keys)
    known = {keys[key]: state for key, state in house.known().items() if key in keys}
    owners = {recipient: mail for mail in mails for recipient in mail.recipients}
    copies: dict[str, list[Copy]] = defaultdict(list)
    strays = damaged = 0
    for copy in hop.copies:
        damaged += not copy.is_whole
        for recipient in copy.recipients:
            mail = owners.get(recipient)
            if mail is None or mail.number != copy.number:
                strays += 1
            else:
                copies[recipient].append(copy)

    told = lost = mailed = doubles = unflagged = unannounced = unaccounted = 0
    for mail in mails:
        told += len(mail.told)
        for recipient in mail.recipients:
            got = copies[recipient]
            mailed += bool(got) and recipient in mail.suppressed
            lost += recipient in mail.told and not got and recipient not in hop.bounced
            doubles += max(0, len(got) - 1)
            unflagged += max(0, len(got) - 1 - len(flags.unknown[recipient]))
            again = [one for one in got[1:] if not _was_swallowed(one, kills)]
            unannounced += max(0, len(again) - len(flags.announced[recipient]))
            is_known = known.get(recipient) in ACCOUNTED or flags.unknown[recipient]
            if got and (mail.is_flawed or not (recipient in mail.told or is_known)):
                unaccounted += 1
    wrong = [text for mail in mails for text in mail.wrong]
    return [
        Count("messages", len(mails)),
        Count("recipients", len(owners)),
        Count("recipients told 250", told),
        Count("recipients refused 5xx", sum(len(mail.refused) for mail in mails)),
        Count("copies at the next hop", sum(map(len, copies.values()))),
        Count("of these over TLS", sum(c.tls for got in copies.values() for c in got)),
        Count("refusals told by a bounce", len(hop.bounced)),
        Count("kills", len(kills)),
        Count("doubles, flagged", doubles - unflagged),
        Count("doubles, unflagged", unflagged, True),
        Count("doubles not announced", unannounced, True),
        Count("lost", lost, True),
        Count("copies unaccounted for", unaccounted + strays, True),
        Count("copies damaged", damaged, True),
        Count("suppressed mailed", mailed, True),
        Count("bare endings at the next hop", hop.bare, True),
        Count("wrong replies", len(wrong), True),
        *(Count(f"  {text[:70]}", wrong.count(text)) for text in sorted(set(wrong))[:5]),
    ]


def what_happened(crowd: Crowd, hop: NextHop) -> list[Count]:
    """How often there was trouble, and what customers were answered to the final dot."""
    return [
        Count("tries", crowd.tries),
        *(Count(f"  {where}", count) for where, count in sorted(crowd.left.items())),
        Count("troubles of the next hops", hop.steps.total()),
        *(Count(f"  at {phase}", count) for phase, count in sorted(hop.steps.items())),
        *(Count(f"answered {code}", count) for code, count in sorted(crowd.answers.items())),
    ]


def show(counts: Iterable[Count], as_json: bool) -> None:
    """Print the counts as a table or as JSON."""
    if as_json:
        print(json.dumps({one.label.strip(): one.value for one in counts}))
        return
    for label, value, is_promise in counts:
        shown = f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"
        print(f"{label:<40}{shown:>14}{'  must be 0' if is_promise else ''}")


def broken(counts: Iterable[Count]) -> list[str]:
    """The labels of the promises that are broken."""
    return [one.label for one in counts if one.is_promise and one.value]


def _keys(mail: Mail) -> Iterable[tuple[str, bytes]]:
    """The ledger key of each recipient."""
    receiver = Receiver()
    receiver.add(mail.octets)
    stream = "acme/weekly" if mail.sender == WEEKLY else "acme/news"
    found = entry_keys(
        mail.stream or stream, mail.sender, receiver.finish().digest, mail.recipients
    )
    return zip(mail.recipients, found, strict=True)


def _flags(house: Bookkeeper, kills: Iterable[Kill], keys: dict[bytes, str]) -> Flags:
    flags = Flags(defaultdict(set), defaultdict(set))
    for kill in kills:
        for ref, key in kill.unknown:
            if key in keys:
                flags.unknown[keys[key]].add(ref)
    for file in house.journal_files:
        with file.open("rb") as lines:
            for line in lines:
                if b'"unknown"' in line or b'"possible_doubles"' in line:
                    _note(line, flags)
    return flags


def _note(line: bytes, flags: Flags) -> None:
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        return  # the process was killed in the middle of it
    detail = event.get("detail", {})
    numbers = detail.get("possible_doubles", ())
    for one in detail.get("recipients", ()):
        if one["state"] == "unknown":
            flags.unknown[one["address"]].add(event["ref"])
        if one["n"] in numbers:
            flags.announced[one["address"]].add(event["ref"])


def _was_swallowed(copy: Copy, kills: Iterable[Kill]) -> bool:
    first, last = SWALLOWED
    return any(first < copy.at - kill.at < last for kill in kills)
