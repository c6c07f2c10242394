"""Presets: what may be said in YAML, that mistakes name their key, and the generated pages."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.presets import load_preset, preset_names
from gateway.sanctions.reference import markdown
from policies.sanctions.ladder import Sanction
from policies.sanctions.preset import digest, read, to_plain
from tests.unit.sanctions.story import preset_named

written = cache(load_preset)
PAGES = Path(__file__).parents[3] / "docs" / "sanctions"
LADDER = "niebieski.ladders.P"


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_survives_being_stored(name):
    """What policy_versions keeps is word for word the same contract, under the same digest."""
    preset = preset_named(name)
    stored = read(name, json.loads(json.dumps(to_plain(preset), sort_keys=True)))
    assert digest(stored) == digest(preset)
    assert {ladder.name: ladder for ladder in stored.ladders} == {
        ladder.name: ladder for ladder in preset.ladders
    }


def test_another_wording_has_another_digest():
    """One grosz more, or one word, is another version."""
    data = copy.deepcopy(written("niebieski"))
    digests = {digest(read("niebieski", data)), digest(read("other", data))}
    data["ladders"]["P"]["steps"][1]["fee"]["amount"] += 1
    digests.add(digest(read("niebieski", data)))
    data["clauses"]["§1.3"]["pl"] += "!"
    digests.add(digest(read("niebieski", data)))
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("keys", "value", "problem"),
    [
        (("colour",), 1, "niebieski.colour: no such key"),
        (("title",), "", "niebieski.title: a text"),
        (("review",), "1 day", "niebieski.review: seconds or a duration"),
        (("review",), True, "niebieski.review: seconds or a duration"),
        (("review_business_days",), -1, "niebieski.review_business_days: a whole number"),
        (("passes_complainer_on",), "yes", "niebieski.passes_complainer_on: true or false"),
        (("hourly_rate",), {"amount": 1, "currency": "PLN"}, "niebieski.hourly_rate.clause: none"),
        (("hourly_rate",), {"amount": 1, "currency": "zl"}, "niebieski.hourly_rate.currency"),
        (("clauses", "§1.3", "pl"), None, "niebieski.clauses.§1.3.pl: a text"),
        (("clauses", "§1.3", "de"), "x", "niebieski.clauses.§1.3.de: no such key"),
        (("ladders",), {}, "niebieski.ladders: at least one"),
        (("ladders",), [], "niebieski.ladders: a mapping"),
        (("ladders", "P", "title"), {"en": "x"}, f"{LADDER}.title.pl: a text"),
        (("ladders", "P", "takes"), [], f"{LADDER}.takes: at least one"),
        (("ladders", "P", "takes"), ["gossip"], f"{LADDER}.takes[0]: gossip is none of"),
        (("ladders", "P", "takes"), ["grievance"], "takes: P takes grievance already"),
        (("ladders", "P", "block_at"), {"facts": 0, "percent": 1}, f"{LADDER}.block_at.facts"),
        (("ladders", "P", "block_at"), {"facts": 1, "percent": 101}, f"{LADDER}.block_at.percent"),
        (("ladders", "P", "block_at"), {"facts": 1}, f"{LADDER}.block_at.percent"),
        (("ladders", "P", "probation"), {"for": 0, "volume": [1]}, f"{LADDER}.probation: give"),
        (("ladders", "P", "probation"), {"for": "1d", "volume": [0]}, "probation.volume[0]"),
        (("ladders", "P", "steps"), "P1", f"{LADDER}.steps: a list"),
        (("ladders", "P", "steps", 0, "clause"), "§99", "steps[0].clause: §99 is not in clauses"),
        (("ladders", "P", "steps", 1, "name"), "P1", f"{LADDER}.steps: two steps"),
        (("ladders", "P", "steps", 0, "sanction"), "fine", "steps[0].sanction: fine is none of"),
        (("ladders", "P", "steps", 2, "then"), "next", "steps[2].then: there is no next step"),
        (("ladders", "P", "steps", 2, "deadline"), None, "steps[2].deadline: nothing is done"),
        (("ladders", "P", "steps", 0, "requirements"), ["tea"], "requirements[0]: tea is none of"),
        (("ladders", "P", "steps", 0, "requirements"), ["invoice-paid"], "needs a fee"),
        (("ladders", "P", "steps", 1, "fee", "per"), "mail", "steps[1].fee.per: report or case"),
        (("ladders", "P", "steps", 1, "fee", "amount"), 0.5, "steps[1].fee.amount: a whole"),
        (("ladders", "P", "steps", 1, "fee", "clause"), "§0", "fee.clause: §0 is not in clauses"),
        (("ladders", "overuse", "steps", 0, "deadline"), None, "without one, close never comes"),
        (("ladders", "grievance", "steps", 0, "deadline"), 0, "an answer is owed by some time"),
    ],
)
def test_every_mistake_names_its_key(keys, value, problem):
    """A misspelt key is an error, never a rule that is silently off."""
    data = copy.deepcopy(written("niebieski"))
    place = data
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    with pytest.raises(ConfigurationError) as error:
        read("niebieski", data)
    assert problem in str(error.value)


@pytest.mark.parametrize("data", [None, [], "text", {"title": "x"}])
def test_what_is_no_preset_at_all_is_refused(data):
    """An empty file, a list, a text, a preset without ladders."""
    with pytest.raises(ConfigurationError, match="own"):
        read("own", data)


@pytest.mark.parametrize("name", preset_names())
def test_the_page_is_current_and_names_a_clause_for_each_step(name):
    """docs/sanctions is what the preset says; else run `consentry docs sanctions`."""
    preset = preset_named(name)
    page = markdown(preset)
    assert (PAGES / f"{name}.md").read_text(encoding="utf-8") == page
    for ladder in preset.ladders:
        for kind in ladder.takes:
            assert f"| {kind.replace('-', ' ')} |" in page
        for step in ladder.steps:
            assert f"| {step.name} | {step.clause} |" in page


@pytest.mark.parametrize("name", ["niebieski", "planisys", "iqpl"])
def test_each_line_of_published_terms_names_its_promise(name):
    """Nothing that is ascribed to terms is without a source."""
    for clause, said in preset_named(name).clauses.items():
        assert said.get("promise"), clause


@pytest.mark.parametrize("name", preset_names())
def test_whatever_blocks_can_be_asked_to_be_lifted_or_ends_by_itself(name):
    """A blocked tenant always has something to do, or a time to wait for."""
    for ladder in preset_named(name).ladders:
        for step in ladder.steps:
            if step.sanction is Sanction.BLOCK:
                assert step.requirements or step.deadline
