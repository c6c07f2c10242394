"""Everything the records hold about one person, found by every key they may stand under.

`person_keys` gives those keys; `about` gives the rows of each table, of one tenant only if asked,
as plain mappings with what is sealed opened. A tenant's view has its own rows alone: no platform
entry, no row of another tenant, no spelling of the address that somebody else has stored. Names of
staff are left out: they are other persons. Reads only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, Table, or_, select

from gateway.errors import AddressSyntaxError
from gateway.message.address import parse_mailbox
from gateway.records.blocks import case_id
from gateway.records.codes import CLEARED, CONSENTS, DECODED, FIRST_SUPPRESSION, RESTRICTED
from gateway.records.report_holdings import bounces_about, deletions_about, reports_about
from gateway.records.streams import scope_texts, tenant_numbers
from gateway.records.subjects import DESTROYED, plain_texts
from gateway.records.tables import (
    attestations,
    audit,
    bounces,
    consent_texts,
    consents,
    deletions,
    facts,
    proof_steps,
    proofs,
    reports,
    sources,
    standing_index,
    subject_requests,
    subject_secrets,
    subjects,
    suppressions,
    webhook_deliveries,
)
from gateway.words import Address
from suppression.address import exact_form, loose_form, loosen
from suppression.keys import Keyring, Sealed

Row = Mapping[str, object]
Holdings = dict[str, list[Row]]
"""By kind of record, in the order of `gateway.privacy.report`."""


@dataclass(frozen=True, slots=True)
class PersonKeys:
    """The keys of one person: `own` by the address (exact and loose), `domain` by its domains."""

    own: tuple[bytes, ...]
    domain: tuple[bytes, ...]

    @property
    def every(self) -> tuple[bytes, ...]:
        """All of them."""
        return self.own + self.domain


def person_keys(
    keyring: Keyring, address: Address, spellings: Iterable[Address] = ()
) -> PersonKeys:
    """Exact and loose keys of each generation, and those of the domain and its parents.

    `spellings` are further ones of the same person, as `other_spellings` finds them.
    """
    number = 2 * len(keyring.generations)
    own: dict[bytes, None] = {}
    domain: dict[bytes, None] = {}
    for one in (address, *spellings):
        keys = keyring.look_up_keys(one)
        own |= dict.fromkeys(keys[:number])
        domain |= dict.fromkeys(keys[number:])
    return PersonKeys(tuple(own), tuple(domain))


def other_spellings(connection: Connection, keyring: Keyring, address: Address) -> list[Address]:
    """Every stored address that only the loose form shows to be this person's (`name+tag@...`).

    An entry under such an address's exact key is found no other way than by opening every sealed
    text, which takes some sixteen microseconds each: a rare thing, done outside the write lock.
    """
    wanted, known = loose_form(address), {exact_form(address)}
    found: dict[str, Address] = {}
    query = select(subjects.c.sealed, subject_secrets.c.secret).join(
        subject_secrets, subject_secrets.c.subject == subjects.c.id
    )
    rows = connection.execute(query.execution_options(yield_per=1000))
    for sealed, secret in rows:
        if secret == DESTROYED:
            continue
        text = keyring.open(Sealed(secret, sealed))
        if "@" not in text:
            continue
        try:
            spelling = parse_mailbox(text)
        except AddressSyntaxError:  # the JSON of a proof, which is found by the proof's key
            continue
        exact = exact_form(spelling)
        if exact not in known and loosen(exact) == wanted:
            known.add(exact)
            found[exact] = spelling
    return list(found.values())


def about(
    connection: Connection,
    keyring: Keyring,
    address: Address,
    tenant: str = "",
    spellings: Iterable[Address] = (),
) -> Holdings:
    """All rows about `address`, those of `tenant` alone when one is named."""
    return about_keys(connection, keyring, person_keys(keyring, address, spellings), tenant)


def about_keys(
    connection: Connection, keyring: Keyring, keys: PersonKeys, tenant: str = ""
) -> Holdings:
    """All rows under these keys, those of `tenant` alone when one is named."""
    view = _View(connection, keyring, keys, tenant)
    return {
        "suppressions": view.suppressions(),
        "consents": view.consents(),
        "proofs": view.proofs(),
        "webhooks": view.webhooks(),
        "pre_checks": view.pre_checks(),
        "facts": view.facts(),
        "reports": reports_about(connection, keyring, keys.own, tenant),
        "bounces": bounces_about(connection, keys.own, tenant),
        "deletions": deletions_about(connection, keys.own, tenant),
        "requests": view.requests(),
        "audit": view.audit(),
    }


def holders(connection: Connection, keys: Iterable[bytes]) -> list[str]:
    """The tenants that hold anything about the person with these own keys, by name."""
    keys = list(keys)
    texts = scope_texts(connection)
    found: set[str] = set()
    for table in (suppressions, consents):
        listed = _by_index(connection, table, keys, CONSENTS if table is consents else None)
        query = select(table.c.scope).where(listed).distinct()
        found |= {texts[scope] for scope in connection.execute(query).scalars()}
    query = select(proofs.c.tenant).where(proofs.c.key.in_(keys)).distinct()
    found |= {texts[number] for number in connection.execute(query).scalars()}
    query = select(webhook_deliveries.c.tenant).where(webhook_deliveries.c.key.in_(keys)).distinct()
    found |= {texts[number] for number in connection.execute(query).scalars()}
    query = select(standing_index.c.scope).where(standing_index.c.key.in_(keys)).distinct()
    found |= {texts[scope] for scope in connection.execute(query).scalars()}
    for named in (facts, reports, bounces, deletions):
        names = select(named.c.tenant).where(named.c.key.in_(keys)).distinct()
        found |= set(connection.execute(names).scalars())
    return sorted({text.partition("/")[0] for text in found} - {"*", ""})


def _by_index(
    connection: Connection, table: Table, keys: Sequence[bytes], levels: range | None
) -> ColumnElement[bool]:
    """Rows of `suppressions` or `consents` under `keys`: in force or expired by the index, else
    by the index of those that have ended. Neither table has an index over all of its keys."""
    codes = standing_index.c.code
    live = select(standing_index.c.entry).where(
        standing_index.c.key.in_(keys),
        codes >= FIRST_SUPPRESSION if levels is None else codes.between(levels[0], levels[-1]),
    )
    ended = table.c.lifted_at if levels is None else table.c.ended_at
    over = select(table.c.id).where(table.c.key.in_(keys), ended.is_not(None))
    return or_(table.c.id.in_(live), table.c.id.in_(over))


class _View:
    """One look at the records for one person and, if named, one tenant."""

    def __init__(
        self, connection: Connection, keyring: Keyring, keys: PersonKeys, tenant: str
    ) -> None:
        self._connection = connection
        self._keyring = keyring
        self._keys = keys
        self._tenant = tenant
        self._texts = scope_texts(connection)
        self._scopes = tenant_numbers(connection, tenant) if tenant else None

    def suppressions(self) -> list[Row]:
        """Entries by address and by domain; in force, expired and lifted."""
        listed = _by_index(self._connection, suppressions, self._keys.every, None)
        query = (
            select(suppressions, sources.c.setter, sources.c.name.label("source_name"))
            .join(sources, sources.c.id == suppressions.c.source)
            .where(listed)
            .order_by(suppressions.c.id)
        )
        rows = self._scoped(query, suppressions.c.scope)
        plain = self._plain(row["subject"] for row in rows)
        found: list[Row] = []
        for row in rows:
            reason, stops, _ = DECODED[row["code"]]
            is_restriction = row["code"] == RESTRICTED
            found.append(
                {
                    "scope": self._texts[row["scope"]],
                    "reason": "restriction" if is_restriction else reason.value,
                    "stops": stops.value,
                    "by": "address" if row["key"] in self._keys.own else "domain",
                    "stored_as": plain(row["subject"]),
                    "set_by": row["setter"],
                    "source": row["source_name"],
                    "since": row["created_at"],
                    "ends": row["ends_at"],
                    "lifted": row["lifted_at"],
                    "lifted_reason": row["lifted_reason"],
                }
            )
        return found

    def consents(self) -> list[Row]:
        """In force and ended, with what the tenant attested."""
        listed = _by_index(self._connection, consents, self._keys.own, CONSENTS)
        query = (
            select(consents, attestations.c.source)
            .outerjoin(attestations, attestations.c.id == consents.c.attestation)
            .where(listed)
            .order_by(consents.c.id)
        )
        rows = self._scoped(query, consents.c.scope)
        plain = self._plain(row["subject"] for row in rows)
        return [
            {
                "scope": self._texts[row["scope"]],
                "level": row["level"],
                "stored_as": plain(row["subject"]),
                "given": row["given_at"],
                "ended": row["ended_at"],
                "source": row["source"] or "",
            }
            for row in rows
        ]

    def proofs(self) -> list[Row]:
        """Asked-for and supplied proofs with every step, what is sealed in them opened."""
        query = (
            select(proofs, consent_texts.c.text.label("wording"))
            .outerjoin(consent_texts, consent_texts.c.id == proofs.c.text)
            .where(proofs.c.key.in_(self._keys.own))
            .order_by(proofs.c.id)
        )
        rows = self._scoped(query, proofs.c.scope)
        steps = select(proof_steps).where(proof_steps.c.proof.in_([row["id"] for row in rows]))
        taken = self._connection.execute(steps.order_by(proof_steps.c.id)).mappings().all()
        numbers = [row["subject"] for row in rows] + [step["subject"] for step in taken]
        # A proof's sealed texts are its own tenant's, so a tenant's view has them too.
        plain = plain_texts(self._connection, self._keyring, [n for n in numbers if n])
        return [
            {
                "scope": self._texts[row["scope"]],
                "tracking": row["tracking"].hex(),
                "level": row["level"],
                "status": row["status"],
                "language": row["language"],
                "stored_as": plain.get(row["subject"], ""),
                "requested": row["requested_at"],
                "wording": row["wording"] or "",
                "steps": [
                    {
                        "status": step["status"],
                        "at": step["at"],
                        "facts": json.loads(step["facts"]),
                        "personal": _opened(plain.get(step["subject"])),
                    }
                    for step in taken
                    if step["proof"] == row["id"]
                ],
            }
            for row in rows
        ]

    def webhooks(self) -> list[Row]:
        """What a tenant was, or is to be, told about the person."""
        query = select(webhook_deliveries).where(webhook_deliveries.c.key.in_(self._keys.own))
        rows = self._scoped(query.order_by(webhook_deliveries.c.id), webhook_deliveries.c.tenant)
        return [
            {
                "tenant": self._texts[row["tenant"]],
                "kind": row["kind"],
                "made": row["made_at"],
                "delivered": row["delivered_at"],
                "is_waiting": row["next_at"] is not None,
            }
            for row in rows
        ]

    def pre_checks(self) -> list[Row]:
        """Pre-checks that cleared the address and still count."""
        query = select(standing_index).where(
            standing_index.c.key.in_(self._keys.own), standing_index.c.code == CLEARED
        )
        return [
            {"scope": self._texts[row["scope"]], "ends": row["ends"]}
            for row in self._scoped(query, standing_index.c.scope)
        ]

    def facts(self) -> list[Row]:
        """Mail to the person that was against the rules."""
        query = select(facts).where(facts.c.key.in_(self._keys.own)).order_by(facts.c.id)
        if self._tenant:
            query = query.where(facts.c.tenant == self._tenant)
        return [
            {
                "case": case_id(row.case_id) if row.case_id else "",
                "tenant": row.tenant,
                "stream": row.stream,
                "kind": row.kind,
                "ref": row.ref,
                "at": row.at,
            }
            for row in self._connection.execute(query)
        ]

    def requests(self) -> list[Row]:
        """What the person has asked for before."""
        keys = self._keys.own
        query = select(subject_requests).where(subject_requests.c.key.in_(keys))
        rows = self._scoped(query.order_by(subject_requests.c.id), subject_requests.c.scope)
        return [
            {
                "request": row["id"],
                "scope": self._texts[row["scope"]],
                "kind": row["kind"],
                "identity": row["identity"],
                "received": row["received_at"],
                "due": row["due_at"],
                "extension": row["extension"] or "",
                "done": row["done_at"],
                "outcome": row["outcome"],
            }
            for row in rows
        ]

    def audit(self) -> list[Row]:
        """Changes that are on record under the person's keys."""
        query = select(audit).where(audit.c.key.in_(self._keys.own)).order_by(audit.c.id)
        if self._tenant:
            own = [text for number, text in self._texts.items() if number in (self._scopes or ())]
            query = query.where(audit.c.scope.in_(own))
        return [
            {"at": row.at, "action": row.action, "scope": row.scope}
            for row in self._connection.execute(query)
        ]

    def _scoped(self, query: Select[Any], column: ColumnElement[int]) -> list[RowMapping]:
        if self._scopes is not None:
            query = query.where(column.in_(self._scopes))
        return list(self._connection.execute(query).mappings())

    def _plain(self, numbers: Iterable[int | None]) -> Callable[[int | None], str]:
        """The stored spelling of a subject, "" when it is not known.

        A tenant is not shown it: entries under one key may share one spelling, and that it is
        known at all would tell that another tenant has stored the address.
        """
        if self._scopes is not None:
            return lambda _number: ""
        known = plain_texts(self._connection, self._keyring, [n for n in numbers if n is not None])
        return lambda number: known.get(number, "") if number is not None else ""


def _opened(text: str | None) -> object:
    """A step's sealed JSON; None when there was none or it has been destroyed."""
    return None if text is None else json.loads(text)
