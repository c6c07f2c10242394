"""The table of policies and its page in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.words import Mode
from policies.registry import REGISTRY, Parts, build, reference

PAGE = Path(__file__).parents[3] / "docs" / "policies.md"


@pytest.fixture
def parts(world):
    return Parts(
        "gw.example",
        world.rates,
        world.blocks,
        lambda *_: "",
        100,
    )


def test_every_policy_is_built_under_its_name_in_the_order_given(parts):
    """Name, order and mode are the configuration's, behind what is always enforced."""
    order = [(name, Mode.OBSERVE) for name in reversed(REGISTRY)]
    built = build(order, parts)
    built_in = ("probing", Mode.ENFORCE)
    assert [(policy.name, mode) for policy, mode in built] == [built_in, *order]


def test_an_unknown_policy_is_a_configuration_error(parts):
    """A misspelt policy is never silently left out."""
    with pytest.raises(ConfigurationError, match="supression"):
        build([("supression", Mode.ENFORCE)], parts)


def test_the_documentation_is_current():
    """docs/policies.md is what the docstrings say; else run `python -m policies.registry`."""
    assert PAGE.read_text() == reference()
