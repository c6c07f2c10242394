"""Gathers what a case's page shows, in one read of the records.

`show` gives a `Shown` or None when there is no such case. Addresses of recipients come masked;
texts of strangers (replies) are opened to be shown as text. Blocks for some milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gateway.records import evidence, notices
from gateway.records.blocks import StoredBlock, list_blocks
from gateway.records.case_view import StoredCase, StoredFact, facts_of, find_case, timeline
from gateway.records.database import Connection
from gateway.records.policy_versions import preset_of
from gateway.records.reports import ReportState, StoredReport, list_reports
from gateway.records.streams import find_number
from gateway.records.subjects import plain_texts
from gateway.web.desk.case_actions import Action, actions_of, may
from gateway.web.desk.case_page import Line, lines, stamp_of, story
from gateway.web.desk.gate import Staff
from gateway.web.desk.parts import DeskParts
from policies.sanctions import engine
from policies.sanctions.case import Case, Next
from policies.sanctions.ladder import Preset
from policies.sanctions.words import Decision
from suppression.case_links import case_link
from suppression.masking import mask
from suppression.tokens import Tokens

FACTS = 100
ENTRIES = 200
REPORTS = 20


@dataclass(frozen=True, slots=True)
class FactRow:
    """A fact, its recipient masked ("" when it names none or was erased)."""

    stored: StoredFact
    recipient: str


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything on the page. `clockwork` is what would happen next by itself, stopped or not."""

    stored: StoredCase
    preset: Preset | None
    """None for a case from before there were ladders: it is over, and only its records are left."""
    story: str
    stamp: int
    blocks: Sequence[StoredBlock]
    share: int
    divisor: int
    clockwork: Next | None
    switch: Decision | None
    """STOP or RESUME, when who asks may."""
    evidence: Sequence[evidence.Evidence]
    facts: Sequence[FactRow]
    reports: Sequence[StoredReport]
    lines: Sequence[Line]
    notices: Sequence[notices.Notice]
    actions: Sequence[Action]
    link: str

    @property
    def case(self) -> Case:
        """The case as it stands."""
        return self.stored.case


def show(
    connection: Connection,
    parts: DeskParts,
    number: int,
    who: Staff,
    language: str,
    when: Callable[[float], str],
) -> Shown | None:
    """The page of case `number` as `who` may see it, in `language`; `when` writes an instant."""
    stored = find_case(connection, number)
    if stored is None:
        return None
    case, now = stored.case, parts.clock()
    preset: Preset | None = None
    clockwork: Next | None = None
    allowed: tuple[Decision, ...] = ()
    share, divisor = 100, 1
    if case.step:
        preset = preset_of(connection, parts.rules, case.tenant, case.policy)
        allowed = engine.possible(case, preset, who.name)
        clockwork = engine.next_automatic(replace(case, stopped=False), preset)
        share = engine.volume_share(case, preset, now)
        divisor = engine.threshold_divisor(case, preset, now)
    entries = timeline(connection, number, limit=ENTRIES)
    facts = facts_of(connection, number, limit=FACTS)
    subjects = [entry.subject for entry in entries] + [fact.subject for fact in facts]
    sealed = [subject for subject in subjects if subject is not None]
    opened = plain_texts(connection, parts.keyring, sealed)
    return Shown(
        stored,
        preset,
        story(case, preset, language),
        stamp_of(entries),
        [
            block
            for block in list_blocks(connection, case.tenant)
            # A domain that an earlier case blocks already stands under that one.
            if block.case == stored.id or (case.blocked and block.domain in case.domains)
        ],
        share,
        divisor,
        clockwork,
        next(
            (
                one
                for one in (Decision.RESUME, Decision.STOP)
                if one in allowed and may(who.role, one, case) and (case.stopped or clockwork)
            ),
            None,
        ),
        evidence.of_case(connection, parts.keyring, number),
        [FactRow(fact, mask(opened.get(fact.subject or 0, ""))) for fact in facts],
        list_reports(connection, state=ReportState.WAITING, tenant=case.tenant, limit=REPORTS),
        lines(entries, opened, language, when),
        notices.list_of(connection, number),
        actions_of(case, allowed, who.role),
        _link(connection, parts, stored),
    )


def _link(connection: Connection, parts: DeskParts, stored: StoredCase) -> str:
    """The tenant's own page about this case, "" when it has none yet."""
    number = find_number(connection, stored.case.tenant)
    base = parts.loaded.config.web.link
    if number is None or not base:
        return ""
    return case_link(base, Tokens(parts.keyring), number, stored.tracking)
