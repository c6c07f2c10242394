"""The policy that asks for a pre-check: who passes, and how the others are deferred."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.message.address import parse_mailbox
from gateway.words import StreamKind
from policies.pre_check import PreCheckPolicy
from policies.terms import Limits, StreamTerms, TenantState, TenantTerms
from policies.transaction import Recipient, Transaction
from policies.verdict import ACCEPT, Decision
from suppression.standing import Standing

STREAM = StreamTerms("acme", "weekly", 2, StreamKind.LIST, Limits())
TENANT = TenantTerms(
    "acme", TenantState.OPEN, frozenset({"acme.test"}), {"weekly": STREAM}, "weekly", Limits()
)


def _recipients() -> list[Recipient]:
    address = parse_mailbox("jan@example.org")
    standings = (Standing(b"k" * 16, is_cleared=True), Standing(b"k" * 16, consent=4))
    return [Recipient(number, address, standing) for number, standing in enumerate(standings)]


@pytest.mark.parametrize("is_required", [True, False])
def test_only_cleared_recipients_pass_where_it_is_required(is_required: bool) -> None:
    """Consent of any level is no pre-check; a stream that asks for none takes everybody."""
    stream = replace(STREAM, needs_pre_check=is_required)
    transaction = Transaction("r", "s", "192.0.2.1", TENANT, stream, None, 0.0)
    cleared, other = PreCheckPolicy().at_rcpt(transaction, _recipients())
    assert cleared is ACCEPT
    if is_required:
        assert other.decision is Decision.DEFER
        assert other.reply is not None
        assert (other.reply.code, other.reply.tag) == (451, "PRE-CHECK")
    else:
        assert other is ACCEPT
