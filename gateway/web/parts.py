"""What the web pages need from the rest of the gateway, each as small as its user."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gateway.node import Health
from gateway.records.proofs import Visit
from gateway.web.visitor import Network
from suppression.choices import Choice, InForce
from suppression.tokens import Purpose, Token


class ReadsTokens(Protocol):
    """Tells a token of ours from a forged one."""

    def read(self, purpose: Purpose, text: str) -> Token | None:
        """What `text` names, or None."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What an unsubscribe link is about, in words that recipients know, and what is in force."""

    list_name: str
    sender_name: str
    in_force: InForce


class State(StrEnum):
    """Where a request for consent stands, as its page tells it."""

    ASKED = "asked"
    CONFIRMED = "confirmed"
    LEFT = "left"
    """Confirmed, and the person unsubscribed, objected or complained since."""
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    CLOSED = "closed"
    """Never mailed, or the person's data were erased."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a confirmation link is about: who asks, for which list, and what one agrees to.

    `text` is the consent text word for word, in `text_language`; `privacy` the link to the
    sender's privacy notice, "" when there is none.
    """

    list_name: str
    sender_name: str
    text: str
    text_language: str
    privacy: str
    state: State


class Recipients(Protocol):
    """What a recipient may see and decide; all raise StoreUnavailable when it cannot be had."""

    async def look(self, token: Token) -> Subscription:
        """The state as it is."""

    async def choose(self, token: Token, choice: Choice, source: str) -> Subscription:
        """The state once the choice is durable."""

    async def question(self, token: Token) -> Question | None:
        """What a confirmation link asks; None when there is no such request any more."""

    async def answer(self, token: Token, is_yes: bool, visit: Visit) -> Question | None:
        """The same once the answer (yes, or withdrawn) is durable."""


@dataclass(frozen=True, slots=True)
class WebParts:
    """What the pages work with. `is_https` says whether the public address is.

    `proxies` are the networks that are believed about who a visitor is; `health` says whether this
    node can take mail, within so many seconds.
    """

    tokens: ReadsTokens
    recipients: Recipients
    proxies: tuple[Network, ...]
    health: Callable[[float], Awaitable[Health]]
    metrics: Callable[[], Awaitable[str]]
    is_https: bool


Current = Callable[[], WebParts]
"""Gives the parts in force, asked at each request."""
