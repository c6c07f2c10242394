"""What holds for every test: property tests are not failed for being slow on a busy machine.

HYPOTHESIS_PROFILE=campaign makes each of them try 20,000 examples (`make hostile`).
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("house", deadline=None)
settings.register_profile("campaign", deadline=None, max_examples=20_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))
