"""What the web pages need from the rest of the gateway, each as small as its user."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

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


class Recipients(Protocol):
    """What a recipient may see and choose; both raise StoreUnavailable when it cannot be had."""

    async def look(self, token: Token) -> Subscription:
        """The state as it is."""

    async def choose(self, token: Token, choice: Choice, source: str) -> Subscription:
        """The state once the choice is durable."""


@dataclass(frozen=True, slots=True)
class WebParts:
    """What the pages work with. `is_https` says whether the public address is.

    `problems` are why the gateway is not ready, none when it is.
    """

    tokens: ReadsTokens
    recipients: Recipients
    problems: Callable[[], Awaitable[list[str]]]
    metrics: Callable[[], Awaitable[str]]
    is_https: bool


Current = Callable[[], WebParts]
"""Gives the parts in force, asked at each request."""
