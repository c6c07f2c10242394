"""Customer, two workers and next hop in any order, each killed at any point: counted on both sides.

The model is that of `tests/unit/ledger/test_ledger_machine.py`, whose customer may reach another
worker with each try. Workers die and come back, or die for good with their disks and another takes
their place; Redis is away, does not say what it has done, or loses all that it has.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from itertools import count as counter
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from gateway.errors import JournalUnwritable, StoreUnavailable
from gateway.ledger.ledger import Ledger
from gateway.state.redis.flights import RedisFlights
from gateway.state.redis.keys import SHARDS
from tests.contract.ledger.house import House
from tests.servers.redis import RedisServer
from tests.unit.ledger.test_ledger_machine import OFTEN, Disk, Machine

EXAMPLES, STEPS = 60, 40
PREFIXES = counter()


class Worker:
    """One worker's name and folder, and its process while it lives."""

    def __init__(self, name: int) -> None:
        self.name = name
        self.folder = Path(tempfile.mkdtemp())
        self.disk: Disk | None = None
        self.ledger: Ledger
        self.flights: RedisFlights
        self.is_unsure = False
        """An end may not have been written yet."""


class Workers(Machine):
    """See the module's docstring."""

    def __init__(self, server: RedisServer) -> None:
        super().__init__()
        self.disk.kill()
        self.house = House(server, f"p{next(PREFIXES)}")
        self.house.load = self.store.load  # type: ignore[method-assign]
        self.names = counter(1)
        self.workers = [Worker(next(self.names)), Worker(next(self.names))]
        self.graves: list[Path] = []
        self.is_gap = False
        """Somebody died for good, and only Redis knows what they may have sent."""
        for worker in self.workers:
            self.begin(worker)

    def teardown(self) -> None:
        self.loop.run_until_complete(self.house.aclose())
        for worker in self.workers:
            if worker.disk is not None:
                worker.disk.kill()
            self.graves.append(worker.folder)
        with self.house.server.client() as client:
            client.delete(*(self.house.keys.flights(shard) for shard in range(SHARDS)))
        for folder in self.graves:
            shutil.rmtree(folder)
        super().teardown()

    def begin(self, worker: Worker) -> None:
        """A process of this worker begins."""
        worker.flights = self.loop.run_until_complete(self.house.worker(worker.name))
        worker.disk = Disk(worker.folder, octets=400)
        worker.ledger = Ledger(self.store, worker.disk, lambda: 0.0, worker.flights)
        self.loop.run_until_complete(worker.ledger.open())

    @property
    def living(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.disk is not None]

    @invariant()
    def nothing_is_stuck(self) -> None:
        """Entries are owned only while somebody deals with them."""
        if not self.attempts and not self.air:
            assert not any(worker.ledger.owners for worker in self.living)

    # ---- the customer -----------------------------------------------------------------------

    @rule()
    def turn(self) -> None:
        """The next try reaches the worker that had the last one."""
        self.workers.reverse()

    @rule(count=st.integers(1, 2))
    def submit(self, count: int) -> None:
        """The customer sends the mail, anew or again, to the other worker than before."""
        self.workers.reverse()
        if self.workers[0].disk is not None:
            self.ledger = self.workers[0].ledger
            super().submit(count)

    @precondition(lambda self: self.last_is_accepted())
    @rule()
    def next_command(self) -> None:
        """The 250 was seen."""
        ledger = self.attempts[-1].plan._ledger
        super().next_command()
        for worker in self.living:
            worker.is_unsure = worker.is_unsure or worker.ledger is ledger

    # ---- trouble ----------------------------------------------------------------------------

    @rule()
    def tick(self) -> None:
        """The background writers come round."""
        for worker in self.living:
            with suppress(JournalUnwritable, StoreUnavailable):
                self.loop.run_until_complete(worker.ledger.persist())
                worker.is_unsure = False
                if not self.attempts and not self.air:
                    assert not worker.flights.held

    @rule(has_room=OFTEN, is_there=OFTEN, data=st.data())
    def trouble(self, has_room: bool, is_there: bool, data: st.DataObject) -> None:
        """A disk fills or is emptied, the store goes away or comes back, Redis is as it likes."""
        worker = data.draw(st.sampled_from(self.workers))
        if worker.disk is not None:
            worker.disk.is_full = not has_room
        calls = self.house.calls[worker.name]
        calls.is_away, calls.is_deaf = data.draw(
            st.sampled_from([(False, False), (False, False), (True, False), (False, True)])
        )
        self.store.is_away = not is_there

    @precondition(lambda self: self.living)
    @rule(data=st.data())
    def kill(self, data: st.DataObject) -> None:
        """kill -9."""
        worker = data.draw(st.sampled_from(self.living))
        assert worker.disk is not None
        worker.disk.kill()
        worker.disk = None
        plans = worker.ledger
        self.attempts = [one for one in self.attempts if one.plan._ledger is not plans]
        self.air = [air for air in self.air if air.flight._plan._ledger is not plans]
        self.edition += worker.is_unsure
        worker.is_unsure = False

    @precondition(lambda self: len(self.living) < len(self.workers))
    @rule(data=st.data())
    def restart(self, data: st.DataObject) -> None:
        """The worker's next process begins."""
        dead = [worker for worker in self.workers if worker.disk is None]
        self.store.is_away = False
        self.begin(data.draw(st.sampled_from(dead)))

    @precondition(lambda self: len(self.living) < len(self.workers))
    @rule(data=st.data())
    def replace(self, data: st.DataObject) -> None:
        """The dead worker's disk is lost, too; another worker takes its place."""
        dead = [worker for worker in self.workers if worker.disk is None]
        worker = data.draw(st.sampled_from(dead))
        self.house.bury(worker.name)
        self.graves.append(worker.folder)
        heir = Worker(next(self.names))
        self.workers[self.workers.index(worker)] = heir
        self.is_gap = True
        self.store.is_away = False
        self.begin(heir)

    @precondition(lambda self: len(self.living) == len(self.workers))
    @rule()
    def lose(self) -> None:
        """Redis loses its data; who lives says again what it has before anything is granted.

        What only the dead knew is lost with it: the customer then sends another edition.
        """
        for calls in self.house.calls.values():
            calls.is_away = calls.is_deaf = False
        with self.house.server.client() as client:
            client.delete(*(self.house.keys.flights(shard) for shard in range(SHARDS)))
        for worker in self.workers:
            self.loop.run_until_complete(self.house.beat(worker.flights))
        self.edition += self.is_gap
        self.is_gap = False


def test_no_copy_is_lost_or_doubled_unflagged(redis_server: RedisServer) -> None:
    """Whatever happens in whichever order to whom."""
    run_state_machine_as_test(
        lambda: Workers(redis_server),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
