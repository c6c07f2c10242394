"""Tokens that name a stream and a recipient in a link or a local part, and disclose neither.

32 octets as 52 characters of lower-case base32: version (2 bits) and key id (6 bits), stream
number (3 octets), recipient key (16), tag (12). The tag is HMAC-SHA-256 over the purpose and all
that precedes it, so an unsubscribe token is no use as a return path. Tokens never expire: every
generation of the keyring reads its own. Reading ignores case and refuses every other spelling.
"""

from __future__ import annotations

from base64 import b32decode
from dataclasses import dataclass
from enum import StrEnum
from hmac import compare_digest

from suppression.keys import KEY_OCTETS, Keyring, Mac

TOKEN_CHARACTERS = 52
MAX_STREAM = 0xFFFFFF
_VERSION = 0
_TAG_OCTETS = 12
_BODY_OCTETS = 1 + 3 + KEY_OCTETS
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
# Two characters at a time take half of what the library's function does; every copy waits for it.
_PAIRS = [first + second for first in _BASE32 for second in _BASE32]
_SHIFTS = range(250, -10, -10)


class Purpose(StrEnum):
    """What a token may be used for."""

    UNSUBSCRIBE = "unsubscribe"
    RETURN_PATH = "return-path"
    FEEDBACK = "feedback"
    """In a copy's own header fields: whoever reports it gives the token back."""
    MAILING = "mailing"
    """In Feedback-ID: carries the mailing's id, padded with zeros, in place of the recipient's key,
    so that all copies of a mailing have the same."""
    CONFIRM = "confirm"
    """Carries a proof's tracking number in place of the recipient's key."""
    CASE = "case"
    """Names a tenant by its own number, and a case by its tracking number in place of the
    recipient's key; `suppression.case_links` makes the link."""
    REPLY = "reply"
    """As CASE, in the address that answers to a notice go to; mail is copied and passed on, so it
    opens no page."""


@dataclass(frozen=True, slots=True)
class Token:
    """What an authentic token names: the stream's number and the recipient's exact key.

    A token to confirm by has the 16-octet tracking number of its proof as `key`, one of a status
    page that of its case, or zeros when it is of the tenant alone.
    """

    stream_number: int
    key: bytes


class Tokens:
    """Makes and reads tokens under a keyring's token secrets."""

    def __init__(self, keyring: Keyring) -> None:
        self._current = keyring.current.id
        self._macs = {
            number: Mac(generation.token) for number, generation in keyring.generations.items()
        }

    def make(self, purpose: Purpose, stream_number: int, key: bytes) -> str:
        """The token's 52 characters. `key` has 16 octets, the stream number 24 bits."""
        if len(key) != KEY_OCTETS:
            raise ValueError(f"a recipient key has {KEY_OCTETS} octets")
        head = (_VERSION << 6 | self._current) << 24 | stream_number
        body = head.to_bytes(4, "big") + key
        tag = _tag(self._macs[self._current], purpose, body)
        bits = int.from_bytes(body + tag, "big") << 4
        return "".join([_PAIRS[bits >> shift & 0x3FF] for shift in _SHIFTS])

    def read(self, purpose: Purpose, text: str) -> Token | None:
        """What `text` names, or None when it is not a token of ours for this purpose."""
        # isascii first: upper() maps letters outside ASCII onto base32's alphabet.
        if len(text) != TOKEN_CHARACTERS or not text.isascii():
            return None
        try:
            octets = b32decode(text.upper() + "====")
        except ValueError:
            return None
        # 260 bits carry 256; the four at the end must be zero, or a token had 16 spellings.
        if text[-1] not in "aAqQ":
            return None
        body, tag = octets[:_BODY_OCTETS], octets[_BODY_OCTETS:]
        mac = self._macs.get(body[0] & 0x3F)
        if mac is None or body[0] >> 6 != _VERSION:
            return None
        if not compare_digest(_tag(mac, purpose, body), tag):
            return None
        return Token(int.from_bytes(body[1:4], "big"), body[4:])


def _tag(mac: Mac, purpose: Purpose, body: bytes) -> bytes:
    return mac(purpose.value.encode() + b"\0" + body)[:_TAG_OCTETS]
