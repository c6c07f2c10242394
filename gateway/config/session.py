"""Settings of customers' connections: how many, how long, and how much of them is in memory."""

from __future__ import annotations

from pydantic import Field

from gateway.config.values import Count, Duration, Settings, Size


class SessionSettings(Settings):
    """Limits on customers' connections."""

    max_connections: Count = Field(default=2000, description="Connections in all.")
    per_address: Count = Field(default=50, description="Connections of one client address.")
    idle_seconds: Duration = Field(
        default=300.0, description="Silence after which a session is closed."
    )
    errors: Count = Field(
        default=20, description="Refused or unknown commands before a session is closed."
    )
    refusals_per_transaction: Count = Field(
        default=100, description="Refused recipients before a session is closed."
    )
    refusals_per_hour: Count = Field(
        default=10_000,
        description="Refused recipients of one tenant in an hour before its MAIL is deferred.",
    )
    memory_bytes: Size = Field(
        default=512 * 2**20, description="Memory for messages in flight, shared."
    )
