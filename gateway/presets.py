"""Reads a preset: one that comes with the package (policies/presets/<name>.yaml), or a file.

`load_preset` gives a packaged one's plain data, `read_preset` the `Preset` of a name or a path.
Raises ConfigurationError for a name that is none, and for a file that cannot be read or is wrong.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gateway.errors import ConfigurationError
from policies.sanctions.ladder import Preset
from policies.sanctions.preset import read

SUFFIX = ".yaml"


def preset_names() -> list[str]:
    """Every preset that comes with the package."""
    entries = files("policies").joinpath("presets").iterdir()
    names = (entry.name for entry in entries)
    return sorted(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))


def load_preset(name: str) -> dict[str, object]:
    """A packaged preset's mapping."""
    known = preset_names()
    if name not in known:
        raise ConfigurationError(f"{name} is no preset; known are {', '.join(known)}")
    folder = files("policies").joinpath("presets")
    text = folder.joinpath(f"{name}{SUFFIX}").read_text(encoding="utf-8")
    data: dict[str, object] = YAML(typ="safe").load(text)
    return data


def read_preset(choice: str) -> Preset:
    """The preset with this name, or in the file with this path (called as the file)."""
    if "/" not in choice and not choice.endswith(SUFFIX):
        return read(choice, load_preset(choice))
    path = Path(choice)
    try:
        return read(path.stem, YAML(typ="safe").load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise ConfigurationError(f"{path}: {error}") from error
