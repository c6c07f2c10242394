"""Instants as the API writes and reads them: RFC 3339 in UTC outside, Unix seconds inside."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, overload

from pydantic import PlainSerializer


def _write(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


Moment = Annotated[datetime, PlainSerializer(_write, return_type=str, when_used="json")]
"""Of an answer; made by `moment`."""


@overload
def moment(seconds: float) -> datetime: ...
@overload
def moment(seconds: float | None) -> datetime | None: ...
def moment(seconds: float | None) -> datetime | None:
    """Unix seconds as an instant; None stays None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
