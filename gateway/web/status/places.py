"""Places for files that are being sent: each lies in memory until its form was acted on.

`Places.place` gives a form one to `take` when its file begins, free again at the end; a tenant has
PER_TENANT of AT_ONCE, so that no customer's uploads fill the memory or keep the others'. Raises
nothing: a place that is not to be had is `is_refused`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

AT_ONCE = 16
PER_TENANT = 4


class Place:
    """One form's."""

    def __init__(self, held: Counter[str], tenant: str) -> None:
        self._held = held
        self._tenant = tenant
        self.is_taken = False
        self.is_refused = False

    def take(self) -> bool:
        """Whether the form has its place; asked again, the same."""
        if not self.is_taken:
            is_full = self._held.total() >= AT_ONCE or self._held[self._tenant] >= PER_TENANT
            self.is_taken, self.is_refused = not is_full, is_full
            self._held[self._tenant] += self.is_taken
        return self.is_taken


class Places:
    """One per process."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()

    @contextmanager
    def place(self, tenant: str) -> Iterator[Place]:
        """A form's, of that tenant."""
        place = Place(self._held, tenant)
        try:
            yield place
        finally:
            self._held[tenant] -= place.is_taken
            self._held += Counter()  # those without any go
