"""Every durable table. Alembic's migrations build the same; a test compares the two.

Instants are whole Unix seconds. Address keys are 16 octets (`suppression.keys`); plain addresses
stand nowhere but encrypted in `subjects`. A scope is a number of `streams`: 0 for all tenants, a
tenant's own row (empty stream name), or one stream's. Nothing here but `standing_index`, `changes`,
`windows`, `provider_sends`, `mailings` and `ledger` is ever deleted by the data path: entries are
lifted or ended in place.
"""

from gateway.records.tables.access import (
    api_tokens,
    idempotency,
    receipts,
    subject_requests,
    webhook_deliveries,
)
from gateway.records.tables.addresses import (
    sources,
    standing_index,
    streams,
    subject_secrets,
    subjects,
    suppressions,
)
from gateway.records.tables.base import (
    metadata,
)
from gateway.records.tables.consent import (
    attestations,
    consent_texts,
    consents,
    proof_steps,
    proofs,
)
from gateway.records.tables.enforcement import (
    blocks,
    case_entries,
    cases,
    deletions,
    evidence,
    facts,
    fees,
    notices,
    policy_uses,
    policy_versions,
    reports,
)
from gateway.records.tables.returned import (
    bounces,
    figures,
    provider_sends,
    storms,
    unproven_mails,
)
from gateway.records.tables.staff import (
    mailed_codes,
    staff,
    staff_sessions,
    undoings,
)
from gateway.records.tables.traffic import (
    ledger,
    mailings,
    windows,
)
from gateway.records.tables.trail import (
    audit,
    changes,
    meta,
)

__all__ = [
    "api_tokens",
    "attestations",
    "audit",
    "blocks",
    "bounces",
    "case_entries",
    "cases",
    "changes",
    "consent_texts",
    "consents",
    "deletions",
    "evidence",
    "facts",
    "fees",
    "figures",
    "idempotency",
    "ledger",
    "mailed_codes",
    "mailings",
    "meta",
    "metadata",
    "notices",
    "policy_uses",
    "policy_versions",
    "proof_steps",
    "proofs",
    "provider_sends",
    "receipts",
    "reports",
    "sources",
    "staff",
    "staff_sessions",
    "standing_index",
    "storms",
    "streams",
    "subject_requests",
    "subject_secrets",
    "subjects",
    "suppressions",
    "undoings",
    "unproven_mails",
    "webhook_deliveries",
    "windows",
]
