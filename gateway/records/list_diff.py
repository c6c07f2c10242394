"""What an import would change, by reason and scope: for a dry run's answer.

`Diff` is told of every row that was taken or refused, and of those that are not yet in force;
`lines` gives one line for each reason and scope.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

from gateway.records.codes import DECODED
from gateway.records.staging import Staged
from suppression.standing import Reason

_Kind = tuple[Reason, int]
"""Reason and scope number."""


@dataclass(frozen=True, slots=True)
class Outlasted:
    """An entry of an older edition whose newer one is in force longer, where it stands."""

    entry: int
    key: bytes
    scope: int
    code: int


@dataclass(slots=True)
class Line:
    """Rows of one reason and scope; `no_longer_listed` are entries that no row is about."""

    reason: str
    scope: str
    would_add: int = 0
    would_renew: int = 0
    already_in_force: int = 0
    not_taken: int = 0
    no_longer_listed: int = 0


@dataclass(slots=True)
class Diff:
    """Counts of rows by reason and scope."""

    taken: Counter[_Kind] = field(default_factory=Counter)
    fresh: Counter[_Kind] = field(default_factory=Counter)
    renewed: Counter[_Kind] = field(default_factory=Counter)
    refused: Counter[tuple[Reason, str]] = field(default_factory=Counter)
    outlasted: int = 0
    gone: int = 0
    scopes: dict[int, str] = field(default_factory=dict)
    """The text of each scope number."""

    def count(self, fresh: Iterable[Staged], outlasted: Sequence[Outlasted]) -> None:
        """Take note of rows not yet in force, and of what they outlast."""
        self.fresh.update((DECODED[row.code][0], row.scope) for row in fresh)
        renewed = {(old.key, old.code, old.scope) for old in outlasted}
        self.renewed.update((DECODED[code][0], scope) for _, code, scope in renewed)
        self.outlasted += len(outlasted)

    def lines(self) -> list[dict[str, object]]:
        """One line for each reason and scope, as mappings."""
        found: dict[tuple[Reason, str], Line] = {}

        def line(reason: Reason, scope: str) -> Line:
            return found.setdefault((reason, scope), Line(reason.value, scope))

        for (reason, number), taken in self.taken.items():
            kind = (reason, number)
            one = line(reason, self.scopes[number])
            one.would_renew = self.renewed[kind]
            one.would_add = self.fresh[kind] - self.renewed[kind]
            one.already_in_force = taken - self.fresh[kind]
        for (reason, scope), refused in self.refused.items():
            line(reason, scope).not_taken = refused
        if self.gone:
            line(Reason.ROBINSON, "*").no_longer_listed = self.gone
        return [asdict(one) for one in found.values()]
