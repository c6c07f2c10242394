"""Judges one session from outside: what the engine read, beside what the customer was told.

Every event must have exactly the replies it deserves, in order, and each positive reply must be
one that the replies before it allow: no 354 without a MAIL and a RCPT that got their 250.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gateway.smtp.services import Listening
from tests.campaigns.promises import SeenReply, promise


class Line(NamedTuple):
    """One event: its kind, and how many replies it must get."""

    kind: str
    replies: int


def check_transcript(
    events: Sequence[Line], replies: Sequence[SeenReply], listening: Listening
) -> None:
    """Raises `Broken` when replies are missing, too many or out of order."""
    promise(replies, "the gateway greets")
    codes = [reply.code for reply in replies]
    place = 1  # behind the greeting
    has_tls = listening.is_implicit
    is_known = bool(listening.trusted)
    greeted = mail = rcpt = False
    for number, event in enumerate(events):
        mine = codes[place : place + event.replies]
        place += event.replies
        if len(mine) < event.replies or 421 in mine:
            # The session ended over this event: nothing may have been read behind it.
            promise(number == len(events) - 1, "every command gets one reply", (events, codes))
            promise(421 in mine or not mine, "every command gets one reply", (events, codes))
            break
        first = mine[0]
        match event.kind:
            case "hello" if first == 250:
                greeted, mail, rcpt = True, False, False
            case "starttls" if first == 220:
                promise(greeted and not has_tls and not mail, "STARTTLS comes in its place", codes)
                has_tls, greeted = True, False
                is_known = bool(listening.trusted)
            case "auth" if first == 235:
                promise(has_tls or not listening.offer.needs_tls, "AUTH comes after TLS", codes)
                is_known = True
            case "mail" if first == 250:
                promise(greeted and is_known and not mail, "MAIL comes in its place", codes)
                promise(has_tls or not listening.offer.needs_tls, "MAIL comes after TLS", codes)
                mail, rcpt = True, False
            case "rcpt":
                promise(mail, "RCPT comes after MAIL", codes)
                rcpt = rcpt or 250 in mine
            case "data":
                promise(first != 354 or (mail and rcpt), "DATA comes after MAIL and RCPT", codes)
                mail = mail and first == 354
            case "end" | "reset":
                mail = rcpt = False
    # A session that collects too many errors is told so behind the reply to the last of them.
    left = codes[place:]
    promise(left in ([], [421]), "every command gets one reply", (events, codes))
