"""Follows a domain's SPF record as a receiver would, and says what is wrong with it (RFC 7208).

`check` looks up everything that the record names, whatever an evaluation would stop at: the limits
of section 4.6.4 (10 look-ups, 2 of them void) hold for the worst sender. The outgoing addresses are
judged when they are known. Raises Unanswered.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, ip_network

from gateway.sender_dns.findings import Finding
from gateway.sender_dns.lookups import Lookups
from gateway.sender_dns.spf import (
    EVERYTHING,
    Address,
    Network,
    Policy,
    Record,
    Term,
    covers,
    is_record,
    read_record,
)
from gateway.sender_dns.texts import Say

MOST_LOOKUPS = 10
MOST_VOID = 2
MOST_EXCHANGERS = 10
GIVE_UP = 30
"""Look-ups after which a record that is far over the limit is followed no further."""


async def check(lookups: Lookups, domain: str, outgoing: Sequence[Address]) -> Finding:
    """What the SPF record of `domain` (A-label) comes to."""
    records = [text for text in await lookups.texts(domain) if is_record(text)]
    if not records:
        return Finding(domain, Say.SPF_MISSING)
    text = records[0]
    if len(records) > 1:
        return Finding(domain, Say.SPF_SEVERAL, text, {"count": str(len(records))})
    walk = _Walk(lookups)
    try:
        record = read_record(text)
        policy = await walk.follow(domain, record, (domain,))
    except ValueError as error:
        return Finding(domain, Say.SPF_BROKEN, text, {"why": str(error)})
    say, values = _judge(record, policy, walk, outgoing)
    return Finding(domain, say, text, values)


def _judge(
    record: Record, policy: Policy, walk: _Walk, outgoing: Sequence[Address]
) -> tuple[Say, dict[str, str]]:
    """The worst that is wrong, or how good it is."""
    cost = {"lookups": str(walk.lookups)}
    if walk.lookups > MOST_LOOKUPS:
        return Say.SPF_LOOKUPS, cost
    if walk.void > MOST_VOID:
        return Say.SPF_VOID, {"count": str(walk.void)}
    if record.ends == "+":
        return Say.SPF_OPEN, {}
    missed = [str(address) for address in outgoing if not covers(policy, address)]
    if missed:
        return Say.SPF_NOT_COVERED, {"addresses": ", ".join(missed)}
    if any(term.name == "ptr" for term in record.terms):
        return Say.SPF_PTR, {}
    if record.ends in ("", "?") and not record.redirect:
        return Say.SPF_NEUTRAL, {}
    return (Say.SPF_COVERED if outgoing else Say.SPF_OK), cost


class _Walk:
    """One record followed to its ends, with what that costs."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups
        self.lookups = 0
        self.void = 0

    async def follow(self, domain: str, record: Record, above: tuple[str, ...]) -> Policy:
        """The record of `domain` with everything it names; ValueError is the place of a fault
        that makes receivers use none of it (permerror).

        `above` are the domains that led here, itself last.
        """
        terms: list[tuple[str, Sequence[Network] | Policy]] = []
        for term in record.terms:
            self.lookups += term.costs
            if self.lookups > GIVE_UP:
                return Policy(tuple(terms))
            if term.name == "include":
                if not term.has_macro:
                    named = await self._named("include:", term.value, above)
                    terms.append((term.qualifier, named))
            else:
                terms.append((term.qualifier, await self._networks(term, domain)))
            if term.name == "all":
                # What stands behind it is never looked at, a redirect neither (section 5.1).
                return Policy(tuple(terms))
        redirect = None
        if record.redirect:
            self.lookups += 1
            if "%" not in record.redirect and self.lookups <= GIVE_UP:
                redirect = await self._named("redirect=", record.redirect, above)
        return Policy(tuple(terms), redirect)

    async def _named(self, by: str, domain: str, above: tuple[str, ...]) -> Policy:
        """The policy that an include or redirect names."""
        place = f"{by}{domain}"
        domain = domain.rstrip(".").lower()
        found = [text for text in await self._lookups.texts(domain) if is_record(text)]
        if domain in above or len(found) != 1:
            raise ValueError(place)
        try:
            return await self.follow(domain, read_record(found[0]), (*above, domain))
        except ValueError as error:
            raise ValueError(f"{place} > {error}") from None

    async def _networks(self, term: Term, own: str) -> Sequence[Network]:
        """The addresses that a mechanism other than include stands for."""
        host = term.value.rstrip(".") or own
        if term.name == "all":
            return EVERYTHING
        if term.network is not None:
            return (term.network,)
        if term.has_macro or term.name in ("ptr", "exists"):
            return ()
        hosts = [host]
        if term.name == "mx":
            hosts = [one for one in await self._lookups.exchangers(host) if one]
            if len(hosts) > MOST_EXCHANGERS:
                raise ValueError(f"mx:{host}")
        found = [address for one in hosts for address in await self._lookups.addresses(one)]
        self.void += not found
        return [_around(address, term) for address in found]


def _around(address: Address, term: Term) -> Network:
    length = term.four if isinstance(address, IPv4Address) else term.six
    return ip_network((address, length), strict=False)
