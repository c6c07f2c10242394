"""What the customer is told about the next hop's words, and which of them are about the gateway.

Pure functions over `HopReply`. A refusal of this mail keeps the next hop's own code and words; a
refusal of the gateway itself, or of what the gateway wrote, is never the customer's fault and
always ends as 451 (docs/replies.md, relay).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.relay.outcome import HopReply, Outcome, State, Trouble
from gateway.replies import (
    NEXT_HOP,
    NEXT_HOP_AWAY,
    NEXT_HOP_BUSY,
    NEXT_HOP_SILENT,
    SMTPUTF8,
    TEMP,
    refused_by_next_hop,
)
from gateway.reply import Reply

_ALWAYS_OURS = frozenset({503, 530, 535, 538})
"""Sequence and authentication: the gateway's doing, whatever the text says."""
_MAYBE_OURS = frozenset({500, 501, 502, 504, 534, 555})
"""Syntax and parameters: the gateway's doing, unless they are about an address or the message."""
_NAMES_THE_MAIL = re.compile(r"\b(?:recipient|sender|mailbox|malformed address)\b", re.IGNORECASE)
_NAMES_US = re.compile(
    r"^client\b|\bclient (?:host\b|address\b|was not authenticated\b|\[)|\brelay(?:ing)?\b",
    re.IGNORECASE,
)
_NO_RELAYING = re.compile(
    r"\brelay(?:ing)?\b.{0,20}\b(?:denied|prohibited|not (?:permitted|allowed))"
    r"|\bunable to relay\b",
    re.IGNORECASE,
)
_QUOTATION = re.compile(r"\b(?:said|response):", re.IGNORECASE)
"""What follows are a further server's words, which are about the recipient."""
_ANGLED = re.compile(r"<[^<>]*>")
_WORD = re.compile(r"\S+")

LACKS_SMTPUTF8 = HopReply(550, "5.6.7", "SMTPUTF8 is not offered")
BROKE_OFF = HopReply(451, "4.4.2", "broke off before the message was sent", Trouble.BROKE_OFF)
NO_ANSWER = HopReply(451, "4.4.2", "no answer to the message", Trouble.BROKE_OFF)
WITHHELD = HopReply(451, "4.3.0", "the gateway may not send the message, nothing was sent")


@dataclass(slots=True)
class Answers:
    """What came back for an envelope; `rcpt` is short when MAIL was refused or all broke off."""

    mail_refusal: HopReply | None = None
    rcpt: list[HopReply] = field(default_factory=list)
    data: HopReply | None = None

    def __post_init__(self) -> None:
        if self.mail_refusal is not None:
            self.mail_refusal = replace(self.mail_refusal, is_of_mail=True)


def without_addresses(text: str) -> str:
    """The next hop's words without the mail addresses in them: for records and comparison."""
    text = _ANGLED.sub("<>", text)
    if "@" not in text:
        return text
    # Word by word: a pattern with the @ in its middle takes the square of a long word's length.
    return _WORD.sub(lambda word: "<>" if "@" in word[0][1:-1] else word[0], text)


def refuses_us(reply: HopReply) -> bool:
    """True when a 4xx or 5xx is about the gateway itself, not about this mail."""
    if reply.code in _ALWAYS_OURS:
        return True
    text = _QUOTATION.split(without_addresses(reply.text), maxsplit=1)[0]
    subject = reply.enhanced[2:4]
    if (
        reply.code in _MAYBE_OURS
        and subject in ("", "5.", "7.")
        and not _NAMES_THE_MAIL.search(text)
    ):
        return True
    if subject == "7.":
        return _NAMES_US.search(text) is not None
    return not subject and _NO_RELAYING.search(text) is not None


def for_now(reply: HopReply) -> HopReply:
    """`reply`, or a 452 for a 552 that means `too many recipients` (RFC 5321 4.5.3.1.10)."""
    is_unsaid = not reply.enhanced and "too many recipients" in reply.text.lower()
    if reply.code == 552 and (is_unsaid or reply.enhanced == "5.5.3"):
        return HopReply(452, "4.5.3", reply.text)
    return reply


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
    if reply == WITHHELD:
        return TEMP
    if reply.code == 421:  # would mean to the customer that we close
        return refused_by_next_hop(451, reply.enhanced, reply.text)
    if reply.code % 100 >= 60:  # no reply's second digit is above 5 (RFC 5321 section 4.2)
        code = 550 if reply.code >= 500 else 451
        return refused_by_next_hop(code, reply.enhanced, reply.text)
    return refused_by_next_hop(reply.code, reply.enhanced, reply.text)


def outcome_of(reply: HopReply) -> Outcome:
    """What a reply to RCPT, DATA or the final dot makes of a recipient."""
    if reply.is_positive:
        return Outcome(State.TAKEN, reply)
    return Outcome(State.REFUSED if reply.code >= 500 else State.DEFERRED, reply)


def spread(count: int, refused: Mapping[int, HopReply], outcome: Outcome) -> list[Outcome]:
    """One outcome for each recipient: its own refusal, or what became of the copy."""
    if not refused:
        return [outcome] * count
    return [outcome_of(refused[i]) if i in refused else outcome for i in range(count)]
