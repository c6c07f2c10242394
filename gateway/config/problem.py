"""One thing that is wrong or unsafe in a valid-looking configuration: what `check` yields."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.config.document import Keys

GATEWAY = ""
"""`Problem.where` of the gateway file; any other value is a tenant's name."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What to mend, by file and key. An error keeps the gateway from starting."""

    where: str
    keys: Keys
    text: str
    is_error: bool = True


def warning(where: str, keys: Keys, text: str) -> Problem:
    """A problem with which the gateway starts all the same."""
    return Problem(where, keys, text, is_error=False)
