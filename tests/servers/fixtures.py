"""Fixtures of every test: real servers, started when first asked for, once per pytest process.

Tests leave them running and in order: who needs to kill one starts one of its own. `redis_empty`
and the like hand over the shared server emptied.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.cluster import RedisCluster
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer, RedisSet


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    """One Redis for the whole run."""
    with RedisServer() as running:
        yield running


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """The run's Redis, emptied."""
    shared_redis.ask("FLUSHALL")
    return shared_redis


@pytest.fixture(scope="session")
def shared_redis_set() -> Iterator[RedisSet]:
    """One primary with a replica and three Sentinels for the whole run."""
    with RedisSet() as running:
        yield running


@pytest.fixture
def redis_set(shared_redis_set: RedisSet) -> RedisSet:
    """The run's primary with replica and Sentinels, whole and emptied."""
    shared_redis_set.wait_until_whole()
    shared_redis_set.primary.ask("FLUSHALL")
    return shared_redis_set


@pytest.fixture(scope="session")
def shared_redis_cluster() -> Iterator[RedisCluster]:
    """One Cluster of three masters for the whole run."""
    with RedisCluster() as running:
        yield running


@pytest.fixture
def redis_cluster(shared_redis_cluster: RedisCluster) -> RedisCluster:
    """The run's Cluster, emptied."""
    for one in shared_redis_cluster.masters:
        one.ask("FLUSHALL")
    return shared_redis_cluster


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL for the whole run; ask it for a `fresh` database."""
    with PostgresServer() as running:
        yield running
