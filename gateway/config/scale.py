"""What goes together when there is more than one process or machine, and what does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gateway.config.problem import GATEWAY, Problem
from gateway.config.redis import RedisMode

if TYPE_CHECKING:  # the model holds the settings
    from gateway.config.model import GatewayConfig


def problems(config: GatewayConfig) -> Iterator[Problem]:
    """Everything wrong about `workers`, `redis` and `postgresql`."""
    redis = config.redis
    if redis is None:
        if config.workers > 1:
            yield Problem(GATEWAY, ("workers",), "more than one worker need `redis`")
        if config.postgresql is not None:
            text = "nodes that share records share their limits, too: name a `redis`"
            yield Problem(GATEWAY, ("postgresql",), text)
        return
    if redis.mode is RedisMode.STANDALONE and len(redis.servers) > 1:
        text = "standalone has one server; write `mode: sentinel` or `mode: cluster` for several"
        yield Problem(GATEWAY, ("redis", "servers"), text)
    if redis.mode is RedisMode.CLUSTER and redis.database:
        yield Problem(GATEWAY, ("redis", "database"), "a Cluster has only database 0")
    if redis.tls is not None and (redis.tls.certificate is None) != (redis.tls.key is None):
        yield Problem(GATEWAY, ("redis", "tls"), "a certificate and its key go together")
