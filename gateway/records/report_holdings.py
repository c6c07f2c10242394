"""What is held of what came back from a person: complaints, bounces, and who deleted the address.

For `gateway.records.holdings`: rows under the person's own keys, of one tenant alone if one is
named. What a person wrote went to the operator, so a tenant's part leaves it out. Reads only.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from sqlalchemy import Connection, select

from gateway.records.subjects import plain_texts
from gateway.records.tables import bounces, deletions, reports
from policies.returned.words import Action
from suppression.keys import Keyring

FAILED = Action.FAILED.value


def reports_about(
    connection: Connection, keyring: Keyring, keys: Collection[bytes], tenant: str
) -> list[Mapping[str, object]]:
    """Complaints, oldest first; what is sealed is opened unless it was erased."""
    query = select(reports).where(reports.c.key.in_(keys)).order_by(reports.c.id)
    rows = connection.execute(query.where(reports.c.tenant == tenant) if tenant else query).all()
    sealed = [] if tenant else [row.subject for row in rows if row.subject]
    plain = plain_texts(connection, keyring, sealed)
    found: list[Mapping[str, object]] = []
    for row in rows:
        words = json.loads(plain.get(row.subject, "{}"))
        said = words.get("said", {}).items()
        found.append(
            {
                "report": row.id,
                "tenant": row.tenant,
                "stream": row.stream,
                "type": row.type,
                "stored_as": words.get("address", ""),
                "received": row.received_at,
                "source": row.source,
                "said": "; ".join(f"{name}: {text}" for name, text in said),
                "headers": words.get("raw", "") + words.get("original", ""),
                "status": row.state,
            }
        )
    return found


def bounces_about(
    connection: Connection, keys: Collection[bytes], tenant: str
) -> list[Mapping[str, object]]:
    """Mail to the person that could not be delivered, or was after all, oldest first."""
    query = select(bounces).where(bounces.c.key.in_(keys)).order_by(bounces.c.id)
    if tenant:
        query = query.where(bounces.c.tenant == tenant)
    return [
        {
            "tenant": row.tenant,
            "stream": row.stream,
            "at": row.at,
            "kind": row._mapping["class"] if row.action == FAILED else row.action,
            "answer": " ".join(filter(None, (str(row.code or ""), row.enhanced, row.text))),
            "status": row.state,
        }
        for row in connection.execute(query)
    ]


def deletions_about(
    connection: Connection, keys: Collection[bytes], tenant: str
) -> list[Mapping[str, object]]:
    """That a tenant says it has deleted the address after a complaint."""
    query = select(deletions).where(deletions.c.key.in_(keys)).order_by(deletions.c.id)
    if tenant:
        query = query.where(deletions.c.tenant == tenant)
    return [{"tenant": row.tenant, "at": row.at} for row in connection.execute(query)]
