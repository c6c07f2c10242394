"""Passes: what a tenant gets for a mailed code, and every form of its page carries for 30 minutes.

A pass stands in a hidden field, never in a cookie or an address, and is good for the one link it
was given on. `make` gives it as text, `is_good` reads it.
"""

from __future__ import annotations

from hmac import compare_digest

from suppression.keys import Keyring

SECONDS = 30 * 60
_HEX = "0123456789abcdef"


def make(keyring: Keyring, link: str, now: float) -> str:
    """A pass for the token of one link."""
    ends = f"{int(now) + SECONDS:x}"
    return f"{ends}.{_tags(keyring, link, ends)[0]}"


def is_good(keyring: Keyring, link: str, text: str, now: float) -> bool:
    """Whether `text` is a pass of ours for this link, and not over."""
    ends, dot, tag = text.partition(".")
    if not dot or not 1 <= len(ends) <= 12 or any(c not in _HEX for c in ends + tag):
        return False
    if not any(compare_digest(tag, own) for own in _tags(keyring, link, ends)):
        return False
    return now < int(ends, 16)


def _tags(keyring: Keyring, link: str, ends: str) -> list[str]:
    label = f"status pass\0{link.lower()}\0{ends}".encode()
    return [key.hex() for key in keyring.labelled_keys(label)]
