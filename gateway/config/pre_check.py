"""What may be said about pre-checks: limits of the house or a tenant, and the rule of a stream."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from gateway.config.values import Settings


class PreCheckRule(StrEnum):
    """Whether a stream's recipients must be pre-checked."""

    OFFERED = "offered"
    REQUIRED = "required"


class PreCheckSettings(Settings):
    """How much a tenant may pre-check, against guessing; see [pre-check.md](pre-check.md)."""

    addresses_per_day: Annotated[int, Field(ge=1)] = Field(
        default=1_000_000, description="Addresses one tenant may ask about in any 24 hours."
    )
    calls_per_hour: Annotated[int, Field(ge=1)] = Field(
        default=60, description="Lists one tenant may send in any hour."
    )
