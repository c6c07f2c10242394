"""A clock that stands for every test of the pipeline."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Monotonic seconds by which the pipeline judges what never suspends: with deadlines as short
    as these a busy machine would be a fault of every policy's."""
    now = [0.0]
    for module in ("pipeline", "stage", "claiming"):
        monkeypatch.setattr(f"gateway.{module}.monotonic", lambda: now[0])
    return now
