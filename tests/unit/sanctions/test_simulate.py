"""Replaying journals: who would have been warned, blocked and charged, and when."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.events import Event
from gateway.journal import encode
from gateway.sanctions.past import replay
from policies.sanctions.calendar import Calendar
from policies.sanctions.simulate import Simulation, What
from tests.unit.sanctions.story import DAY, HOUR, START, preset_named

LINE = tuple[str, What, str]


def fact(at: float, kind: str = "protected-hit", mailing: str = "m1", **detail) -> Event:
    """A fact as the journal has it, `at` seconds after the start."""
    detail = {"fact": kind, "facts": 1, "recipients": 100, "domains": ["acme.example"], **detail}
    return Event(
        "fact.recorded", START + at, ref=f"ref{at:g}", tenant="acme", stream="s", mailing=mailing,
        domain="acme.example", detail=detail,
    )  # fmt: skip


def report(at: float, mailing: str = "m1", **detail) -> Event:
    """A complaint of grade A."""
    return fact(at, "complaint", mailing, grade="A", **detail)


def refused(at: float, tag: str, ref: str) -> Event:
    """A refused recipient."""
    return Event("rcpt.refused", START + at, ref=f"{ref}.1", tenant="acme", mailing="m1", tag=tag)


def relayed(at: float, taken: int, refused: int = 0) -> Event:
    """A message with so many copies."""
    states = [{"state": "taken"}] * taken + [{"state": "refused"}] * refused
    return Event(
        "message.relayed", START + at, ref="x", tenant="acme", detail={"recipients": states}
    )


def simulate(preset: str, *events: Event, mended_after: float | None = DAY) -> Simulation:
    """The past under a preset."""
    simulation = Simulation(preset_named(preset), Calendar(UTC), mended_after)
    replay(simulation, events)
    return simulation


def story_of(simulation: Simulation) -> list[tuple[float, What, str]]:
    """Hours after the start, what, and on which step."""
    return [((line.at - START) / HOUR, line.what, line.step) for line in simulation.lines]


def test_a_mailing_blocks_and_what_the_blocked_domain_tried_then_is_only_counted():
    """The first hit blocks; 39 more would have been refused before they were facts."""
    simulation = simulate("niebieski", *(fact(second) for second in range(40)))
    assert story_of(simulation) == [(0, What.BLOCKED, "P1")]
    assert simulation.held_back == {"acme": 39}


def test_the_second_mailing_is_charged_for_its_report():
    """A day after the block all is mended; the next mailing is P2."""
    simulation = simulate("niebieski", fact(0), report(3 * DAY, "m2"))
    assert story_of(simulation) == [
        (0, What.BLOCKED, "P1"),
        (24, What.UNBLOCKED, "P1"),
        (72, What.BLOCKED, "P2"),
        (72, What.CHARGED, "P2"),
    ]
    assert simulation.lines[-1].about == "45.00 PLN"
    assert (simulation.lines[-1].clause, simulation.lines[-1].case) == ("§3.1-3.9 P2", 2)


def test_reports_about_what_was_sent_before_the_notice_are_one_case():
    """Forty reports on one mailing, over forty hours."""
    simulation = simulate("niebieski", *(report(n * HOUR, sent=START) for n in range(40)))
    assert {line.case for line in simulation.lines} == {1}
    assert What.CHARGED not in {line.what for line in simulation.lines}


def test_when_nobody_ever_answers_the_clock_runs_out():
    """Reminders, then the end of the time, and a person decides."""
    later = relayed(40 * DAY, 1)
    simulation = simulate("niebieski", fact(0), later, mended_after=None)
    assert story_of(simulation) == [
        (0, What.BLOCKED, "P1"),
        (15 * 24, What.REMINDED, "P1"),
        (27 * 24, What.REMINDED, "P1"),
        (30 * 24, What.OVERDUE, "P1"),
    ]


@pytest.mark.parametrize(
    ("copies", "expected"),
    [(997, []), (7000, []), (1000, [What.WARNED, What.BLOCKED]), (2500, [What.WARNED])],
)
def test_the_journals_own_deliveries_make_the_percentage(copies, expected):
    """Of 1,000 the first of three complaints warns and the third blocks; of 2,500 they warn."""
    events = [relayed(0, copies), *(report(1 + n, sent=START) for n in range(3))]
    assert [line.what for line in simulate("standard", *events).lines] == expected


def test_what_was_delivered_longer_ago_than_24_hours_does_not_count():
    """The window moves on."""
    events = [relayed(0, 1000), *(report(DAY + HOUR + n, sent=START) for n in range(3))]
    assert simulate("standard", *events).lines == []


def test_excused_facts_and_facts_without_a_ladder_lead_to_nothing():
    """As in the gateway."""
    events = [fact(0, excuse="young"), fact(1, "batch-defiance"), fact(2, "gossip")]
    assert simulate("standard", *events).lines == []


def test_reports_below_grade_a_wait_for_a_person():
    """Each once, however many events tell of it."""
    web = Event("complaint.received", START, tenant="acme", detail={"grade": "B", "key": "ab"})
    same = Event("report.received", START, tenant="acme", detail={"grade": "B", "key": "ab"})
    unmatched = Event("report.received", START, detail={"grade": "D"})
    detail = {"grade": "B", "key": "cd", "type": "opt-out"}
    opt_out = Event("report.received", START, tenant="acme", detail=detail)
    simulation = simulate("niebieski", web, same, unmatched, opt_out)
    assert (simulation.lines, dict(simulation.waiting)) == ([], {"acme": 1})


def test_a_report_that_a_person_counted_counts():
    """The past has a person's decision in it."""
    event = fact(0, "complaint", grade="B", actor="Anna")
    assert story_of(simulate("niebieski", event)) == [(0, What.BLOCKED, "P1")]


def test_a_refused_complainer_of_an_older_journal_is_taken_from_its_refusal():
    """A refusal whose fact is on record is no second one."""
    old = simulate("niebieski", refused(0, "COMPLAINT", "a"))
    assert story_of(old) == [(0, What.BLOCKED, "P1")]
    new = simulate("planisys", fact(0), refused(0, "PROTECTED", "ref0"), refused(1, "UNSUB", "b"))
    assert new.lines == []
    assert new.held_back == {}


def test_silence_is_suspension_and_mending_probation():
    """Planisys, with a tenant that answers on the second day."""
    events = [fact(n) for n in range(10)] + [relayed(60 * DAY, 1)]
    simulation = simulate("planisys", *events, mended_after=30 * HOUR)
    told = [(round(hours), what) for hours, what, _ in story_of(simulation)]
    assert told == [
        (0, What.WARNED),
        (0, What.TOLD),
        (12, What.REMINDED),
        (22, What.REMINDED),
        (24, What.BLOCKED),
        (24, What.OVERDUE),
        (30, What.UNBLOCKED),
        (30, What.PROBATION),
    ]


def test_a_clock_that_was_set_back_does_not_take_the_past_back():
    """Such an event counts as of the latest one."""
    simulation = simulate("niebieski", fact(5 * DAY), fact(0, mailing="m2"))
    assert simulation.lines[0].at == START + 5 * DAY
    assert simulation.held_back == {"acme": 1}


# ---- the command --------------------------------------------------------------------------------


def write(path: Path, *events: Event) -> Path:
    """A journal file."""
    path.write_bytes(b"".join(map(encode, events)))
    return path


def test_the_command_merges_journals_and_shows_what_and_when(tmp_path):
    """A table for people, with a summary; torn lines are passed over."""
    first = write(tmp_path / "smtp.jsonl", fact(0), fact(4 * DAY, mailing="m3"))
    second = write(tmp_path / "web.jsonl", report(2 * DAY, "m2"))
    second.write_bytes(second.read_bytes() + b'{"kind": "torn')
    args = ["sanctions", "simulate", "--preset", "niebieski"]
    args += ["--journal", str(first), "--journal", str(second)]
    result = CliRunner().invoke(app, args)
    assert result.exit_code == 0, result.output
    whens = ["2026-11-02 11:00Z", "2026-11-04 11:00Z", "2026-11-06 11:00Z"]
    for text in (*whens, "charge proposed", "45.00 PLN", "P2", "P3", "for a person", "3 events"):
        assert text in result.output
    plain = json.loads(CliRunner().invoke(app, [*args, "--json"]).stdout)
    assert [line["step"] for line in plain["lines"] if line["what"] == "blocked"] == ["P1", "P2"]
    assert plain["tenants"][0]["blocked"] == 2
    assert plain["lines"][0]["at"] == datetime.fromtimestamp(START, UTC).isoformat()


def test_a_past_without_facts_leads_to_nothing(tmp_path):
    """And says so."""
    path = write(tmp_path / "smtp.jsonl", relayed(0, 5))
    result = CliRunner().invoke(app, ["sanctions", "simulate", "--journal", str(path)])
    assert "nothing would have followed" in result.output


def test_show_prints_the_contract_for_people_and_for_machines():
    """The same page as in docs/sanctions, or all of it as JSON."""
    text = CliRunner().invoke(app, ["sanctions", "show", "--preset", "iqpl"]).stdout
    assert "| mend | §8.3 | I1 |" in text
    args = ["sanctions", "show", "--preset", "niebieski", "--json"]
    plain = json.loads(CliRunner().invoke(app, args).stdout)
    assert plain["ladders"]["P"]["steps"][1]["fee"]["amount"] == 4500
    page = CliRunner().invoke(app, ["docs", "sanctions", "iqpl"]).stdout
    assert page == text
