"""What a recipient may choose on the page behind an unsubscribe link, and what is then in force.

Pure values. The choices are few and fixed; nothing that a person writes freely is taken or kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from suppression.precedence import Width, width
from suppression.standing import Reason


class Why(StrEnum):
    """Why somebody unsubscribes, as far as they care to say."""

    TOO_OFTEN = "too-often"
    NEVER_SIGNED_UP = "never-signed-up"
    NOT_INTERESTED = "not-interested"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Choice:
    """Out of this list, or `is_wide` out of all marketing of its tenant; `is_spam` complains too.

    One click without a page is the choice without anything said.
    """

    is_wide: bool = False
    is_spam: bool = False
    why: Why | None = None


@dataclass(frozen=True, slots=True)
class InForce:
    """Which choices are in force: out of the list, out of all of the tenant's, complained."""

    is_out: bool = False
    is_out_wide: bool = False
    has_complained: bool = False

    @property
    def is_any(self) -> bool:
        """Whether mail from the list is refused because of one of them."""
        return self.is_out or self.is_out_wide or self.has_complained


_WIDE = frozenset({Reason.UNSUBSCRIBE, Reason.OBJECTION, Reason.ERASURE})
"""What puts a recipient out of all marketing of a tenant, by whatever way it was asked for."""


def in_force(found: Iterable[tuple[Reason, str]]) -> InForce:
    """What the live entries (reason and scope text) of the list and its tenant come to."""
    narrow: set[Reason] = set()
    wide: set[Reason] = set()
    for reason, scope in found:
        (wide if width(scope) is Width.TENANT else narrow).add(reason)
    return InForce(
        is_out=Reason.UNSUBSCRIBE in narrow,
        is_out_wide=not _WIDE.isdisjoint(wide),
        has_complained=Reason.COMPLAINT in wide,
    )
