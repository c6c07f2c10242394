"""What the customer is told about the next hop's words, and which of them are about the gateway.

Pure functions over `HopReply`. A refusal of this mail keeps the next hop's own code and words; a
refusal of the gateway itself, or of what the gateway wrote, is never the customer's fault and
always ends as 451 (docs/replies.md, relay).
"""

from __future__ import annotations

import re

from gateway.relay.outcome import HopReply, Outcome, State, Trouble
from gateway.replies import (
    NEXT_HOP,
    NEXT_HOP_AWAY,
    NEXT_HOP_BUSY,
    NEXT_HOP_SILENT,
    SMTPUTF8,
    Reply,
    refused_by_next_hop,
)

_ABOUT_OUR_COMMANDS = frozenset({500, 502, 503, 504, 530, 534, 535, 538, 555})
"""Syntax, sequence, parameters, authentication: the gateway's doing, not the customer's."""
_NAMES_US = re.compile(r"\b(?:relay|relaying|client)\b", re.IGNORECASE)
_NO_RELAYING = re.compile(
    r"\brelay(?:ing)?\b.{0,20}\b(?:denied|prohibited|not (?:permitted|allowed))"
    r"|\bunable to relay\b",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"<[^<>]*>|\S+@\S+")

LACKS_SMTPUTF8 = HopReply(550, "5.6.7", "SMTPUTF8 is not offered")


def without_addresses(text: str) -> str:
    """The next hop's words without the mail addresses in them: for records and comparison."""
    return _ADDRESS.sub("<>", text)


def refuses_us(reply: HopReply) -> bool:
    """True when a 4xx or 5xx is about the gateway itself, not about this mail."""
    if reply.code in _ABOUT_OUR_COMMANDS:
        return True
    if reply.code == 501 and reply.enhanced[2:4] == "5.":
        return True
    text = without_addresses(reply.text)
    if reply.enhanced[2:4] == "7." and _NAMES_US.search(text):
        return True
    return _NO_RELAYING.search(text) is not None


def reply_for(reply: HopReply) -> Reply:
    """The reply to the customer for a refusal or for the lack of a reply."""
    match reply.trouble:
        case Trouble.AWAY:
            return NEXT_HOP_AWAY
        case Trouble.BUSY:
            return NEXT_HOP_BUSY
        case Trouble.BROKE_OFF:
            return NEXT_HOP_SILENT
        case Trouble.REFUSES_US:
            return NEXT_HOP
    if reply.is_positive:
        raise ValueError(f"{reply.code} is no refusal")
    if reply == LACKS_SMTPUTF8:
        return SMTPUTF8
    if reply.code == 421:  # would mean to the customer that we close
        return refused_by_next_hop(451, reply.enhanced, reply.text)
    if reply.code == 552 and reply.enhanced == "5.5.3":  # RFC 5321 section 4.5.3.1.10
        return refused_by_next_hop(452, "4.5.3", reply.text)
    return refused_by_next_hop(reply.code, reply.enhanced, reply.text)


def outcome_of(reply: HopReply) -> Outcome:
    """What a reply to RCPT, DATA or the final dot makes of a recipient."""
    if reply.is_positive:
        return Outcome(State.TAKEN, reply)
    return Outcome(State.REFUSED if reply.code >= 500 else State.DEFERRED, reply)
