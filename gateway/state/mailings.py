"""Which mailing a transaction belongs to.

A mailing is a run of transactions of one stream with gaps under 6 hours, at most 7 days long,
ended early by a case's first notice. Its id is set at its first MAIL, like `261120-9f3c01ab`.
`changes()` and `restore()` carry the current mailings over a restart. Reads no clock.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

GAP = 6 * 3600
LONGEST = 7 * 86_400


@dataclass(slots=True)
class Mailing:
    """The current mailing of one stream (`tenant/stream`); times are Unix seconds."""

    stream: str
    id: str
    started_at: float
    last_at: float

    def goes_on(self, now: float) -> bool:
        """True when a transaction at `now` is part of it."""
        return now - self.last_at < GAP and now - self.started_at < LONGEST


class Mailings:
    """The current mailing of every stream."""

    def __init__(self) -> None:
        self._current: dict[str, Mailing] = {}
        self._dirty: set[str] = set()

    def mailing_id(
        self,
        stream_id: str,
        now: float,
        is_ended: Callable[[str], bool] = lambda _mailing: False,
    ) -> str:
        """The id of the mailing that a transaction of the stream at `now` is part of; `is_ended`
        says of one whether a case has ended it."""
        mailing = self._current.get(stream_id)
        if mailing is None or not mailing.goes_on(now) or is_ended(mailing.id):
            day = time.strftime("%y%m%d", time.gmtime(now))
            mailing = Mailing(stream_id, f"{day}-{secrets.token_hex(4)}", now, now)
            self._current[stream_id] = mailing
        mailing.last_at = max(mailing.last_at, now)
        self._dirty.add(stream_id)
        return mailing.id

    def changes(self) -> list[Mailing]:
        """The mailings that changed since the last call."""
        dirty, self._dirty = self._dirty, set()
        return [self._current[stream] for stream in dirty]

    def unsaved(self, mailings: Iterable[Mailing]) -> None:
        """Hand back what could not be saved; the next `changes()` gives it again."""
        self._dirty.update(mailing.stream for mailing in mailings)

    def restore(self, mailings: Iterable[Mailing]) -> None:
        """Put saved mailings back at start-up."""
        self._current.update({mailing.stream: mailing for mailing in mailings})
