"""A case under change: what the engine's parts hand from one to the next.

`Draft` holds the case so far and what follows so far; `Refused` ends a change that is not allowed.
Steps are looked up here, because a case names its step and the preset words it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from policies.sanctions.case import Block, Case, Changed, Effect, Notify, Tell, Unblock
from policies.sanctions.ladder import Ladder, Preset, Step
from policies.sanctions.words import NoticeKind

GATEWAY = "gateway"
"""The actor of what happens by itself."""


class Refused(Exception):
    """What was asked is not allowed for this case now; the text says why."""


def step_of(case: Case, preset: Preset) -> Step:
    """The rung on which the case stands. KeyError when the preset is not the case's."""
    for step in preset.ladder(case.ladder).steps:
        if step.name == case.step:
            return step
    raise KeyError(case.step)


@dataclass(slots=True)
class Draft:
    """`now` is Unix seconds."""

    case: Case
    preset: Preset
    now: float
    effects: list[Effect] = field(default_factory=list)

    @property
    def ladder(self) -> Ladder:
        """The case's."""
        return self.preset.ladder(self.case.ladder)

    @property
    def step(self) -> Step:
        """The case's."""
        return step_of(self.case, self.preset)

    def set(self, **values: Any) -> None:
        """Change fields of the case."""
        self.case = replace(self.case, **values)

    def notify(self, kind: NoticeKind) -> None:
        """The tenant is told."""
        self.effects.append(Notify(kind))

    def tell(self, kind: str, **detail: object) -> None:
        """Webhooks, journal and counters are told."""
        self.effects.append(Tell(kind, tuple(sorted(detail.items()))))

    def by(self, *actors: str) -> None:
        """These set what is in force now, the last of them above all."""
        others = tuple(one for one in self.case.authors if one not in actors)
        self.set(authors=(*others, *dict.fromkeys(actors)))

    def block(self, domains: tuple[str, ...], reason: str) -> None:
        """Block these names under the case."""
        self.set(blocked=True)
        self.effects.append(Block(domains, reason))
        self.tell("case.blocked", domains=domains)

    def unblock(self, reason: str) -> None:
        """Lift whatever this case blocks, and say so."""
        if self.case.blocked:
            self.set(blocked=False)
            self.effects.append(Unblock(reason))
            self.notify(NoticeKind.UNBLOCKED)
            self.tell("case.unblocked", domains=self.case.domains)

    def done(self) -> Changed:
        """What the engine gives."""
        return Changed(self.case, tuple(self.effects))
