"""The List-Unsubscribe pair (RFC 2369 section 3.2, RFC 8058 section 3.1): ours, and a tenant's own.

Gives the two fields for one copy, finds the tokens in such a field, and says whether a message
already carries a pair of its tenant's that may stay: exactly one of each field, an https address,
every web address on a registered host, and nothing that would be read as a token of ours. Raises
ValueError for a link of ours that would break the field; fetches nothing.
"""

from __future__ import annotations

import re

from gateway.message.header import Field, HeaderView

UNSUBSCRIBE = b"list-unsubscribe"
UNSUBSCRIBE_POST = b"list-unsubscribe-post"
ONE_CLICK = b"List-Unsubscribe=One-Click"
_ONE_CLICK_FIELD = Field(UNSUBSCRIBE_POST, b"List-Unsubscribe-Post: " + ONE_CLICK + b"\r\n")

_LINK = re.compile(r"[!-;=?-~]{1,900}")
_URIS = re.compile(rb"[ \t]*+<([^<>]*+)>[ \t]*+(?:,[ \t]*+<([^<>]*+)>[ \t]*+)*+")
_URI = re.compile(rb"<([^<>]*+)>")
_TOKEN = re.compile(
    rb"mailto:(?:u|unsubscribe)\+([a-z2-7]{52})@|/u/([a-z2-7]{52})(?![^<>,?#])", re.IGNORECASE
)
# Nothing that a browser and we could split differently: no user part, no backslash, no escapes.
_WEB = re.compile(rb"(https?)://([A-Za-z0-9.-]++)(?::[0-9]++)?(?:[/?#][!-;=?-\[\]-~]*+)?", re.I)


def unsubscribe_fields(url: str, mailto: str) -> tuple[Field, Field]:
    """The pair for one copy. `url` is https, `mailto` a whole `mailto:` URI or "" for none."""
    links = [url, mailto] if mailto else [url]
    for link in links:
        if not _LINK.fullmatch(link):
            raise ValueError(f"{link!a} cannot stand in a List-Unsubscribe field")
    folded = ",\r\n\t".join([f"<{link}>" for link in links])
    return Field(UNSUBSCRIBE, f"List-Unsubscribe: {folded}\r\n".encode("ascii")), _ONE_CLICK_FIELD


def tokens_in(value: bytes) -> list[bytes]:
    """All that stands in a List-Unsubscribe field where ours has a token and is shaped like one.

    `unsubscribe+` is what mail of earlier versions says. Whitespace is ignored, and so is case.
    """
    return [
        (by_mail or by_web).lower() for by_mail, by_web in _TOKEN.findall(b"".join(value.split()))
    ]


def has_valid_pair(view: HeaderView, hosts: frozenset[str]) -> bool:
    """Whether the message's own pair works and leads to `hosts` (lower case) only."""
    links = view.all(UNSUBSCRIBE)
    posts = view.all(UNSUBSCRIBE_POST)
    if len(links) != 1 or len(posts) != 1 or posts[0].value != ONE_CLICK:
        return False
    value = links[0].value
    if not _URIS.fullmatch(value) or tokens_in(value):
        return False
    has_https = False
    for uri in _URI.findall(value):
        if uri[:7].lower() == b"mailto:":
            continue
        web = _WEB.fullmatch(uri)
        if web is None or web[2].decode().lower() not in hosts:
            return False
        has_https = has_https or web[1].lower() == b"https"
    return has_https
