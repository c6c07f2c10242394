"""Whether MAIL FROM belongs to the tenant. Pure."""

from __future__ import annotations

from gateway import replies
from gateway.errors import AddressSyntaxError
from gateway.words import StreamKind
from policies.transaction import Transaction
from policies.verdict import ACCEPT, Verdict, refuse
from suppression.address import a_label


class SenderDomainPolicy:
    """The domain of MAIL FROM must be registered for the tenant, itself or under a `*.` entry;
    else [SENDER]. The empty sender `<>` is taken on transactional streams only, where the header
    From is judged in its place.
    """

    name = "sender-domain"

    def at_mail(self, t: Transaction) -> Verdict:
        """Judge by the domain's A-label."""
        if t.mail_from is None:
            if t.stream.kind is StreamKind.TRANSACTIONAL:
                return ACCEPT
            reply = replies.SENDER.fill(domain="<>")
            return refuse(reply, "empty sender on a marketing stream", kind=str(t.stream.kind))
        try:
            if t.tenant.owns(a_label(t.mail_from.domain)):
                return ACCEPT
        except AddressSyntaxError as error:
            return refuse(replies.SENDER_SYNTAX.fill(problem=error), "MAIL FROM has no A-label")
        domain = t.mail_from.domain
        return refuse(replies.SENDER.fill(domain=domain), "not this tenant's domain", domain=domain)
