"""Transactions, recipients and messages to judge, with the fast state under a clock set by hand."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gateway.message.header import HeaderView
from gateway.message.received import Message
from gateway.state.holds import MemoryHolds
from gateway.state.rates import MemoryRateWindows
from gateway.state.table import WindowTable
from gateway.words import Address, StreamKind
from policies.ports import Block
from policies.terms import Limits, StreamTerms, TenantState, TenantTerms
from policies.transaction import Recipient, Transaction
from policies.verdict import ACCEPT, Verdict
from suppression.standing import Standing

NOON = 1_800_000_000.0


def address(text: str) -> Address:
    local, _, domain = text.rpartition("@")
    return Address(text, local, domain)


class World:
    """Everything a policy can be given, small enough to read at a glance."""

    def __init__(self) -> None:
        self.now = NOON
        table = WindowTable(lambda: self.now)
        self.holds = MemoryHolds(table)
        self.rates = MemoryRateWindows(table)
        self.blocks = BlockBoard()

    def transaction(
        self,
        mail_from: str | None = "news@acme.example",
        *,
        size: int | None = None,
        state: TenantState = TenantState.OPEN,
        limits: Limits | None = None,
        tenant_limits: Limits | None = None,
        domains: tuple[str, ...] = ("acme.example", "*.acme.test"),
        hosts: tuple[str, ...] = ("acme.example",),
        **stream: object,
    ) -> Transaction:
        """A transaction of tenant acme; `stream` are fields of its StreamTerms."""
        limits = limits or Limits()
        terms = StreamTerms("acme", "weekly", 1, StreamKind.LIST, limits)
        terms = replace(terms, **stream)
        tenant = TenantTerms(
            "acme",
            state,
            frozenset(domains),
            {"weekly": terms},
            "weekly",
            tenant_limits or limits,
            starter_messages_per_hour=2,
            unsubscribe_hosts=frozenset(hosts),
        )
        sender = None if mail_from is None else address(mail_from)
        hold = self.holds.open("acme", terms.id, self.now, lambda _: None, lambda: None)
        return Transaction(
            "ref", "session", "192.0.2.1", tenant, terms, sender, self.now, size, hold=hold
        )

    async def mail(self, policy: Any, t: Transaction) -> Verdict:
        """What a policy that claims says at MAIL."""
        (verdict,) = await self._claimed(policy, "mail", t) or [ACCEPT]
        return verdict

    async def rcpt(self, policy: Any, t: Transaction, count: int) -> Sequence[Verdict]:
        """What it says about a group of so many recipients."""
        group = self.recipients(count)
        return await self._claimed(policy, "rcpt", t, group) or [ACCEPT] * count

    async def confirm(self, policy: Any, t: Transaction, octets: int, copies: int) -> Verdict:
        """What it says of so many copies of so many octets."""
        (verdict,) = await self._claimed(policy, "confirm", t, octets, copies)
        return verdict

    async def _claimed(self, policy: Any, stage: str, *subject: Any) -> list[Verdict]:
        claims = getattr(policy, f"claims_at_{stage}")(*subject)
        if inspect.isawaitable(claims):
            claims = await claims
        if isinstance(claims, Verdict):
            return [claims]
        if not claims:
            return []
        granted = await subject[0].hold.claim(claims)
        verdict = getattr(policy, f"judge_at_{stage}")(*subject, claims, granted)
        return [verdict] if isinstance(verdict, Verdict) else list(verdict)

    def used(self) -> int:
        """Octets of the last 24 h."""
        return self.holds.octets.used("acme")

    def open(self) -> int:
        """How many batches are open."""
        return len(self.holds.line("acme").held)

    def recipients(self, count: int, **standing: object) -> list[Recipient]:
        """That many recipients with one standing."""
        key = Standing(**{"key": b"k" * 16, **standing})
        return [Recipient(i, address(f"u{i}@b.example"), key) for i in range(count)]

    def message(self, *fields: str) -> tuple[Message, HeaderView]:
        """A message with these header fields and its view."""
        header = "".join(f"{field}\r\n" for field in fields).encode()
        return Message(header, (), len(header) + 2, b"", b""), HeaderView.parse(header)


@dataclass
class BlockBoard:
    """Blocks in force, by domain."""

    by_domain: dict[str, Block] = field(default_factory=dict)
    volume: int = 100

    def put(self, domain: str) -> None:
        self.by_domain[domain] = Block("C-000007", domain, "spam")

    async def find(self, tenant: str, domain: str) -> Block | None:
        return self.by_domain.get(domain) if tenant == "acme" else None

    async def lifts(self, tenant: str) -> int:
        return 0

    def is_stale(self) -> bool:
        return False

    def share(self, tenant: str) -> int:
        return self.volume


@pytest.fixture
def world() -> World:
    return World()
