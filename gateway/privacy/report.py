"""The extract a person gets of all that is stored about them (GDPR articles 15 and 20).

`make_report` gathers records and journal into one `SubjectReport`, whose JSON is for machines
(its JSON Schema comes from the model) and which `gateway.privacy.page` renders for people. It names
nobody else: staff, other recipients and, when it is one tenant's, other tenants. Blocks while it
reads the journal. Raises OSError when the journal cannot be read, StoreUnavailable.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from gateway.privacy.journal import count_lines
from gateway.processes import JOURNAL_FOLDER
from gateway.records.database import Connection
from gateway.records.holdings import about, other_spellings, person_keys
from gateway.words import Address
from suppression.keys import Keyring

FORMAT: Literal["consentry.subject-report.v1"] = "consentry.subject-report.v1"


def _instant(value: object) -> object:
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else value


def _written(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


Instant = Annotated[
    datetime, BeforeValidator(_instant), PlainSerializer(_written, str, when_used="json")
]
"""RFC 3339 in UTC, made of Unix seconds."""


class Note(StrEnum):
    """What a reader must know to read the report; `gateway.privacy.labels` has the words."""

    LEDGER = "ledger"
    INTENTS = "intents"
    OPT_OUT_LOG = "opt_out_log"
    BACKUPS = "backups"
    BODIES = "bodies"
    TENANT_ONLY = "tenant_only"
    ERASED = "erased"
    LOOSE = "loose"


class Item(BaseModel):
    """One thing that is stored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SuppressionItem(Item):
    """Why mail to the address, or to its whole domain, is stopped, or was."""

    scope: str
    reason: str
    stops: str
    by: Literal["address", "domain"]
    stored_as: str
    set_by: str
    source: str
    since: Instant
    ends: Instant | None
    lifted: Instant | None
    lifted_reason: str | None


class ConsentItem(Item):
    """A consent, its level and what it rests on."""

    scope: str
    level: int
    stored_as: str
    given: Instant
    ended: Instant | None
    source: str


class StepItem(Item):
    """One step of a proof; `personal` is what was sealed, null when nothing was or it is gone."""

    status: str
    at: Instant
    facts: dict[str, object]
    personal: dict[str, object] | None


class ProofItem(Item):
    """A proof of consent with all that happened to it."""

    scope: str
    tracking: str
    level: int
    status: str
    language: str
    stored_as: str
    requested: Instant
    wording: str
    steps: list[StepItem]


class WebhookItem(Item):
    """What a tenant was told, or will be."""

    tenant: str
    kind: str
    made: Instant
    delivered: Instant | None
    is_waiting: bool


class PreCheckItem(Item):
    """A pre-check of a whole list that found the address free to be mailed."""

    scope: str
    ends: Instant | None


class FactItem(Item):
    """Mail to the person that broke a rule."""

    case: str
    tenant: str
    stream: str
    kind: str
    ref: str
    at: Instant


class ReportItem(Item):
    """A complaint of the person's. `said` is what they wrote, `headers` the header fields of it and
    of the mail that it gave back; a tenant's part leaves both out."""

    tenant: str
    stream: str
    type: str
    stored_as: str
    received: Instant
    source: str
    said: str
    headers: str
    status: str


class BounceItem(Item):
    """That mail to the address could not be delivered; `answer` is what the server said."""

    tenant: str
    stream: str
    at: Instant
    kind: str
    answer: str
    status: str


class DeletionItem(Item):
    """That a customer says it has deleted the address."""

    tenant: str
    at: Instant


class RequestItem(Item):
    """What the person has asked for before."""

    request: int
    scope: str
    kind: str
    identity: str
    received: Instant
    due: Instant
    extension: str
    done: Instant | None
    outcome: str


class AuditItem(Item):
    """A change that is on record."""

    at: Instant
    action: str
    scope: str


class JournalItem(Item):
    """How often one kind of event in the journal names the person."""

    kind: str
    tenant: str
    count: int
    first: Instant
    last: Instant


class SubjectReport(BaseModel):
    """All that is stored about one person. `tenant` is set when it is one tenant's part of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["consentry.subject-report.v1"] = FORMAT
    made_at: Instant
    address: str
    tenant: str | None
    suppressions: list[SuppressionItem]
    consents: list[ConsentItem]
    proofs: list[ProofItem]
    webhooks: list[WebhookItem]
    pre_checks: list[PreCheckItem]
    facts: list[FactItem]
    reports: list[ReportItem]
    bounces: list[BounceItem]
    deletions: list[DeletionItem]
    requests: list[RequestItem]
    audit: list[AuditItem]
    journal: list[JournalItem]
    keys: list[str]
    """The keyed hashes under which all this was found, in hexadecimal."""
    notes: list[Note]

    @property
    def is_empty(self) -> bool:
        """Whether nothing but what the reader asked was found."""
        return not any(getattr(self, name) for name in SECTIONS)


SECTIONS = (
    "suppressions",
    "consents",
    "proofs",
    "webhooks",
    "pre_checks",
    "facts",
    "reports",
    "bounces",
    "deletions",
    "requests",
    "audit",
    "journal",
)


def make_report(
    connection: Connection,
    keyring: Keyring,
    state_dir: Path,
    address: Address,
    tenant: str,
    now: float,
) -> SubjectReport:
    """Everything about `address`, or ("" for all) what `tenant` holds."""
    spellings = other_spellings(connection, keyring, address)
    held = about(connection, keyring, address, tenant, spellings)
    # Only those of the spelling that was asked about: the others may be another tenant's knowledge.
    own = person_keys(keyring, address).own
    keys = person_keys(keyring, address, spellings).own
    lines = count_lines(state_dir / JOURNAL_FOLDER, keys, tenant)
    notes = [Note.LEDGER, Note.INTENTS, Note.OPT_OUT_LOG, Note.BACKUPS, Note.BODIES, Note.LOOSE]
    if tenant:
        notes.append(Note.TENANT_ONLY)
    if any(row["reason"] == "erasure" and not row["lifted"] for row in held["suppressions"]):
        notes.append(Note.ERASED)
    return SubjectReport.model_validate(
        {
            **held,
            "made_at": now,
            "address": address.text,
            "tenant": tenant or None,
            "journal": [
                {
                    "kind": line.kind,
                    "tenant": line.tenant,
                    "count": line.count,
                    "first": line.first,
                    "last": line.last,
                }
                for line in lines
            ],
            "keys": [key.hex() for key in own],
            "notes": notes,
        }
    )
