"""Whether the sender's domain is blocked, asked anew at every stage.

A block on a domain covers the domains below it, so that a `*.` registration is no way around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

from gateway import replies
from gateway.message.header import HeaderView
from gateway.message.received import Message
from policies.ports import Block, Blocks, CasePage
from policies.senders import AuthorError, author_domains
from policies.transaction import Recipient, Transaction
from policies.verdict import ACCEPT, Verdict, refuse
from suppression.address import a_label, suffixes

EVERYTHING = "*"
"""The domain of a block on all that a tenant sends."""


class DomainBlockPolicy:
    """Mail from a blocked domain is refused with [DOMAIN-BLOCKED], the case's number and how much
    is still to be done. A block takes effect at the next MAIL and, for a running transaction, at
    its next RCPT and final dot; there the domains of header From and Sender count too. A tenant
    whose service was ended is refused with [TERMINATED], whatever it sends as.
    """

    name = "domain-block"

    def __init__(self, blocks: Blocks, page: CasePage) -> None:
        self._blocks = blocks
        self._page = page

    async def at_mail(self, t: Transaction) -> Verdict:
        """Judge MAIL FROM."""
        return await self._judge(t, _envelope(t))

    async def at_rcpt(self, t: Transaction, group: Sequence[Recipient]) -> Sequence[Verdict]:
        """Judge MAIL FROM again, once for the group."""
        return [await self._judge(t, _envelope(t))] * len(group)

    async def at_message(self, t: Transaction, message: Message, view: HeaderView) -> Verdict:
        """Judge MAIL FROM, header From and Sender."""
        authors: list[str] = []
        with suppress(AuthorError):  # an author that cannot be read is from-alignment's to refuse
            authors = author_domains(view)
        return await self._judge(t, dict.fromkeys((*_envelope(t), *authors)))

    async def _judge(self, t: Transaction, domains: Iterable[str]) -> Verdict:
        for domain in domains:
            for covering in suffixes(domain):
                block = await self._blocks.find(t.tenant.name, covering)
                if block is not None:
                    return self._refuse(t, block, domain)
        return ACCEPT

    def _refuse(self, t: Transaction, block: Block, domain: str) -> Verdict:
        if block.domain == EVERYTHING:
            return refuse(replies.TERMINATED, block.reason, case=block.case)
        reply = replies.DOMAIN_BLOCKED.fill(domain=block.domain, case=block.case, items=block.items)
        if block.tracking:
            reply = replace(reply, page=self._page(t.tenant.name, block.tracking))
        return refuse(reply, block.reason, case=block.case, domain=domain)


def _envelope(t: Transaction) -> tuple[str, ...]:
    # The empty sender has no domain; that everything is blocked goes for it too.
    return (EVERYTHING,) if t.mail_from is None else (a_label(t.mail_from.domain),)
