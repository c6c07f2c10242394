"""What cases and tenants are called at the desk, who may decide what, and the charts."""

from __future__ import annotations

import re
from string import Formatter
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.records.case_view import Entry
from gateway.records.notices import NoticeState
from gateway.records.reports import ReportState
from gateway.records.staff import Role
from gateway.sender_dns.findings import Mark
from gateway.web.desk import case_texts, charts, tenant_texts
from gateway.web.desk.case_actions import (
    DANGEROUS,
    KEYS,
    LEADS_DECIDE,
    UNDONE_BY,
    actions_of,
    may,
)
from gateway.web.desk.case_page import coming, lines, money, stamp_of, story
from gateway.web.desk.charts import Series
from gateway.web.desk.sanction_words import WORDS
from gateway.words import StreamKind
from policies.sanctions.case import Case, Fee, FeeState, Requirement
from policies.sanctions.ladder import Ladder, Preset, Sanction, Step, Then
from policies.sanctions.preset import REQUIREMENTS
from policies.sanctions.words import Decision, Excuse, FactKind, Grade, NoticeKind, Phase
from policies.terms import TenantState

STEP = Step("S1", "§ 1", Sanction.BLOCK, Then.MAY_TERMINATE)
LADDER = Ladder("S", {"en": "spam {x}", "pl": "spam"}, (FactKind.SPAM,), (STEP,))
PRESET = Preset(
    "own", "Own", (LADDER,), clauses={"§ 1": {"en": "No spam {0}.", "pl": "Bez spamu."}}
)
CASE = Case(7, "acme", "S", "S1", "", "digest", Phase.OPEN, 0.0, facts=2)


@pytest.mark.parametrize("texts", [WORDS, case_texts.TEXTS, case_texts.TOLD, tenant_texts.TEXTS])
def test_both_languages_have_the_same_names_and_blanks(texts: dict[str, dict[str, str]]) -> None:
    """So that no page lacks a text in one of them."""
    assert texts["en"].keys() == texts["pl"].keys()
    for name, said in texts["en"].items():
        assert _blanks(said) == _blanks(texts["pl"][name]), name


def _blanks(said: str) -> set[str | None]:
    return {field for _, field, _, _ in Formatter().parse(said) if field is not None}


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ("phase", Phase),
        ("fact", FactKind),
        ("grade", Grade),
        ("excuse", Excuse),
        ("do", Decision),
        ("need", REQUIREMENTS),
        ("fee", FeeState),
        ("notice", NoticeKind),
        ("mail", NoticeState),
    ],
)
def test_every_word_of_sanctions_has_a_name(group: str, words: object) -> None:
    """Whatever the engine and the records can say is called something."""
    assert {f"{group}_{word}" for word in words} <= WORDS["en"].keys()  # type: ignore[attr-defined]


def test_every_word_of_a_tenants_page_has_a_name() -> None:
    """States, kinds of stream, sanctions, marks and reports."""
    groups = (("state", TenantState), ("kind", StreamKind), ("does", Sanction), ("mark", Mark))
    for group, words in (*groups, ("report", ReportState)):
        assert {f"{group}_{word}" for word in words} <= tenant_texts.TEXTS["en"].keys()


def test_the_story_is_one_sentence_in_either_language() -> None:
    """Braces in what an operator wrote are text."""
    assert story(CASE, PRESET, "en") == (
        "acme: spam {x}, 2 facts; step S1, clause § 1: No spam {0}."
    )
    told = "acme: spam, liczba faktów: 2; krok S1, § 1: Bez spamu."
    assert story(CASE, PRESET, "pl") == told


def test_what_comes_next_is_worded() -> None:
    """Every word of the engine's clockwork, and one that only a later engine has."""
    assert coming("volume-75", "en") == "The volume rises to 75 %"
    assert coming("probation-ends", "pl") == "Koniec okresu próbnego"
    assert coming("something-new", "en") == "something-new"


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [(4500, "PLN", "45.00 PLN"), (5, "USD", "0.05 USD"), (700, "JPY", "700 JPY")],
)
def test_money_is_written_with_its_cents(amount: int, currency: str, shown: str) -> None:
    """Two places, but where the currency has none."""
    assert money(amount, currency) == shown


@given(
    st.text(max_size=40),
    st.dictionaries(
        st.text(max_size=12),
        st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()),
        max_size=5,
    ),
)
def test_any_entry_is_told(kind: str, detail: dict[str, object]) -> None:
    """Also one of a kind that nobody has worded, with whatever values."""
    for language in ("en", "pl"):
        entry = Entry(1, 0, "somebody", kind, detail, 5)
        (line,) = lines([entry], {5: "their words"}, language, lambda _at: "then")
        assert "their words" in line.quotes


def test_a_stamp_heeds_what_a_person_weighs() -> None:
    """Replies, facts and decisions count; notices on their way and notes do not."""
    kinds = ["notice.sent", "case.noted", "reply.received", "case.opened"]
    entries = [Entry(9 - place, 0, "x", kind, {}, None) for place, kind in enumerate(kinds)]
    assert stamp_of(entries) == 7
    assert stamp_of(entries[:2]) == 0


# ---- who may decide what ------------------------------------------------------------------------


@pytest.mark.parametrize("decision", list(Decision))
def test_roles_and_decisions(decision: Decision) -> None:
    """Auditors decide nothing, leads and operators everything, abuse staff neither money nor ends
    nor appeals nor disclosure."""
    assert not may(Role.AUDITOR, decision, CASE)
    assert may(Role.LEAD, decision, CASE)
    assert may(Role.OPERATOR, decision, CASE)
    assert may(Role.ABUSE, decision, CASE) is (decision not in LEADS_DECIDE)


def test_only_leads_reopen_what_was_terminated() -> None:
    """The service comes back by who may end it."""
    ended = Case(7, "acme", "S", "S1", "", "digest", Phase.TERMINATED, 0.0)
    assert not may(Role.ABUSE, Decision.REOPEN, ended)
    assert may(Role.LEAD, Decision.REOPEN, ended)


def test_each_form_offers_what_it_is_about() -> None:
    """Rejecting names what was handed in, noting what was not, fees those in the right state."""
    fees = tuple(Fee(n, 1, "PLN", 1, 1, "§", state) for n, state in enumerate(FeeState, 1))
    needs = (Requirement("screenshot", 1.0, "jan"), Requirement("explanation"))
    case = Case(
        7, "acme", "S", "S1", "", "d", Phase.OPEN, 0.0, requirements=needs, fees=fees
    )  # fmt: skip
    shown = {one.decision: one for one in actions_of(case, tuple(Decision), Role.LEAD)}
    assert shown.keys() == set(Decision) - {Decision.STOP, Decision.RESUME}
    assert shown[Decision.REJECT].requirements == ("screenshot",)
    assert shown[Decision.MET].requirements == ("explanation",)
    assert [fee.state for fee in shown[Decision.WAIVE_FEE].fees] == ["proposed", "issued"]
    assert [fee.state for fee in shown[Decision.PAY_FEE].fees] == ["issued"]
    assert actions_of(case, tuple(Decision), Role.AUDITOR) == []


def test_keys_are_the_desks_own_nowhere() -> None:
    """None is a key that every page has, none opens two forms that can stand together."""
    keys = [key for decision, key in KEYS.items() if decision is not Decision.RESUME]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & {"j", "k", "n", "/", "?"}


def test_what_is_dangerous_says_how_it_is_taken_back() -> None:
    """All but an upheld appeal, which stands."""
    assert DANGEROUS - UNDONE_BY.keys() == {Decision.UPHOLD}
    assert UNDONE_BY.keys() <= DANGEROUS


# ---- charts -------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 10**15), max_size=30), st.text(max_size=30))
def test_a_chart_is_well_formed_whatever_it_shows(amounts: list[int], name: str) -> None:
    """Names are text, bars stay within the picture, nothing carries a style or a script."""
    name = re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd]", "", name)
    series = Series([name] * len(amounts), amounts, [str(one) for one in amounts])
    limit = max(amounts, default=1) or 1
    for drawn in (
        charts.over_time("a", name, name, series),
        charts.by_name("a", name, name, series),
        charts.use("a", name, name, sum(amounts), limit),
    ):
        root = ElementTree.fromstring(drawn)
        _, _, width, height = map(float, root.attrib["viewBox"].split())
        for one in root.iter():
            assert one.tag in {"svg", "title", "desc", "rect", "path", "text"}
            assert "style" not in one.attrib
            if one.tag == "rect":
                assert 0 <= float(one.attrib["x"]) <= width
                assert float(one.attrib["x"]) + float(one.attrib["width"]) <= width + 0.1
                assert 0 <= float(one.attrib["y"]) <= height
