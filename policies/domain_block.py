"""Whether the sender's domain is blocked, asked anew at every stage.

A block on a domain covers the domains below it, so that a `*.` registration is no way around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from gateway import replies
from gateway.message.header import HeaderView
from gateway.message.received import Message
from policies.ports import Blocks
from policies.senders import AuthorError, author_domains
from policies.transaction import Recipient, Transaction
from policies.verdict import ACCEPT, Verdict, refuse
from suppression.address import a_label, suffixes


class DomainBlockPolicy:
    """Mail from a blocked domain is refused with [DOMAIN-BLOCKED] and the case's number. A block
    takes effect at the next MAIL and, for a running transaction, at its next RCPT and final dot;
    there the domains of header From and Sender count too.
    """

    name = "domain-block"

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

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
                    reply = replies.DOMAIN_BLOCKED.fill(domain=block.domain, case=block.case)
                    return refuse(reply, block.reason, case=block.case, domain=domain)
        return ACCEPT


def _envelope(t: Transaction) -> tuple[str, ...]:
    return () if t.mail_from is None else (a_label(t.mail_from.domain),)
