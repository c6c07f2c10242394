"""The mailboxes in a From or Sender field (RFC 5322 section 3.4), read strictly.

Takes a field's unfolded body, gives its addresses in order. Raises HeaderSyntaxError, saying where,
wherever two readers could find different addresses: groups, source routes, a second address before
the angle brackets, anything but a comment behind them, unclosed quotes, deep comments. Encoded
words are names and stay as they are. Goes through the octets once, so time is linear.
"""

from __future__ import annotations

import re
from typing import NoReturn

from gateway.errors import AddressSyntaxError, HeaderSyntaxError
from gateway.message.address import parse_mailbox
from gateway.words import Address

MAX_OCTETS = 8_192
"""Of one field's body: two hundred mailboxes and more."""
MAX_COMMENT_DEPTH = 10

_SPECIAL = rb'()<>\[\]:;@\\,"\x00-\x08\x0a-\x1f\x7f'
_QUOTED = rb'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\x20-\x7e])*+"'
_ADDRESS = rb"((?:[^ \t%b]++|%b)@[^ \t%b]++)" % (_SPECIAL, _QUOTED, _SPECIAL)

# A bare address, or one in angle brackets behind words and quoted strings. A name is allowed dots
# (`John Q. Public`) as RFC 5322 section 4.1 has it, but never an @ outside quotes. Possessive
# throughout: nothing is tried twice.
_MAILBOX = re.compile(
    rb"[ \t]*+(?:%b|(?:[^%b]++|%b)*+<[ \t]*+%b[ \t]*+>)[ \t]*+"
    % (_ADDRESS, _SPECIAL, _QUOTED, _ADDRESS)
)
_NO_COMMENT = re.compile(rb'(?:[^"()]++|%b)*+' % _QUOTED)
_COMMENT_MARK = re.compile(rb"\\.|[()]", re.DOTALL)


def mailboxes(value: bytes) -> list[Address]:
    """The addresses in `value`, at least one, or HeaderSyntaxError."""
    if len(value) > MAX_OCTETS:
        raise HeaderSyntaxError(f"an address field of over {MAX_OCTETS} octets")
    if b"(" in value:
        value = _without_comments(value)
    found = []
    place = 0
    while True:
        mailbox = _MAILBOX.match(value, place)
        if mailbox is None:
            _refuse(value, place)
        found.append(_address(mailbox[1] or mailbox[2]))
        place = mailbox.end()
        if place == len(value):
            return found
        if not value.startswith(b",", place):
            _refuse(value, place)
        place += 1


def _address(text: bytes) -> Address:
    try:
        return parse_mailbox(text.decode())
    except UnicodeDecodeError:
        raise HeaderSyntaxError("an address holds octets that are not UTF-8") from None
    except AddressSyntaxError as error:
        raise HeaderSyntaxError(str(error)) from None


def _without_comments(value: bytes) -> bytes:
    """`value` with a space for each comment."""
    kept = []
    place = 0
    while True:
        text = _NO_COMMENT.match(value, place)
        assert text is not None  # noqa: S101 - the pattern matches the empty string
        kept.append(text[0])
        place = text.end()
        if place == len(value):
            return b" ".join(kept)
        if not value.startswith(b"(", place):
            _refuse(value, place)
        place = _comment_end(value, place)


def _comment_end(value: bytes, start: int) -> int:
    """The place behind the comment that opens at `start`."""
    depth = 0
    for mark in _COMMENT_MARK.finditer(value, start):
        if mark[0] == b"(":
            depth += 1
            if depth > MAX_COMMENT_DEPTH:
                raise HeaderSyntaxError(f"comments nested over {MAX_COMMENT_DEPTH} deep")
        elif mark[0] == b")":
            depth -= 1
            if depth == 0:
                return mark.end()
    return _refuse(value, start)


def _refuse(value: bytes, place: int) -> NoReturn:
    near = ascii(value[place : place + 30].decode(errors="replace"))
    raise HeaderSyntaxError(
        f"not plain mailboxes (Name <name@example.org>, separated by commas) from {near} on; "
        "groups, source routes and a second address in a name are not accepted"
    )
