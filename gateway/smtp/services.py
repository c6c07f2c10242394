"""What a session needs from the rest of the gateway, and the terms in force when it asks.

`Snapshot` is one configuration as a whole: a transaction takes the snapshot that is current at its
MAIL and keeps it to its end, so a reload never changes the rules in the middle.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from gateway.config.signers import Signers, signers_for
from gateway.enforcement import Enforcement
from gateway.events import Emit
from gateway.message.dkim import Signer
from gateway.message.received import Message
from gateway.metrics import Metrics
from gateway.pipeline import Pipeline
from gateway.relay.hops import NextHops
from gateway.relay.transaction import RelayTransaction
from gateway.reply import Reply
from gateway.smtp.authentication import Authenticator, Identity, Login
from gateway.smtp.engine import Offer
from gateway.smtp.memory import MemoryBudget
from gateway.smtp.watch import Watch
from policies.claims import Holds
from policies.ports import Clock
from policies.terms import TenantTerms
from policies.transaction import Recipient, Transaction


@dataclass(frozen=True, slots=True)
class Trust:
    """Client networks that send for a tenant without signing in."""

    networks: tuple[IPv4Network | IPv6Network, ...]
    identity: Identity


@dataclass(frozen=True, slots=True)
class Listening:
    """What one listener offers; `context` is None when it has no TLS."""

    name: str
    offer: Offer
    is_implicit: bool
    context: ssl.SSLContext | None
    trusted: tuple[Trust, ...] = ()
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One configuration in force. `link` begins the second line of refusals; "" for none.

    `signers` are by sender domain (A-label, or `*.parent`); `unsubscribe_url` and `mailto_domain`
    are what unsubscribe headers are made of. Return paths of `verp` are at `feedback_domain`;
    reports are asked for there where it has keys, `feedback_signers`.
    """

    hash: str
    hostname: str
    link: str
    unsubscribe_url: str
    mailto_domain: str
    feedback_domain: str
    tenants: Mapping[str, TenantTerms]
    logins: Mapping[str, Login]
    signers: Signers
    feedback_signers: Sequence[Signer]
    pipeline: Pipeline
    errors: int
    refusals_per_transaction: int
    idle_seconds: float
    records_addresses: bool

    @property
    def reports_domain(self) -> str:
        """The domain that reports on copies are asked to, "" for none."""
        return self.feedback_domain if self.feedback_signers else ""

    def signers_for(self, domain: str) -> Sequence[Signer]:
        """The keys that sign for `domain`: its own, else those of a `*.parent` it is under."""
        return signers_for(self.signers, domain)


@dataclass(frozen=True, slots=True)
class Client:
    """Who is at the other end, for the Received field and the records."""

    address: str
    hello: str
    protocol: str
    """The `with` word of RFC 3848: ESMTPSA and its kin."""
    login: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """What the customer is told of a message; `seen` names what a later command settles."""

    reply: Reply
    seen: str = ""


class Deliver(Protocol):
    """Judges, stamps, signs and relays one received message (see `gateway.delivery`)."""

    async def deliver(
        self,
        snapshot: Snapshot,
        client: Client,
        transaction: Transaction,
        trail: Mapping[str, object],
        message: Message,
        relay: RelayTransaction,
    ) -> Delivered:
        """Never raises. Returns when the relay has ended, however long that takes."""

    def return_path(
        self, snapshot: Snapshot, transaction: Transaction, recipient: Recipient
    ) -> str | None:
        """MAIL FROM at the next hop for `recipient`; None for the customer's."""

    def seen(self, ref: str) -> None:
        """The customer sent a command after its 250: it has seen it."""

    def unseen(self, ref: str) -> None:
        """The connection ended right after a 250: the customer may send the message again."""


@dataclass(slots=True)
class Services:
    """The shared parts that every session works with."""

    current: Callable[[], Snapshot]
    authenticator: Authenticator
    holds: Holds
    enforcement: Enforcement
    delivery: Deliver
    hops: NextHops
    budget: MemoryBudget
    watch: Watch
    emit: Emit
    metrics: Metrics
    is_writable: Callable[[], bool]
    new_ref: Callable[[], str]
    clock: Clock
