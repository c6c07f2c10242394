"""Questions of consent over real records: how each stands, what a POST records and tells."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config.example import write_example
from gateway.config.load import load
from gateway.journal_reader import read_events
from gateway.message.address import parse_mailbox
from gateway.records.proofs import Asking, Proof, Visit, expire, request, steps
from gateway.web.parts import Question, State
from gateway.web.server import WebProcess
from policies.terms import DAY
from suppression.choices import Choice
from suppression.consent import Step
from suppression.tokens import Token

JAN = parse_mailbox("jan@b.example")
VISIT = Visit("192.0.2.7", 4711, "Browser/1.0", "the line")


class Desk:
    """A web process that is not started: its recipients' side and the records under it."""

    def __init__(self, folder: Path) -> None:
        write_example(folder, "mail.example.com")
        self.process = WebProcess(load(folder / "consentry.yaml"))
        self.database = self.process.database
        self.recipients = self.process._parts.recipients
        self.keyring = self.recipients._keyring  # type: ignore[attr-defined]

    def ask(self, stream: str = "weekly", at: float | None = None) -> Proof:
        """Have Jan asked; the request as it is recorded."""
        asking = Asking("example", stream, JAN, "Yes to <all>.", "en", "tenant")
        with self.database.transaction() as connection:
            return request(connection, self.keyring, asking, time.time() if at is None else at)

    async def answer(self, proof: Proof, is_yes: bool = True) -> State:
        found = await self.recipients.answer(self.token(proof), is_yes, VISIT)
        assert found is not None
        return found.state

    async def question(self, proof: Proof) -> Question:
        found = await self.recipients.question(self.token(proof))
        assert found is not None
        return found

    def token(self, proof: Proof) -> Token:
        return Token(proof.scope, proof.tracking)

    def told(self) -> list[tuple[str, dict[str, object]]]:
        self.process.journal.flush()
        return [
            (event.kind, event.detail)
            for event in read_events(self.process._loaded.config.state_dir / "journal")
            if event.tenant == "example"
        ]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.database.close()
    desk.process.journal.close()


async def test_a_yes_is_recorded_with_who_said_it(desk: Desk) -> None:
    """Confirmed once, with address, port and software sealed, and told once; a second yes changes
    nothing."""
    proof = desk.ask()
    found = await desk.question(proof)
    assert (found.state, found.text, found.text_language) == (State.ASKED, "Yes to <all>.", "en")
    assert [await desk.answer(proof) for _ in range(3)] == [State.CONFIRMED] * 3
    with desk.database.reading() as connection:
        taken = steps(connection, desk.keyring, proof.id)
    assert [step.step for step in taken] == [Step.REQUESTED, Step.CONFIRMED]
    assert taken[-1].personal == {
        "ip": "192.0.2.7",
        "port": 4711,
        "user_agent": "Browser/1.0",
        "line": "the line",
    }
    detail = {"key": proof.key.hex(), "proof": proof.number}
    assert desk.told() == [("consent.confirmed", detail)]


async def test_withdrawing_counts_before_and_after(desk: Desk) -> None:
    """A no ends the request or the consent, once, and a later yes does not bring it back."""
    early, late = desk.ask(), desk.ask("monthly")
    assert await desk.answer(late) is State.CONFIRMED
    for proof in (early, late):
        assert [await desk.answer(proof, False) for _ in range(2)] == [State.WITHDRAWN] * 2
        assert await desk.answer(proof) is State.WITHDRAWN
    assert [kind for kind, _ in desk.told()] == [
        "consent.confirmed",
        "consent.revoked",
        "consent.revoked",
    ]


async def test_what_is_over_is_known(desk: Desk) -> None:
    """Expired, noted or only by the clock; superseded by a newer request; left since."""
    eight_days_ago = time.time() - 8 * DAY
    noted, unnoted = desk.ask("monthly", eight_days_ago), desk.ask("daily", eight_days_ago)
    with desk.database.transaction() as connection:
        expire(connection, desk.keyring, noted.id, time.time())
    for proof in (noted, unnoted):
        assert (await desk.question(proof)).state is State.EXPIRED
        assert await desk.answer(proof) is State.EXPIRED
    older, newer = desk.ask(at=eight_days_ago), desk.ask()
    assert (await desk.question(older)).state is State.SUPERSEDED
    assert await desk.answer(older) is State.SUPERSEDED
    assert await desk.answer(newer) is State.CONFIRMED
    await desk.recipients.choose(Token(newer.scope, newer.key), Choice(), "one-click")
    assert (await desk.question(newer)).state is State.LEFT
    assert await desk.answer(newer) is State.LEFT


async def test_an_unknown_number_is_nobodys(desk: Desk) -> None:
    """An authentic token without its request is answered with nothing, and changes nothing."""
    token = Token(1, bytes(16))
    assert await desk.recipients.question(token) is None
    assert await desk.recipients.answer(token, True, VISIT) is None
    assert desk.told() == []
