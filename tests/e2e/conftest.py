"""What end-to-end tests share: certificates, and one stock Postfix for the whole run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.certificates import Certificates, make_certificates
from tests.e2e.deployed import deployed_service
from tests.e2e.forms import SENDER, crowd
from tests.e2e.gateway import Gateway, Settings
from tests.e2e.postfix import Postfix
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer

INTERNATIONAL = "zażółć@inbox.test"
READERS = ("anna@inbox.test", "bert@inbox.test", "cleo@inbox.test", INTERNATIONAL, SENDER, *crowd())
"""Every mailbox behind the next hop; the sender's is where delivery reports go."""


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority that clients trust and a certificate for localhost."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def stock_postfix(certificates: Certificates) -> Iterator[Postfix]:
    """A Postfix with stock settings that knows `READERS`."""
    with Postfix(READERS, certificates=certificates) as running:
        yield running


SHAPES = ("alone", "workers", "nodes")
"""One process with everything in its memory; two workers with Redis and SQLite; two workers with
Redis and PostgreSQL."""


@pytest.fixture(scope="module")
def shape(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Sections of the gateway file for the shape that a module's `parametrize` names."""
    name = getattr(request, "param", "alone")
    sections: dict[str, Any] = {}
    if name != "alone":
        prefix = request.node.name.removesuffix(".py").rpartition("_")[2]
        redis: RedisServer = request.getfixturevalue("shared_redis")
        sections = {"workers": 2, "redis": redis.settings(prefix=f"{prefix}-{name}")}
    if name == "nodes":
        postgres: PostgresServer = request.getfixturevalue("postgres_server")
        sections["postgresql"] = postgres.settings(postgres.fresh())
    return sections


@pytest.fixture
def postfix(stock_postfix: Postfix) -> Postfix:
    """The stock Postfix with empty mailboxes."""
    stock_postfix.empty()
    return stock_postfix


@pytest.fixture(scope="session")
def deployed_postfix(certificates: Certificates) -> Iterator[Postfix]:
    """A Postfix with the entrance of deploy/postfix; its `port` is that entrance."""
    port, settings, service = deployed_service()
    with Postfix(READERS, certificates=certificates, settings=settings, service=service) as running:
        running.port = port
        yield running


@pytest.fixture(scope="session")
def gateway(
    stock_postfix: Postfix, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway in front of the stock Postfix, under the limits of the systemd unit, for tests
    that leave nothing behind in it."""
    folder = tmp_path_factory.mktemp("gateway")
    settings = Settings(stock_postfix.port)
    with Gateway(folder, settings, certificates, confined=True) as running:
        yield running
