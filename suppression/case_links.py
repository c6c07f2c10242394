"""Links to a tenant's status page, as refusals, notices and staff give them out.

Takes the public address of the web pages, tokens, and the tenant's number (of the tenant as a
whole: `gateway.records.streams.stream_number(connection, tenant)`); gives `<base>/status/<token>`.
The link shows; whoever acts on the page also needs a code that is mailed to the tenant.
"""

from __future__ import annotations

from suppression.keys import KEY_OCTETS
from suppression.tokens import Purpose, Tokens

NO_CASE = bytes(KEY_OCTETS)
"""In the place of a case's tracking number: the tenant's status, whatever cases there are."""


def case_link(base: str, tokens: Tokens, tenant_number: int, tracking: bytes = NO_CASE) -> str:
    """The link to one case of a tenant (`tracking`, 16 octets), or to its status without a case.

    `base` is `GatewayConfig.web.link`, with or without a slash at its end.
    """
    return f"{base.rstrip('/')}/status/{tokens.make(Purpose.CASE, tenant_number, tracking)}"
