"""A customer that stopped reading its replies and then left never ended its session: its batch and
its next-hop connection stayed lent, and the tenant got [BATCH-BUSY] until a restart."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import Gateway, Settings, acme
from tests.e2e.session import Session
from tests.faults.hop import Hop
from tests.faults.houses import Inside
from tests.faults.waiting import eventually

SENDER = "news@acme.test"


def test_what_it_held_is_given_back(tmp_path: Path) -> None:
    """Once it has left, another connection has its batch, and its next-hop connection is idle."""
    limits = {"recipients_per_message": 1, "batch_wait": "1s"}
    with Hop() as hop:
        settings = Settings(hop.port, tenants={"acme": acme(limits=limits)})
        harness = Gateway(tmp_path, settings, make_certificates(tmp_path / "tls"))
        with Inside(harness) as house:
            (pool,) = (one.pool for one in house.gateway.hops._hops)
            stalled = Session(house.port)
            assert stalled.mail(SENDER).code == 250
            assert stalled.rcpt("anna@inbox.test")[0].code == 250
            (connection,) = house.gateway.watch
            assert connection.transport is not None
            accepted = connection.transport.get_extra_info("socket")
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            stalled.say(*["RCPT TO:<bert@inbox.test>"] * 3000)
            eventually(lambda: connection._writer_waiter)
            assert pool.held - pool.idle == 1
            stalled.drop()
            eventually(lambda: house.call(lambda: len(house.gateway.watch)) == 0)
            with Session(house.port) as other:
                assert other.mail(SENDER).code == 250
            eventually(lambda: pool.idle == pool.held)
