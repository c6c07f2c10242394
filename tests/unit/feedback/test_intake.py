"""What the intake answers when something of ours fails."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.events import Event
from gateway.feedback import judging
from gateway.feedback.intake import OUR_FAULT, Intake
from gateway.feedback.mailboxes import Kind, Mailbox
from gateway.feedback.passing import Client


async def test_a_fault_that_nobody_thought_of_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender tries again for days, and the journal says why, without a stranger's words."""

    def fail(octets: bytes) -> None:
        raise ValueError(octets)

    monkeypatch.setattr(judging, "parse", fail)
    nothing: Any = None
    terms: Any = SimpleNamespace(rules=SimpleNamespace(feedback_sources=frozenset()))
    told: list[Event] = []
    intake = Intake(nothing, nothing, terms, told.append, lambda: 1_800_000_000.0)
    mailboxes = (Mailbox(Kind.ABUSE, "abuse@back.test"),)
    mail = b"From: anna@inbox.test\r\n\r\nHello.\r\n"
    assert await intake.take(mailboxes, "anna@inbox.test", mail, Client()) == OUR_FAULT
    ((kind, detail),) = [(event.kind, event.detail) for event in told]
    assert (kind, detail) == ("returned.failed", {"error": "ValueError"})
