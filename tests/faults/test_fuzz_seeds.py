"""What the fuzzing campaign begins from keeps its promises, as must all that it makes of it."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.campaigns import fuzz_dialogues, fuzz_messages, fuzz_tokens


@pytest.mark.parametrize("target", [fuzz_dialogues, fuzz_messages, fuzz_tokens])
def test_seeds_keep_their_promises(target: ModuleType) -> None:
    """Every unmutated dialogue, message and token."""
    for data in target.seeds():
        target.one_input(data)
