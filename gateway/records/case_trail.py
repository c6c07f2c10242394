"""A case's timeline: an entry for each thing that happened or followed, and its audit record.

Both are written in the caller's transaction and hold no address: those in texts of people are
masked, words of others are sealed in `subject`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlalchemy import Connection, insert

from gateway.records import audit
from gateway.records.blocks import case_id
from gateway.records.tables import case_entries
from policies.sanctions.case import Case
from suppression.masking import mask_all


def write_entry(
    connection: Connection,
    case: Case,
    kind: str,
    actor: str,
    now: float,
    detail: Mapping[str, object] | None = None,
    subject: int | None = None,
) -> None:
    """Add one entry. `kind` is a dotted past-tense name, the audit record's action too."""
    shown = {name: value for name, value in (detail or {}).items() if value not in ("", None)}
    row = {
        "case_id": case.id,
        "at": int(now),
        "actor": actor,
        "kind": kind,
        "detail": json.dumps(mask_all(shown), sort_keys=True, separators=(",", ":")),
        "subject": subject,
    }
    connection.execute(insert(case_entries), row)
    audit.append(
        connection,
        at=now,
        actor=actor,
        action=kind,
        scope=case.tenant,
        detail={"case": case_id(case.id), **shown},
    )
