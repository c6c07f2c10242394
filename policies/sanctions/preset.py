"""Reads a preset from plain mappings and writes it back.

`read` takes what a YAML file holds and gives a `Preset`; every mistake is a ConfigurationError that
names the key path (`niebieski.ladders.P.steps[1].deadline`). `to_plain` gives the whole preset as
JSON-able data that `read` takes again, `digest` the SHA-256 that names this wording.
"""

from __future__ import annotations

from typing import Any

from policies.sanctions.ladder import Preset


def read(name: str, data: object) -> Preset:
    """The preset that the data describes."""
    raise NotImplementedError


def to_plain(preset: Preset) -> dict[str, Any]:
    """JSON-able data that `read` takes again."""
    raise NotImplementedError


def digest(preset: Preset) -> str:
    """SHA-256 in hex of the canonical JSON."""
    raise NotImplementedError
