"""What `consentry.yaml` may say under `sanctions`, and a tenant's file: which contract goes.

Values with defaults and meanings. A preset is a name that comes with the package or the path of a
YAML file of one's own; `problems` reads each that is named and gives what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema

from gateway.config.desk import Zone
from gateway.config.problem import GATEWAY, Problem
from gateway.config.values import NAME, Domain, Settings
from gateway.errors import ConfigurationError
from gateway.presets import read_preset
from policies.sanctions.holidays import HOLIDAYS

if TYPE_CHECKING:
    from gateway.config.model import GatewayConfig
    from gateway.config.tenant import TenantConfig


def _choice(text: str, info: ValidationInfo) -> str:
    if re.fullmatch(NAME, text):
        return text
    folder = (info.context or {}).get("folder")
    path = Path(text).expanduser()
    return str(path if folder is None else Path(folder) / path)


def _country(text: str) -> str:
    if text not in HOLIDAYS:
        raise ValueError(f"no holidays of {text} are known; known are {', '.join(HOLIDAYS)}")
    return text


PresetChoice = Annotated[
    str,
    AfterValidator(_choice),
    WithJsonSchema({"type": "string", "title": "preset", "examples": ["standard", "own.yaml"]}),
]
"""The name of a preset, or the path of a file; relative ones start at the gateway file's folder."""


class SanctionSettings(Settings):
    """What follows when a tenant breaks the rules; see [sanctions](sanctions/README.md)."""

    preset: PresetChoice = Field(
        default="standard",
        description="The contract of tenants that name none: standard, niebieski, planisys, iqpl, "
        "or the path of a YAML file of your own, such as `own.yaml`.",
    )
    zone: Zone = Field(default="UTC", description="Time zone of business days.")
    holidays: Annotated[str, AfterValidator(_country)] | None = Field(
        default=None, description="Country whose public holidays are no business days: PL."
    )
    closed: tuple[date, ...] = Field(
        default=(), description="Further days on which nobody works, such as 2026-12-24."
    )
    feedback_sources: tuple[Domain, ...] = Field(
        default=(),
        description="Domains of feedback loops: only a report that one of them signed is evidence "
        "of grade A, which may block by itself.",
    )


def problems(config: GatewayConfig, tenants: Mapping[str, TenantConfig]) -> Iterator[Problem]:
    """Every preset that cannot be used."""
    yield from _problem(GATEWAY, ("sanctions", "preset"), config.sanctions.preset)
    for name, tenant in tenants.items():
        if tenant.sanctions is not None:
            yield from _problem(name, ("sanctions",), tenant.sanctions)


def _problem(where: str, keys: tuple[str, ...], choice: str) -> Iterator[Problem]:
    try:
        read_preset(choice)
    except ConfigurationError as error:
        yield Problem(where, keys, str(error))
