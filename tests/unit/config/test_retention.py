"""How long records are kept: what may be written, and the instant before which they go."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.config.retention import RetentionSettings

DAY = 86_400


def test_a_period_gives_the_instant_before_which_records_go() -> None:
    """Durations are written as everywhere; `never` removes nothing."""
    kept = RetentionSettings.model_validate({"facts": "10d", "audit": "never"})
    assert kept.cutoff("facts", 100 * DAY) == 90 * DAY
    assert kept.cutoff("audit", 100 * DAY) is None


@pytest.mark.parametrize("value", ["never", "1h", "soon", -1])
def test_what_needs_an_end_has_one_and_none_ends_at_once(value: object) -> None:
    """Webhook calls are not kept for ever, and nothing goes before a day is over."""
    with pytest.raises(ValidationError):
        RetentionSettings.model_validate({"webhook_deliveries": value})
