"""Reads a preset: one that comes with the package (policies/presets/<name>.yaml), or a file.

`load_preset` gives a packaged one's plain data, `read_preset` the `Preset` of a name or a path.
Raises ConfigurationError for a name that is none, and for a file that cannot be read or is wrong.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gateway.errors import ConfigurationError
from policies.sanctions.ladder import Preset
from policies.sanctions.preset import read

SUFFIX = ".yaml"
NAME = "[a-z0-9-]+"


def preset_names() -> list[str]:
    """Every preset that comes with the package."""
    entries = files("policies").joinpath("presets").iterdir()
    names = (entry.name for entry in entries)
    return sorted(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))


def load_preset(name: str) -> dict[str, object]:
    """A packaged preset's mapping."""
    file = files("policies").joinpath("presets", f"{name}{SUFFIX}")
    if not re.fullmatch(NAME, name) or not file.is_file():
        raise ConfigurationError(f"{name} is no preset; known are {', '.join(preset_names())}")
    data: dict[str, object] = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    return data


@cache
def _packaged(name: str) -> Preset:
    """Read once: its file cannot change while we run, and YAML is slow to read."""
    return read(name, load_preset(name))


def read_preset(choice: str) -> Preset:
    """The preset with this name, or in the file with this path (called as the file)."""
    if "/" not in choice and not choice.endswith(SUFFIX):
        return _packaged(choice)
    path = Path(choice)
    try:
        return read(path.stem, YAML(typ="safe").load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise ConfigurationError(f"{path}: {error}") from error
