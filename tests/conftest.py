"""What holds for every test: property tests are not failed for being slow on a busy machine, and
no two tests have one id, because pytest's workers would then run only one of them.

Bytecode is kept even where the environment says not to: a run starts the gateway hundreds of times,
and each process would compile all of it.

HYPOTHESIS_PROFILE=campaign makes each of them try 20,000 examples (`make hostile`).
"""

from __future__ import annotations

import os
import sys
from collections import Counter

import pytest
from hypothesis import settings

pytest_plugins = ["tests.servers.fixtures"]

sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

settings.register_profile("house", deadline=None)
settings.register_profile("campaign", deadline=None, max_examples=20_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))


LONG = {"e2e", "faults"}
"""Folders whose files take long: begun last, one of them would keep all but one process idle."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long; stop when a test cannot be told from another."""
    items.sort(key=lambda item: LONG.isdisjoint(item.path.parts))  # else the order is random
    ids = Counter(item.nodeid for item in items)
    if twice := [one for one, count in ids.items() if count > 1]:
        raise pytest.UsageError(f"several tests have the id {', '.join(twice)}")
