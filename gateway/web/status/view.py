"""What a status page shows of one tenant and, by its link, one case: read in one go.

`find` says what a token names (None when these records know no such tenant or case, or when the
case is another tenant's); `look` gathers the rest. Reads only; blocks for milliseconds. Raises
StoreUnavailable.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.config.terms import tenant_terms
from gateway.errors import StoreUnavailable
from gateway.events import Event
from gateway.records import case_view, deletions, evidence
from gateway.records.case_view import StoredCase
from gateway.records.database import Connection
from gateway.records.deletions import Complainer
from gateway.records.evidence import Evidence
from gateway.records.policy_versions import preset_of
from gateway.records.streams import find_stream
from gateway.records.use import used
from gateway.web.status.parts import StatusParts
from policies.bytes import daily_limit
from policies.sanctions import engine
from policies.sanctions.case import Case
from policies.sanctions.ladder import Ladder, Preset, Step
from policies.sanctions.words import Decision, FactKind
from policies.terms import DAY
from suppression.case_links import NO_CASE, case_link
from suppression.masking import mask
from suppression.tokens import Purpose

REFUSALS = 20
CASES = 50
REFUSED = ("rcpt.refused", "mail.refused", "message.refused")
TENANT = "tenant"
"""Who acts on the page, as the engine is asked what that person may do."""


@dataclass(frozen=True, slots=True)
class Named:
    """What a link names: a tenant with its number, and one case of its or none."""

    link: str
    tenant: str
    own: int
    stored: StoredCase | None

    @property
    def number(self) -> int | None:
        """The case's number."""
        return self.stored.number if self.stored else None


@dataclass(frozen=True, slots=True)
class CaseView:
    """One case in the words of the policy that it runs under."""

    stored: StoredCase
    preset: Preset
    ladder: Ladder | None
    step: Step | None
    files: tuple[Evidence, ...]
    may_appeal: bool


@dataclass(frozen=True, slots=True)
class CaseLine:
    """A case on its tenant's own page; `link` is relative to that page."""

    stored: StoredCase
    ladder: Ladder | None
    link: str


@dataclass(frozen=True, slots=True)
class Use:
    """How much of one limit is used: `unit` is `bytes`, `messages` or `recipients`."""

    unit: str
    seconds: int
    used: int
    limit: int | None


@dataclass(frozen=True, slots=True)
class View:
    """Everything on the page. `cases` are the tenant's running cases with their links, on its own
    page only. `contact` is masked, and so are `complainers` unless `shows_addresses`, which needs
    a pass and a preset that `passes_on` who complained."""

    named: Named
    shown_name: str
    case: CaseView | None
    cases: tuple[CaseLine, ...]
    contact: str
    refusals: tuple[Event, ...] | None
    complainers: tuple[Complainer, ...]
    uses: tuple[Use, ...]
    streams: tuple[str, ...]
    passes_on: bool
    shows_addresses: bool


def find(connection: Connection, parts: StatusParts, text: str) -> Named | None:
    """What the token `text` names."""
    token = parts.tokens.read(Purpose.CASE, text)
    if token is None:
        return None
    stream = find_stream(connection, token.stream_number)
    if stream is None or stream[1]:
        return None
    tenant = stream[0]
    if token.key == NO_CASE:
        return Named(text, tenant, token.stream_number, None)
    stored = case_view.by_tracking(connection, token.key)
    if stored is None or stored.case.tenant != tenant:
        return None
    if _is_secret(_policy(parts, connection, stored.case)[1]):
        return None
    return Named(text, tenant, token.stream_number, stored)


def look(parts: StatusParts, named: Named, *, is_acting: bool) -> View:
    """The page as it stands now; `is_acting` says that a pass is good."""
    tenant = named.tenant
    own = parts.rules.of(tenant)
    with parts.database.reading() as connection:
        case = None if named.stored is None else _case(parts, connection, named.stored)
        cases = () if named.stored else _cases(parts, connection, tenant, named.own)
        found = deletions.complainers(connection, parts.keyring, tenant)
        uses = _uses(parts, connection, tenant)
    passes_on = (case.preset if case else own.preset).passes_complainer_on
    shows = is_acting and passes_on
    if not shows:
        found = [replace(one, address=mask(one.address)) for one in found]
    contact = parts.contact(tenant)
    known = parts.loaded.tenants.get(tenant)
    return View(
        named=named,
        shown_name=own.shown_name or tenant,
        case=case,
        cases=cases,
        contact=mask(contact.email) if contact else "",
        refusals=_refusals(parts, tenant),
        complainers=tuple(found),
        uses=uses,
        streams=tuple(known.streams) if known else (),
        passes_on=passes_on,
        shows_addresses=shows,
    )


def _policy(parts: StatusParts, connection: Connection, case: Case) -> tuple[Preset, Ladder | None]:
    preset = preset_of(connection, parts.rules, case.tenant, case.policy)
    return preset, next((one for one in preset.ladders if one.name == case.ladder), None)


def _is_secret(ladder: Ladder | None) -> bool:
    """An authority's request for disclosure is nothing that a tenant is shown."""
    return ladder is not None and FactKind.LEGAL_REQUEST in ladder.takes


def _case(parts: StatusParts, connection: Connection, stored: StoredCase) -> CaseView:
    case = stored.case
    preset, ladder = _policy(parts, connection, case)
    steps = ladder.steps if ladder else ()
    may = ladder is not None and Decision.APPEAL in engine.possible(case, preset, TENANT)
    return CaseView(
        stored=stored,
        preset=preset,
        ladder=ladder,
        step=next((step for step in steps if step.name == case.step), None),
        files=tuple(evidence.of_case(connection, parts.keyring, stored.number)),
        may_appeal=may,
    )


def _cases(
    parts: StatusParts, connection: Connection, tenant: str, number: int
) -> tuple[CaseLine, ...]:
    """The tenant's cases that it was told of or is blocked by, and that are not over."""
    found = []
    for stored in case_view.list_cases(connection, tenant=tenant, limit=CASES).cases:
        case = stored.case
        ladder = _policy(parts, connection, case)[1]
        is_known = case.blocked or case.notified_at is not None
        if is_known and not case.phase.is_over and not _is_secret(ladder):
            link = case_link("", parts.tokens, number, stored.tracking).rpartition("/")[2]
            found.append(CaseLine(stored, ladder, link))
    return tuple(found)


def _refusals(parts: StatusParts, tenant: str) -> tuple[Event, ...] | None:
    """The latest, newest first; None when the journal cannot be asked now."""
    try:
        return tuple(parts.index.latest(tenant, REFUSED, REFUSALS))
    except StoreUnavailable:
        return None


def _uses(parts: StatusParts, connection: Connection, tenant: str) -> tuple[Use, ...]:
    known = parts.loaded.tenants.get(tenant)
    if known is None:
        return ()
    now = parts.clock()
    terms = tenant_terms(parts.loaded.config, {tenant: known}, lambda *_: 0)[tenant]
    limits = terms.limits
    found = [
        Use(
            "bytes",
            DAY,
            used(connection, f"bytes:{tenant}", DAY, now),
            daily_limit(limits, now),
        ),
        Use("recipients", DAY, used(connection, f"rate:recipients:{tenant}", DAY, now), None),
    ]
    for rate in limits.rates:
        if (rate.unit, rate.seconds) == ("recipients", DAY):
            found.pop()  # asked for, accepted or not; what the limit counts says more
        key = f"rate:{rate.unit}:{tenant}"
        count = used(connection, key, rate.seconds, now)
        found.append(Use(rate.unit, rate.seconds, count, rate.count))
    return tuple(found)
