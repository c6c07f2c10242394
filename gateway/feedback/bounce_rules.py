"""Reads the rules of bounces that come with the package (policies/returned/bounces.yaml).

`bounce_table` gives the one table of this process, read when it is first asked for. Raises
ConfigurationError when the package is broken.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from ruamel.yaml import YAML

from policies.returned.bounces import BounceTable, read

NAME = "bounces"


@cache
def bounce_table() -> BounceTable:
    """All rules."""
    file = files("policies").joinpath("returned", f"{NAME}.yaml")
    return read(NAME, YAML(typ="safe").load(file.read_text(encoding="utf-8")))
