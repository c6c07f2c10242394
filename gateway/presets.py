"""Reads a preset that comes with the package (policies/presets/<name>.yaml) into plain data.

Raises ConfigurationError for a name that is none. What the data means is `policies.blocking`'s.
"""

from __future__ import annotations

from importlib.resources import files

from ruamel.yaml import YAML

from gateway.errors import ConfigurationError


def load_preset(name: str) -> dict[str, object]:
    """The preset's mapping."""
    folder = files("policies").joinpath("presets")
    known = sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir())
    if name not in known:
        raise ConfigurationError(f"{name} is no preset; known are {', '.join(known)}")
    data: dict[str, object] = YAML(typ="safe").load(folder.joinpath(f"{name}.yaml").read_text())
    return data
