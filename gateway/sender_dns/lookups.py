"""Asking the DNS from the event loop: bounded in time, in number at once, and in what is kept.

`Lookups` gives the texts of TXT records, mail exchangers and addresses; a name that does not exist
or has no such record gives none. Raises `Unanswered` when no resolver answers in time or none
answers what it should. An answer is kept for its time to live, an hour at most: what a customer
mends shows the same day whatever the record's TTL was.
"""

from __future__ import annotations

import asyncio
import time
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from dns.asyncresolver import Resolver
from dns.exception import DNSException
from dns.name import Name, from_text
from dns.nameserver import Do53Nameserver
from dns.rdatatype import RdataType
from dns.resolver import NXDOMAIN, Answer, LRUCache

from gateway.config.sender_dns import SenderDnsSettings
from gateway.errors import ConsentryError

ANSWERS_KEPT = 2_000
MOST_SECONDS = 3_600.0
AT_ONCE = 16
"""Questions under way at a time."""


class Unanswered(ConsentryError):
    """No resolver said what stands there."""


class _Answers(LRUCache):
    """Keeps each answer for its TTL, but never for longer than `MOST_SECONDS`."""

    def put(self, key: Any, value: Answer) -> None:
        value.expiration = min(value.expiration, time.time() + MOST_SECONDS)
        super().put(key, value)


class Lookups:
    """Asks the resolvers of `settings`, those of the system when it names none."""

    def __init__(self, settings: SenderDnsSettings) -> None:
        self._settings = settings
        self._resolver: Resolver | None = None
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def texts(self, name: str) -> list[str]:
        """The TXT records at `name`, the strings of each joined (RFC 7208 section 3.3)."""
        found = await self._ask(name, RdataType.TXT)
        return [b"".join(one.strings).decode("ascii", "backslashreplace") for one in found]

    async def exchangers(self, name: str) -> list[str]:
        """The hosts of the MX records in order of preference, without final dots; "" is null."""
        found = sorted(await self._ask(name, RdataType.MX), key=lambda one: one.preference)
        return [one.exchange.to_text(omit_final_dot=True).rstrip(".") for one in found]

    async def addresses(self, name: str) -> list[IPv4Address | IPv6Address]:
        """The A and AAAA records of `name`."""
        four, six = await asyncio.gather(
            self._ask(name, RdataType.A), self._ask(name, RdataType.AAAA)
        )
        return [
            *(IPv4Address(one.address) for one in four),
            *(IPv6Address(one.address) for one in six),
        ]

    async def _ask(self, name: str, kind: RdataType) -> list[Any]:
        async with self._at_once:
            try:
                answer = await self._ready().resolve(
                    _absolute(name), kind, raise_on_no_answer=False, search=False
                )
            except NXDOMAIN:
                return []
            except (DNSException, OSError) as error:
                raise Unanswered(f"{name}: {type(error).__name__}") from error
        return list(answer)

    def _ready(self) -> Resolver:
        if self._resolver is None:
            named = self._settings.resolvers
            resolver = Resolver(configure=not named)
            if named:
                resolver.nameservers = [Do53Nameserver(one.host, one.port) for one in named]
            resolver.timeout = self._settings.patience / 2
            resolver.lifetime = self._settings.patience
            resolver.cache = _Answers(ANSWERS_KEPT)
            self._resolver = resolver
        return self._resolver


def _absolute(name: str) -> Name:
    return from_text(name.rstrip(".") + ".")
