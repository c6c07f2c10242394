"""When one transaction leaves a next hop for another, and what the next hop's health learns of it.

Rules over one connection's end or the replies it gave (docs/decisions/relay-failover.md); each
marks the next hop as failed where it has to, so that the following transactions go elsewhere too.
A next hop is left only while nothing of the copy in hand was sent; what happens after a final dot
marks it, no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto

from gateway.relay.connection import End
from gateway.relay.hop import Hop, Lent, Phase
from gateway.relay.outcome import HopReply, Trouble

MAX_STALLS = 3
"""Connections to one next hop that may break in a row without any progress."""


class Next(Enum):
    """What to do after a conversation broke off."""

    RETRY = auto()
    """Go on over another connection."""
    LEAVE = auto()
    """Go on at another next hop."""
    TELL = auto()
    """Tell the customer."""


def after_break(lent: Lent, stalls: int, phase: Phase) -> Next:
    """What to do when it broke off before the dot, for the `stalls`th time without progress."""
    ending = lent.connection.ending
    if ending is None:  # there was no room for further refusals
        return Next.TELL if stalls >= MAX_STALLS else Next.RETRY
    if ending.end is End.SILENT:  # the customer has waited long enough to be told
        lent.hop.failed(Trouble.AWAY, str(ending), Phase.ASKING)
        return Next.TELL
    if ending.end is End.GARBLED or stalls >= MAX_STALLS:
        lent.hop.failed(Trouble.BROKE_OFF, str(ending), phase)
        return Next.LEAVE
    return Next.RETRY if ending.may_replay else Next.TELL


def is_refusing_us(hop: Hop, replies: Iterable[HopReply], phase: Phase) -> bool:
    """True when one of the replies refuses the gateway itself."""
    for reply in replies:
        if reply.trouble is Trouble.REFUSES_US:
            hop.failed(Trouble.REFUSES_US, reply.text, phase)
            return True
    return False


def was_unanswered(lent: Lent) -> None:
    """A final dot went out and no reply came."""
    ending = lent.connection.ending
    if ending is not None and ending.end is End.SILENT:
        lent.hop.failed(Trouble.AWAY, str(ending), Phase.ASKING)
    elif ending is not None and ending.end is not End.DROPPED:
        lent.hop.failed(Trouble.BROKE_OFF, str(ending), Phase.SENDING)
