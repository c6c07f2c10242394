"""What a text is that staff paste into the look-up: recognised by its form alone.

Takes the text and what reads tokens, gives `Recognised`. Whole replies, links and header lines are
fine: what is in them is found. A text with an @ is an address and may be a Message-ID as well, so
both are tried. Pure; raises nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gateway.errors import AddressSyntaxError
from gateway.message.address import parse_mailbox
from gateway.records.blocks import case_number
from gateway.refs import split_ref
from gateway.words import Address
from suppression.address import a_label
from suppression.tokens import Purpose, Token

MAX_TEXT = 2000
_TOKEN = re.compile(r"(?<![0-9a-z])[a-z2-7]{52}(?![0-9a-z])", re.IGNORECASE)
_REF = re.compile(r"(?<![0-9a-z])ref=([0-9a-z]{13}(?:\.\d{1,6})?)(?![0-9a-z])", re.IGNORECASE)
_CASE = re.compile(r"(?<![0-9a-z-])c-\d{1,12}(?![0-9a-z-])", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)
_MESSAGE_ID = re.compile(r"message-id\s*:", re.IGNORECASE)
_ANGLES = re.compile(r"<([^<>]*)>")
_DOMAIN = re.compile(r"[^\s@/:<>\"]+\.[^\s@/:<>\"]+")


class Kind(StrEnum):
    """What a text may be."""

    NOTHING = "nothing"
    ADDRESS = "address"
    DOMAIN = "domain"
    TOKEN = "token"  # noqa: S105 - a word of the desk's
    MESSAGE_ID = "message-id"
    REF = "ref"
    CASE = "case"
    NUMBER = "number"
    """32 hexadecimal digits: of a proof, a receipt or a recipient's key."""


class ReadsTokens(Protocol):
    """Tells a token of ours from a forged one."""

    def read(self, purpose: Purpose, text: str) -> Token | None:
        """What `text` names, or None."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """One reading of a text; what it is not is None or empty.

    `message_id` is set beside `address` where it may be either, and `ref` where that Message-ID may
    be one that the gateway gave; `recipient` is the number behind a ref.
    """

    kind: Kind
    ref: str = ""
    recipient: int | None = None
    address: Address | None = None
    domain: str = ""
    purpose: Purpose | None = None
    token: Token | None = None
    message_id: str = ""
    case: int = 0
    number: bytes = b""


def recognise(text: str, tokens: ReadsTokens) -> Recognised:
    """What `text` is; of several things in it the most telling one."""
    text = text.strip()[:MAX_TEXT]
    for found in _TOKEN.findall(text):
        for purpose in Purpose:
            if (token := tokens.read(purpose, found)) is not None:
                return Recognised(Kind.TOKEN, purpose=purpose, token=token)
    if ref := _ref(text):
        return ref
    if (case := _CASE.search(text)) is not None:
        return Recognised(Kind.CASE, case=case_number(case[0]))
    if _NUMBER.fullmatch(text):
        return Recognised(Kind.NUMBER, number=bytes.fromhex(text))
    if "@" in text:
        return _with_at(text)
    if _DOMAIN.fullmatch(text):
        try:
            return Recognised(Kind.DOMAIN, domain=a_label(text.rstrip(".")))
        except AddressSyntaxError:
            return Recognised(Kind.NOTHING)
    return Recognised(Kind.NOTHING)


def _ref(text: str) -> Recognised | None:
    named = _REF.search(text)
    try:
        return Recognised(Kind.REF, *split_ref(named[1] if named else text))
    except ValueError:
        return None


def _with_at(text: str) -> Recognised:
    label = _MESSAGE_ID.match(text)
    rest = text[label.end() :].strip() if label else text
    angles = _ANGLES.search(rest)
    bare = (angles[1] if angles else rest).removeprefix("mailto:").strip()
    try:
        ref, _ = split_ref(bare.partition("@")[0])
    except ValueError:
        ref = ""
    if label is None:
        try:
            address = parse_mailbox(bare)
            a_label(address.domain)
            return Recognised(Kind.ADDRESS, address=address, message_id=bare, ref=ref)
        except AddressSyntaxError:
            pass
    return Recognised(Kind.MESSAGE_ID, message_id=bare, ref=ref)
