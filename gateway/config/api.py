"""What `consentry.yaml` may say under `api`: how often the HTTP API may be called."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.config.values import Settings

PerMinute = Annotated[int, Field(ge=1, le=1_000_000)]


class ApiSettings(Settings):
    """The HTTP API below `/v1` of the web listener, for programs of tenants and staff."""

    requests_per_minute: PerMinute = Field(
        default=600, description="Calls that one token may make in a minute; more get 429."
    )
    refused_tokens_per_minute: PerMinute = Field(
        default=60,
        description="Calls without a valid token that one client address may make in a minute "
        "before they get 429 instead of 401. Valid tokens are not held up by it.",
    )
