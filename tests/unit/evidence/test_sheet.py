"""The evidence sheet, from values alone: both languages, both forms, the same every time."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from gateway.evidence.gather import ChainState, Gathered, Story
from gateway.evidence.page import as_html
from gateway.evidence.pdf import as_pdf
from gateway.evidence.sheet import Frame, Sheet, make_sheet
from gateway.evidence.texts import TEXTS
from gateway.records.proofs import Flaw, Head, Proof, StepRecord
from suppression.consent import Level, Status, Step

AT = 1_800_000_000


def proof(**changes: object) -> Proof:
    """A confirmed hosted proof."""
    values = {
        "id": 1,
        "tracking": bytes(range(16)),
        "tenant": "acme",
        "stream": "weekly",
        "scope": 2,
        "level": Level.HOSTED,
        "key": bytes(16),
        "address": "jan@example.org",
        "text": "Zgadzam się.",
        "text_digest": bytes(32),
        "language": "pl",
        "status": Status.CONFIRMED,
        "requested_at": AT,
        "mailed_at": AT,
        "lasts": 604_800,
        "expires_at": None,
        "due_at": None,
        "given_at": AT,
        "has_ended": False,
        "was_declined": False,
    }
    return Proof(**{**values, **changes})  # type: ignore[arg-type]


def step(number: int, kind: Step, is_destroyed: bool = False) -> StepRecord:
    """One step with a personal part, or without one since it was destroyed."""
    personal = None if is_destroyed else {"ip": "203.0.113.9", "line": "POST /c/x " * 30}
    facts = {"letter": "question", "is_repeat": True, "hop": "main", "form_at": AT}
    return StepRecord(number, kind, AT + number, facts, personal, is_destroyed, bytes(32))


def sheet(
    language: str = "en", *, steps: int = 3, flaw: Flaw | None = None, **changes: object
) -> Sheet:
    """A sheet of one proof."""
    kinds = list(Step)
    story = Story(
        proof(**changes), tuple(step(n, kinds[n % len(kinds)]) for n in range(1, steps + 1))
    )
    gathered = Gathered((story,), {"acme": ChainState(Head(steps, bytes(32)), flaw)})
    zone = ZoneInfo("Europe/Warsaw")
    return make_sheet(gathered, Frame("gateway.test", "jan@example.org", AT, language, zone, {}))


@pytest.mark.parametrize("language", TEXTS)
def test_the_same_records_give_the_same_files(language: str) -> None:
    """Two exports at one instant can be compared by their hash."""
    assert as_pdf(sheet(language)) == as_pdf(sheet(language))
    assert as_html(sheet(language)) == as_html(sheet(language))


@pytest.mark.parametrize("language", TEXTS)
def test_every_kind_of_step_status_and_level_has_its_word(language: str) -> None:
    """No sheet fails for want of a text."""
    for status in Status:
        for level in (Level.SINGLE, Level.DOUBLE, Level.HOSTED):
            made = sheet(language, steps=len(Step), status=status, level=level)
            assert len(made.parts) == 2 + len(Step) + 2


def test_both_languages_have_the_same_texts() -> None:
    """And fill in the same things."""
    assert TEXTS["en"].keys() == TEXTS["pl"].keys()


def test_times_are_in_utc_and_in_the_zone() -> None:
    """Nobody has to reckon."""
    assert "2027-01-15 08:00:00 UTC (2027-01-15 09:00:00 CET)" in as_html(sheet())


def test_a_broken_chain_is_said() -> None:
    """With the step and the reason."""
    assert "does not hold from step 3 on: it is gone" in as_html(sheet(flaw=Flaw(3, "it is gone")))


def test_an_ended_consent_is_not_called_in_force() -> None:
    """A proof that is confirmed may have lost its consent otherwise."""
    assert "no longer in force" in as_html(sheet(has_ended=True))
    assert "no longer in force" not in as_html(sheet())


def test_what_was_erased_is_said_to_be() -> None:
    """Neither an empty cell nor a guess."""
    story = Story(proof(address=""), (step(1, Step.REQUESTED, is_destroyed=True),))
    gathered = Gathered((story,), {"acme": ChainState(Head(1, bytes(32)), None)})
    zone = ZoneInfo("UTC")
    page = as_html(make_sheet(gathered, Frame("gateway.test", "x", AT, "en", zone, {})))
    assert "Personal details of this step were erased." in page
    assert "<dd>erased</dd>" in page


def test_a_long_history_takes_several_pages() -> None:
    """Each with its number, and the last step still there."""
    octets = as_pdf(sheet(steps=60))
    assert octets.count(b"/Type /Page\n") > 5
    assert octets.startswith(b"%PDF-")
