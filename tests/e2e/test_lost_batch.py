"""A batch that may be another's by now: nothing more of its transaction goes out.

The holds are the gateway's own, but say that they were lost when the test says so, as those of
shared state do when they cannot be renewed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from gateway.errors import StoreUnavailable
from policies.claims import Claim, Granted, Hold, Holds, Usage
from tests.e2e.certificates import Certificates
from tests.e2e.deciding_hop import DecidingHop
from tests.e2e.gateway import Settings, acme
from tests.e2e.inside import InsideGateway
from tests.e2e.session import Session, letter, wait_until

SENDER = "news@acme.test"
ANNA, BERT, CLEO = READERS = ["anna@inbox.test", "bert@inbox.test", "cleo@inbox.test"]


class LosableHold:
    """A hold that is lost once `lose` was called."""

    def __init__(self, hold: Hold, holds: LosableHolds) -> None:
        self._hold, self._holds = hold, holds

    @property
    def mailing(self) -> str:
        return self._hold.mailing

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Granted]:
        return await self._hold.claim(claims)

    def note(self, key: str, count: int, seconds: int) -> None:
        self._hold.note(key, count, seconds)

    def check(self) -> None:
        if self._holds.is_lost:
            raise StoreUnavailable("the batch could not be renewed")

    async def settle(self, octets: int) -> dict[str, int]:
        return await self._hold.settle(octets)


class LosableHolds:
    """The holds of a gateway; `is_lost` is what `check` goes by."""

    def __init__(self, holds: Holds) -> None:
        self._holds = holds
        self.is_lost = False
        self._on_lost: Callable[[], None] = lambda: None

    def open(
        self,
        tenant: str,
        stream: str,
        now: float,
        on_contended: Callable[[bool], None],
        on_lost: Callable[[], None],
    ) -> Hold:
        self._on_lost = on_lost
        return LosableHold(self._holds.open(tenant, stream, now, on_contended, on_lost), self)

    async def usage(self, tenants: Sequence[str]) -> Sequence[Usage]:
        return await self._holds.usage(tenants)

    async def lose(self) -> None:
        """The last transaction's batch could not be renewed."""
        self.is_lost = True
        self._on_lost()


@pytest.fixture(scope="module")
def hop() -> Iterator[DecidingHop]:
    """The next hop."""
    with DecidingHop() as running:
        yield running


@pytest.fixture(scope="module")
def house(
    hop: DecidingHop, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InsideGateway]:
    """The gateway."""
    settings = Settings(hop.port, trusted=None, tenants={"acme": acme()})
    with InsideGateway(tmp_path_factory.mktemp("house"), settings, certificates) as running:
        yield running


@pytest.fixture
def holds(house: InsideGateway, hop: DecidingHop) -> Iterator[LosableHolds]:
    """What the gateway's transactions of one test hold."""
    hop.messages.clear()
    services = house.inner.services
    own, services.holds = services.holds, LosableHolds(services.holds)
    yield services.holds
    services.holds = own


def arrived(hop: DecidingHop) -> list[str]:
    """Whose copies the next hop has kept, in order."""
    return [recipient for message in hop.taken(SENDER) for recipient in message.recipients]


def test_a_recipient_after_the_loss_is_deferred(
    house: InsideGateway, hop: DecidingHop, holds: LosableHolds
) -> None:
    """The customer hears [TEMP] at its next RCPT; the same session goes on with a new batch."""
    raw = letter(SENDER)
    with Session(house.open, "acme/weekly") as session:
        session.mail(SENDER)
        session.rcpt(ANNA)
        house.on_loop(holds.lose())
        assert [said.short for said in session.rcpt(BERT)] == ["451 4.3.0 [TEMP]"]
        assert session.data(raw).short == "451 4.3.0 [TEMP]"
        holds.is_lost = False
        assert session.send(SENDER, READERS, raw).code == 250
    assert arrived(hop) == READERS


def test_a_message_after_the_loss_is_deferred_before_it_is_taken_in(
    house: InsideGateway, hop: DecidingHop, holds: LosableHolds
) -> None:
    """DATA gets [TEMP] instead of 354, and its batch is free again."""
    with Session(house.open, "acme/weekly") as session:
        session.mail(SENDER)
        session.rcpt(*READERS)
        house.on_loop(holds.lose())
        assert session.command("DATA").short == "451 4.3.0 [TEMP]"
        assert house.line("acme") == (0, 0)
    assert arrived(hop) == []


@pytest.mark.parametrize("is_told", [True, False])
def test_a_batch_lost_during_the_message_sends_no_copy(
    house: InsideGateway, hop: DecidingHop, holds: LosableHolds, is_told: bool
) -> None:
    """Whether it hears of the loss or finds out right before the dot; a retry sends each once."""
    raw = letter(SENDER)
    with Session(house.open, "acme/weekly") as session:
        session.mail(SENDER)
        session.rcpt(*READERS)
        assert session.command("DATA").code == 354
        if is_told:
            house.on_loop(holds.lose())
        else:
            holds.is_lost = True
        session.say_octets(raw + b".\r\n")
        assert session.answer().short == "451 4.3.0 [TEMP]"
        assert arrived(hop) == []
        holds.is_lost = False
        assert session.send(SENDER, READERS, raw).code == 250
    assert arrived(hop) == READERS


def test_copies_behind_the_loss_stay_here_and_those_before_it_count(
    house: InsideGateway, hop: DecidingHop, holds: LosableHolds
) -> None:
    """What is past its dot is not cut; the retry brings the missing copies and no other."""
    raw = letter(SENDER)

    def lose_at_bert(recipient: str) -> None:
        if recipient == BERT:
            house.on_loop(holds.lose())

    with Session(house.open, "acme/weekly") as session:
        with hop.judging(at_dot=lose_at_bert):
            said = session.send(SENDER, READERS, raw)
        assert said.short == "451 4.4.0 [PARTIAL]"
        assert arrived(hop) == [ANNA, BERT]
        holds.is_lost = False
        assert session.send(SENDER, READERS, raw).code == 250
    assert arrived(hop) == READERS
    wait_until(lambda: house.line("acme") == (0, 0))
