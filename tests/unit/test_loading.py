"""While modules are loaded the collector rests, and it comes back whatever happens."""

from __future__ import annotations

import gc

import pytest

from gateway.loading import at_rest


def fail_to_load(kept: list[list[int]]) -> None:
    """Leave a thousand lists behind, and fail."""
    with at_rest():
        assert not gc.isenabled()
        kept += ([number] for number in range(1000))
        raise ImportError("no such module")


def test_the_collector_comes_back() -> None:
    """Also when a module cannot be loaded; what was loaded is not looked through again."""
    before, kept = gc.get_freeze_count(), []
    try:
        with pytest.raises(ImportError):
            fail_to_load(kept)
        assert gc.isenabled()
        assert gc.get_freeze_count() >= before + len(kept)
    finally:
        gc.unfreeze()
