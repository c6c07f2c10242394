"""A background task that raised was gone without a word: windows, for one, were saved no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import checkpoint
from gateway.checkpoint import Checkpoint
from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import Gateway, Settings
from tests.e2e.ports import free_port
from tests.faults.houses import Inside
from tests.faults.waiting import eventually


def test_it_is_told_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint that fails in a way nobody has thought of is recorded and tried again."""
    saves = 0

    async def save(_self: Checkpoint) -> None:
        nonlocal saves
        saves += 1
        if saves == 1:
            raise ZeroDivisionError

    monkeypatch.setattr(checkpoint, "EVERY", 0.05)
    monkeypatch.setattr(Checkpoint, "save", save)
    harness = Gateway(tmp_path, Settings(free_port()), make_certificates(tmp_path / "tls"))
    with Inside(harness) as house:
        eventually(lambda: saves > 2)
        (failed,) = [event for event in house.events if event.kind == "task.failed"]
    assert failed.detail == {"task": "checkpoint", "error": "ZeroDivisionError()"}
