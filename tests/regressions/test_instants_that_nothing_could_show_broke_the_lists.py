"""An end in the last hours of the year 9999, west of Greenwich, was taken; no list came after."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.web.api.moments import Instant, moment

READER = TypeAdapter(Instant)


@pytest.mark.parametrize(
    "text",
    ["0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"],
)
def test_an_instant_outside_the_years_of_utc_is_refused(text: str) -> None:
    """Its year in UTC is none that a datetime can have, so that reading it back would fail."""
    with pytest.raises(ValidationError, match="outside the years"):
        READER.validate_python(text)


@pytest.mark.parametrize("text", ["1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_what_is_taken_can_be_shown(text: str) -> None:
    """The first and the last instant come back as they were."""
    value = READER.validate_python(text)
    assert moment(int(value.timestamp())) == value
