"""What `consentry.yaml` may say under `retention`: how long each kind of record is kept.

Each key counts from the moment its description names. Entries, consents and proofs in force are
kept as long as they are; nothing here ends them. `never` stands for no limit, where an auditor's
need may outlast any date. A purge once a day removes what is past its time.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.config.values import Duration, Settings

NEVER = "never"
_DAY = 86_400.0
_YEAR = 365 * _DAY

Period = Annotated[Duration, Field(ge=_DAY)]
"""A day at least: what is removed while a customer still asks after it helps nobody."""
Kept = Annotated[Period | Literal["never"], Field(union_mode="left_to_right")]


class RetentionSettings(Settings):
    """How long what is over is kept; see [privacy.md](privacy.md) for every stored field."""

    suppressions_lifted: Kept = Field(
        default=3 * _YEAR, description="Suppressions, from when they were lifted."
    )
    suppressions_expired: Kept = Field(
        default=3 * _YEAR,
        description="Suppressions, from when they ended by themselves; an address that bounces "
        "again within this time is stopped for longer.",
    )
    consents_ended: Kept = Field(
        default=3 * _YEAR,
        description="Consents, from when they ended: claims about mail they allowed may follow.",
    )
    attestations: Kept = Field(
        default=3 * _YEAR,
        description="Attested lists, from their record, once no consent of theirs is left; each "
        "tenant's last one stays.",
    )
    proofs_ended: Kept = Field(
        default=3 * _YEAR,
        description="What is personal in a proof that was once confirmed, from its end.",
    )
    proofs_unconfirmed: Period = Field(
        default=90 * _DAY,
        description="What is personal in a request that nobody confirmed, from its end.",
    )
    receipts: Period = Field(
        default=30 * _DAY, description="Receipts of pre-checks, from their end."
    )
    webhook_deliveries: Period = Field(
        default=30 * _DAY, description="Webhook calls, from when they were queued."
    )
    facts: Period = Field(
        default=2 * _YEAR,
        description="Facts, from when they happened; those of a running case stay with it.",
    )
    reports_unmatched: Period = Field(
        default=180 * _DAY,
        description="Reports and other mail to `fbl@` and `abuse@` that are nobody's, or were "
        "dismissed, from when they came in.",
    )
    bounces: Period = Field(
        default=90 * _DAY,
        description="Bounces, from when they came in, and storms, from when they were decided.",
    )
    figures: Period = Field(
        default=2 * _YEAR,
        description="Daily sums of copies, complaints and bounces; about no person.",
    )
    cases: Kept = Field(
        default=3 * _YEAR,
        description="Cases without facts or a block in force, from when they were over; what is "
        "gone counts towards no later step.",
    )
    blocks: Period = Field(default=3 * _YEAR, description="Blocks, from when they were lifted.")
    subject_requests: Period = Field(
        default=3 * _YEAR, description="Requests of data subjects, from when they were done."
    )
    api_tokens: Period = Field(
        default=_YEAR, description="API tokens, from when they ended or were revoked."
    )
    audit: Kept = Field(
        default=6 * _YEAR,
        description="Audit records, from when they were written; the oldest are cut off, and "
        "the cut is itself on record.",
    )
    journal: Period = Field(
        default=90 * _DAY,
        description="Journal files, from their last line; `journal.keep_files` may end them "
        "earlier.",
    )

    def cutoff(self, name: str, now: float) -> float | None:
        """The instant (Unix seconds) before which records of `name` go; None when none does."""
        period = getattr(self, name)
        return None if period == NEVER else now - period
