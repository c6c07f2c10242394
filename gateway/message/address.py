"""Mailboxes and paths of the SMTP envelope (RFC 5321 section 4.1.2, RFC 6531 section 3.3).

Takes text, gives `Address` with the text unchanged. Raises AddressSyntaxError, saying what to mend,
for anything malformed and for what one server reads differently from the next: source routes,
`%` and `!` routing in a local part, address literals, characters that cannot be seen. Looks nothing
up and does not convert between U-labels and A-labels.
"""

from __future__ import annotations

import re
from typing import NoReturn

from gateway.errors import AddressSyntaxError
from gateway.words import Address

MAX_LOCAL = 64
"""Octets of a local part (RFC 5321 section 4.5.3.1.1)."""
MAX_MAILBOX = 254
"""Octets of a mailbox: a path of 256 (section 4.5.3.1.3) less its brackets."""

_ATOM = r"[A-Za-z0-9#$&'*+/=?^_`{|}~\x80-\U0010ffff-]+"
_ALNUM = r"A-Za-z0-9\x80-\U0010ffff"
_LABEL = rf"[{_ALNUM}](?:[{_ALNUM}-]{{0,61}}[{_ALNUM}])?"
_QUOTED = r'"(?:[^"\\]|\\.)+"'
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*|{_QUOTED}")
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")

# What looks like a full stop to IDNA mapping (UTS 46): such a domain has two readings.
_OTHER_STOPS = re.compile("[\u3002\uff0e\uff61]")


def parse_mailbox(text: str) -> Address:
    """`text` as an Address; AddressSyntaxError when it is no mailbox, or an ambiguous one."""
    local, at, domain = text.rpartition("@")
    if not at:
        _refuse(text, "it has no @")
    if (
        len(text) > MAX_MAILBOX
        or not text.isprintable()
        or not _LOCAL.fullmatch(local)
        or not _DOMAIN.fullmatch(domain)
        or "%" in local
        or "!" in local
        or not text.isascii()
        or len(local) > MAX_LOCAL
        or domain.rpartition(".")[2].isdigit()
    ):
        _check_closely(text, local, domain)
    return Address(text, local, domain.lower())


def parse_path(text: str) -> Address | None:
    """A reverse or forward path in its angle brackets; None for the empty path `<>`."""
    if not (text.startswith("<") and text.endswith(">")):
        _refuse(text, "a path is written in angle brackets: <name@example.org>")
    if text == "<>":
        return None
    return parse_mailbox(text[1:-1])


def _check_closely(text: str, local: str, domain: str) -> None:
    """Every rule on its own, so that the refusal names the one that is broken."""
    if not text.isprintable():
        _refuse(text, "it holds a control character or one that cannot be seen")
    if len(text.encode()) > MAX_MAILBOX:
        _refuse(text, f"it is over {MAX_MAILBOX} octets")
    if len(local.encode()) > MAX_LOCAL:
        _refuse(text, f"its local part is over {MAX_LOCAL} octets")
    if text.startswith("@") and ":" in text:
        _refuse(text, "source routes are not accepted")
    if "%" in local or "!" in local:
        _refuse(text, "a local part with % or ! could be routed on; it is not accepted")
    if domain.startswith("[") or domain.endswith("]"):
        _refuse(text, "address literals are not accepted; name a domain")
    if not _LOCAL.fullmatch(local):
        _refuse(text, "its local part is neither dot-separated words nor one quoted string")
    if not _DOMAIN.fullmatch(domain) or _OTHER_STOPS.search(domain):
        _refuse(text, "its domain is not made of letters, digits, hyphens and single dots")
    if domain.lower() != "".join(map(str.lower, domain)):
        _refuse(text, "its domain has a capital sigma at the end of a word; write the small letter")
    if domain.rpartition(".")[2].isdigit():
        _refuse(text, "its domain ends in a number")


def _refuse(text: str, why: str) -> NoReturn:
    shown = ascii(text[:80])
    if len(text) > 80 or len(shown) > 80:
        shown = f"{shown[:77]}..."  # so that the reason stays within one reply line
    raise AddressSyntaxError(f"{shown} is no acceptable address: {why}")
