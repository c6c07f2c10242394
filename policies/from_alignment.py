"""Whether the authors a message names belong to the tenant. Pure."""

from __future__ import annotations

from gateway import replies
from gateway.message.header import HeaderView
from gateway.message.received import Message
from policies.senders import AuthorError, author_domains
from policies.transaction import Transaction
from policies.verdict import ACCEPT, Verdict, refuse


class FromAlignmentPolicy:
    """From must name exactly one address, Sender at most one, and their domains must be registered
    for the tenant; else [FROM-ALIGN]. For mail with the empty sender this is the sender check.
    """

    name = "from-alignment"

    def at_message(self, t: Transaction, message: Message, view: HeaderView) -> Verdict:
        """Judge From and Sender."""
        try:
            domains = author_domains(view)
        except AuthorError as error:
            return refuse(replies.FROM_ALIGN.fill(problem=error), "the author cannot be read")
        for domain in domains:
            if not t.tenant.owns(domain):
                problem = f"{domain} is not registered as your sender domain"
                reply = replies.FROM_ALIGN.fill(problem=problem)
                return refuse(reply, "not this tenant's domain", domain=domain)
        return ACCEPT
