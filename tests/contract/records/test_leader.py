"""The leader's seat among nodes that share a PostgreSQL database: a real server's lock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.config.records import PostgresSettings
from gateway.errors import StoreUnavailable
from gateway.records.leader_lock import PostgresSeat
from tests.servers.postgres import PostgresServer
from tests.servers.program import wait_for


class Nodes:
    """Two nodes that want to lead."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.database = server.fresh()
        settings = PostgresSettings.model_validate(server.settings(self.database))
        self.first, self.second = PostgresSeat(settings), PostgresSeat(settings)


@pytest.fixture
def nodes(postgres_server: PostgresServer) -> Iterator[Nodes]:
    nodes = Nodes(postgres_server)
    yield nodes
    nodes.first.leave()
    nodes.second.leave()
    postgres_server.drop(nodes.database)


def test_one_of_two_nodes_leads_and_the_other_after_it(nodes: Nodes) -> None:
    """Who has the seat keeps it; it is free when they leave."""
    held = [seat.hold() for seat in (nodes.first, nodes.second) * 2]
    assert held == [True, False, True, False]
    nodes.first.leave()
    wait_for(nodes.second.hold)
    assert not nodes.first.hold()


def test_who_loses_the_connection_loses_the_seat(nodes: Nodes) -> None:
    """It hears so when it asks, and cannot have it back while another has it."""
    assert nodes.first.hold()
    nodes.server.terminate(nodes.database)
    with pytest.raises(StoreUnavailable):
        nodes.first.hold()
    wait_for(nodes.second.hold)
    assert not nodes.first.hold()
