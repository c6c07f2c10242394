"""One sender domain's DKIM, SPF, DMARC and MX, asked for at once.

`SenderDns.state` gives what was found within the settings' patience and raises nothing: what
nobody answered is `unknown`. `under` keeps the answers over a reload that leaves the settings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from ipaddress import ip_address

from gateway.config.sender_dns import SenderDnsSettings
from gateway.message.dkim import Signer
from gateway.sender_dns import dkim, dmarc, spf_check
from gateway.sender_dns.findings import DomainState, Finding
from gateway.sender_dns.lookups import Lookups, Unanswered
from gateway.sender_dns.texts import Say


class SenderDns:
    """Asks, and keeps the answers for their time."""

    def __init__(self, settings: SenderDnsSettings) -> None:
        self.settings = settings
        self._lookups = Lookups(settings)

    def under(self, settings: SenderDnsSettings) -> SenderDns:
        """The same by these settings; by other ones nothing that is kept counts."""
        return self if settings == self.settings else SenderDns(settings)

    async def state(self, domain: str, signers: Sequence[Signer]) -> DomainState:
        """What the DNS says of a sender domain (A-label, or `*.parent`) that `signers` sign."""
        name = domain.removeprefix("*.")
        outgoing = [ip_address(str(address)) for address in self.settings.outgoing]
        under = name != domain
        keys = [self._in_time(signer_name(one), self._dkim(one)) for one in signers]
        spf, policy, mx, *found = await asyncio.gather(
            self._in_time(name, spf_check.check(self._lookups, name, outgoing)),
            self._in_time(f"_dmarc.{name}", dmarc.check(self._lookups, name, signs_below=under)),
            self._in_time(name, self._mx(name)),
            *keys,
        )
        none = (Finding(f"_domainkey.{name}", Say.DKIM_NO_KEY),)
        return DomainState(domain, tuple(found) or none, spf, policy, mx)

    async def _in_time(self, name: str, check: Coroutine[None, None, Finding]) -> Finding:
        try:
            async with asyncio.timeout(self.settings.patience):
                return await check
        except (TimeoutError, Unanswered):
            return Finding(name, Say.UNKNOWN)

    async def _dkim(self, signer: Signer) -> Finding:
        name = signer_name(signer)
        return dkim.judge(name, await self._lookups.texts(name), signer.key)

    async def _mx(self, domain: str) -> Finding:
        """Whether the domain takes mail (RFC 5321 section 5.1; null MX: RFC 7505)."""
        hosts = await self._lookups.exchangers(domain)
        record = ", ".join(host or "." for host in hosts)
        if hosts == [""]:
            return Finding(domain, Say.MX_NULL, record)
        if not hosts and not await self._lookups.addresses(domain):
            return Finding(domain, Say.MX_MISSING)
        return Finding(domain, Say.MX_OK, record)


def signer_name(signer: Signer) -> str:
    """Where a signer's key is published."""
    return dkim.key_name(signer.domain, signer.selector)
