"""Instants as the API writes and reads them: RFC 3339 in UTC outside, Unix seconds inside."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, overload

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    PlainSerializer,
    WithJsonSchema,
)

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def _read(value: object) -> object:
    # pydantic would take numbers too, and a date for its midnight.
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        return value
    raise ValueError("write date, time and timezone: 2030-01-31T12:00:00Z")


def _in_range(value: datetime) -> datetime:
    # In UTC a first or last hour may lie in a year that nothing can show again.
    if not 0 <= value.timestamp() <= LATEST:
        raise ValueError("lies outside the years 1970 to 9999")
    return value


LATEST = datetime.max.replace(microsecond=0, tzinfo=UTC).timestamp()
Instant = Annotated[AwareDatetime, BeforeValidator(_read), AfterValidator(_in_range)]
"""Of a request."""


def written(seconds: float | None) -> str | None:
    """Unix seconds as an answer has them; None stays None."""
    return None if seconds is None else _write(datetime.fromtimestamp(seconds, UTC))


def _write(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


Moment = Annotated[
    datetime,
    PlainSerializer(_write, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""Of an answer; made by `moment`."""


@overload
def moment(seconds: float) -> datetime: ...
@overload
def moment(seconds: float | None) -> datetime | None: ...
def moment(seconds: float | None) -> datetime | None:
    """Unix seconds as an instant; None stays None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
