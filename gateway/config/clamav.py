"""What `consentry.yaml` may say under `clamav`: the scanner that looks at what tenants upload."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from gateway.config.values import Duration, Settings


class ClamAvSettings(Settings):
    """A running clamd; see [status-page.md](status-page.md). Uploads wait while it is away."""

    socket: Path | None = Field(
        default=None, description="Its Unix socket, such as /run/clamav/clamd.ctl."
    )
    host: str | None = Field(
        default=None, min_length=1, description="Its host, where it listens on TCP instead."
    )
    port: Annotated[int, Field(ge=1, le=65_535)] = Field(default=3310, description="Its TCP port.")
    timeout: Annotated[Duration, Field(gt=0, le=30)] = Field(
        default=20.0, description="How long one scan may take before the tenant must come again."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.socket is None) == (self.host is None):
            raise ValueError("write either `socket` or `host`")
        if self.socket is not None and not self.socket.is_absolute():
            raise ValueError("`socket` must be an absolute path")
        return self
