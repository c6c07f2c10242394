"""Who asked for a page: the address, port and software that a proof of consent records.

Behind a TLS proxy the connection is the proxy's, so its X-Forwarded-For or Forwarded (RFC 7239)
says who came; both are believed only from the networks of `web.proxy_from`, read from the end
backwards, and only as far as those networks vouch for them. What is written otherwise than these
define ends the reading, and so do two fields that disagree: a proxy that writes one of them passes
on what a visitor wrote into the other. Then the visitor is the nearest address that is vouched
for. Raises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from fastapi import Request

MAX_HOPS = 20
MAX_SOFTWARE = 512
"""Characters of a User-Agent that are kept."""
Network = IPv4Network | IPv6Network
_Ip = IPv4Address | IPv6Address
_Hop = tuple[_Ip, int]
_V4 = re.compile(r"(?P<host>[0-9.]{7,15})(?::(?P<port>[0-9]{1,5}))?", re.ASCII)
_V6 = re.compile(r"\[(?P<host>[0-9a-fA-F:.]{2,45})\](?::(?P<port>[0-9]{1,5}))?", re.ASCII)
_PAIR = re.compile(
    r'\s*(?P<name>[!#$%&\'*+.^_`|~0-9A-Za-z-]+)=(?:"(?P<quoted>[^"\\]*)"|(?P<token>[^\s",;]+))\s*',
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Visitor:
    """`ip` as text, "" when not known; `port` 0 when not known; `software` is the User-Agent."""

    ip: str
    port: int
    software: str


def visitor(request: Request, proxies: Sequence[Network]) -> Visitor:
    """Who sent `request`, past the proxies that are ours."""
    software = request.headers.get("user-agent", "")[:MAX_SOFTWARE]
    if request.client is None or (ip := _address(request.client.host)) is None:
        return Visitor("", 0, software)
    chains = []
    if _is_ours(ip, proxies):
        # A field sent several times is one list (RFC 9110 section 5.3).
        if lists := request.headers.getlist("x-forwarded-for"):
            chains.append(_walk(_x_forwarded_for(lists), proxies))
        if lists := request.headers.getlist("forwarded"):
            chains.append(_walk(_forwarded(lists), proxies))
    found = chains[0] if chains and all(chain == chains[0] for chain in chains) else None
    host, port = found or (ip, request.client.port)
    return Visitor(str(host), port, software)


def _walk(hops: Iterator[_Hop | None], proxies: Sequence[Network]) -> _Hop | None:
    """The first hop, nearest first, that is none of ours; else the farthest that was readable."""
    farthest = None
    for _, hop in zip(range(MAX_HOPS), hops, strict=False):
        if hop is None:
            break
        farthest = hop
        if not _is_ours(hop[0], proxies):
            break
    return farthest


def _x_forwarded_for(lists: Sequence[str]) -> Iterator[_Hop | None]:
    """Its hops, nearest first; None for one that is no address."""
    for item in reversed(",".join(lists).split(",")):
        text = item.strip()
        bare = _address(text) if ":" in text else None  # unbracketed IPv6, as most proxies write
        yield (bare, 0) if bare else _node(text)


def _forwarded(lists: Sequence[str]) -> Iterator[_Hop | None]:
    """The `for` of each element of RFC 7239 section 4, nearest first; None where there is none."""
    for element in reversed(",".join(lists).split(",")):
        found: list[str] = []
        for part in element.split(";"):
            pair = _PAIR.fullmatch(part)
            if pair is None:
                found.clear()
                break
            if pair["name"].lower() == "for":
                found.append(pair["quoted"] if pair["token"] is None else pair["token"])
        yield _node(found[0]) if len(found) == 1 else None


def _node(text: str) -> _Hop | None:
    match = _V4.fullmatch(text) or _V6.fullmatch(text)
    host = _address(match["host"]) if match else None
    if match is None or host is None or int(match["port"] or 0) > 65_535:
        return None
    return host, int(match["port"] or 0)


def _address(text: str) -> _Ip | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address
    return address


def _is_ours(address: _Ip, proxies: Sequence[Network]) -> bool:
    return any(address in network for network in proxies)
