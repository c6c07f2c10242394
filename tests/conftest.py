"""What holds for every test: property tests are not failed for being slow on a busy machine, and
no two tests have one id, because pytest's workers would then run only one of them.

HYPOTHESIS_PROFILE=campaign makes each of them try 20,000 examples (`make hostile`).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import settings

pytest_plugins = ["tests.servers.fixtures"]

settings.register_profile("house", deadline=None)
settings.register_profile("campaign", deadline=None, max_examples=20_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Stop when a test cannot be told from another."""
    ids = Counter(item.nodeid for item in items)
    if twice := [one for one, count in ids.items() if count > 1]:
        raise pytest.UsageError(f"several tests have the id {', '.join(twice)}")
