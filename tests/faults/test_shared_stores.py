"""Redis or PostgreSQL in trouble while mail passes: a few of what `make redis-faults` runs in full.

One gateway; each fault begins at one moment of a transaction and ends again,
and everything that `moments` looks at must be true.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.certificates import Certificates
from tests.faults import moments
from tests.faults.moments import Moment, meet
from tests.faults.store_faults import POSTGRES, REDIS
from tests.faults.stores import Stores
from tests.servers.postgres import PostgresServer


@pytest.fixture(scope="module")
def stores(
    certificates: Certificates,
    postgres_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stores]:
    """The gateway, on a Redis of its own and a database of the run's PostgreSQL."""
    folder = tmp_path_factory.mktemp("stores") / "node"
    with Stores(folder, certificates, postgres=postgres_server) as running:
        yield running


@pytest.mark.parametrize(
    ("fault", "moment", "seconds"),
    [
        ("flushed", Moment.RCPT, 0.0),
        ("half-open", Moment.RELAY, 1.0),
        ("access revoked", Moment.MAIL, 0.0),
        ("wrong database", Moment.END, 0.5),
        ("records half-open", Moment.RCPT, 0.0),
        ("records read-only", Moment.END, 0.0),
    ],
)
def test_nothing_is_lost_and_nobody_protected_is_mailed(
    fault: str, moment: Moment, seconds: float, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every answer is 4xx or the one that is due, and all is well again afterwards; in how many
    seconds is for a quiet machine to say."""
    monkeypatch.setattr(moments, "RECOVERY", 60.0)
    monkeypatch.setattr(moments, "PATIENCE", 60.0)
    met = meet(stores, fault, {**REDIS, **POSTGRES}[fault], moment, seconds)
    assert met.broken == []
