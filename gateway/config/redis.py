"""Settings of shared fast state: a Redis server, a set watched by Sentinel, or a Cluster."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from gateway.config.values import Duration, Endpoint, Listen, Location, Name, Settings


class RedisMode(StrEnum):
    """How the servers named in `redis.servers` belong together."""

    STANDALONE = "standalone"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


class RedisTls(Settings):
    """TLS to Redis: its certificate is always checked."""

    ca_file: Location | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's."
    )
    certificate: Location | None = Field(
        default=None, description="PEM file of the gateway's own certificate, if Redis asks for it."
    )
    key: Location | None = Field(default=None, description="PEM file of its key, mode 0600.")


class RedisSettings(Settings):
    """Where batches, windows and blocks live when there is more than one SMTP process."""

    mode: RedisMode = Field(
        default=RedisMode.STANDALONE,
        description="standalone; sentinel (`servers` are Sentinels); cluster (`servers` are some "
        "of its nodes).",
    )
    servers: tuple[Listen, ...] = Field(
        default=(Endpoint("127.0.0.1", 6379),),
        min_length=1,
        description="Addresses and ports; one when standalone.",
    )
    service: str = Field(
        default="mymaster", min_length=1, description="Name of the set, as Sentinel knows it."
    )
    database: Annotated[int, Field(ge=0, le=15)] = Field(
        default=0, description="Number of the database; a Cluster has only 0."
    )
    prefix: Name = Field(
        default="consentry", description="Begins every key, so that several gateways can share."
    )
    username: str | None = Field(default=None, description="ACL name; Redis's default when absent.")
    password_file: Location | None = Field(
        default=None, description="File whose first line is the password, mode 0600."
    )
    sentinel_password_file: Location | None = Field(
        default=None, description="The same for the Sentinels themselves."
    )
    tls: RedisTls | None = Field(default=None, description="TLS; plain text when absent.")
    timeout: Annotated[Duration, Field(gt=0, le=2)] = Field(
        default=0.5, description="How long one call may take before its mail is deferred."
    )
    index: bool | None = Field(
        default=None,
        description="Keep an index of suppressions and consents in Redis. Default: yes with "
        "PostgreSQL; no with SQLite, which answers faster from its own file.",
    )
