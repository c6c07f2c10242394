"""What the web pages need from the rest of the gateway, each as small as its user."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from suppression.tokens import Purpose, Token


class ReadsTokens(Protocol):
    """Tells a token of ours from a forged one."""

    def read(self, purpose: Purpose, text: str) -> Token | None:
        """What `text` names, or None."""


@dataclass(frozen=True, slots=True)
class WebParts:
    """What the pages work with. `is_https` says whether the public address is.

    `opt_out` returns when the suppression is durable and raises StoreUnavailable when it cannot be
    made so. `problems` are why the gateway is not ready, none when it is.
    """

    tokens: ReadsTokens
    opt_out: Callable[[Token], Awaitable[None]]
    problems: Callable[[], Awaitable[list[str]]]
    metrics: Callable[[], Awaitable[str]]
    is_https: bool


Current = Callable[[], WebParts]
"""Gives the parts in force, asked at each request."""
