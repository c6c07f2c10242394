"""Stable numbers of tenants and streams, as tokens and scopes use them.

A number is given on first use and never changes or returns, so that a token made years ago still
names its stream. 0 stands for all tenants; a tenant as a whole has a number like a stream's, under
an empty stream name. Scope texts are `*`, `tenant` and `tenant/stream`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import Connection, bindparam, func, insert, select

from gateway.records import opt_outs
from gateway.records.prepared import Prepared
from gateway.records.store import remembered
from gateway.records.tables import streams
from suppression.tokens import MAX_STREAM

if TYPE_CHECKING:  # the database replays the opt-out log by these numbers
    from gateway.records.database import Database

EVERYWHERE = 0
"""The scope `*`."""
# Made once: what is asked for every mail and opt-out costs four times as much to make as to run.
_NUMBER = Prepared(
    select(streams.c.number).where(
        streams.c.tenant == bindparam("tenant"), streams.c.name == bindparam("name")
    )
)
_STREAM = select(streams).where(streams.c.number == bindparam("number"))
_ALL = select(streams)


def stream_number(connection: Connection, tenant: str, name: str = "") -> int:
    """The number of `tenant/name`, made when there is none; `name` "" is the tenant itself."""
    known = find_number(connection, tenant, name)
    if known is not None:
        return known
    last = connection.execute(select(func.max(streams.c.number))).scalar() or 0
    if last >= MAX_STREAM:
        raise OverflowError("all 24-bit stream numbers are in use")
    made = int(last) + 1
    connection.execute(insert(streams), {"number": made, "tenant": tenant, "name": name})
    # Tokens carry it for ever: a restored backup must not give it to another stream.
    opt_outs.note(connection, opt_outs.StreamNumbered(made, tenant, name))
    return made


def find_number(connection: Connection, tenant: str, name: str = "") -> int | None:
    """The number of `tenant/name`, if it has one."""
    known = remembered(connection)
    own = _NUMBER, tenant, name
    if own not in known:
        found = _NUMBER.scalar(connection, {"tenant": tenant, "name": name})
        if found is None:
            return None
        known[own] = int(found)
    return int(known[own])


def tenant_numbers(connection: Connection, tenant: str) -> frozenset[int]:
    """The numbers of a tenant: its own and those of its streams."""
    query = select(streams.c.number).where(streams.c.tenant == tenant)
    return frozenset(connection.execute(query).scalars())


def within(connection: Connection, scope: str) -> frozenset[int]:
    """The numbers that a scope text holds: `tenant` itself with its streams, or the one stream."""
    tenant, slash, name = scope.partition("/")
    if not slash:
        return tenant_numbers(connection, tenant)
    number = find_number(connection, tenant, name)
    return frozenset() if number is None else frozenset({number})


def find_stream(connection: Connection, number: int) -> tuple[str, str] | None:
    """Tenant and stream name of a number, as a token carries it."""
    row = connection.execute(_STREAM, {"number": number}).first()
    return None if row is None else (row.tenant, row.name)


def scope_number(connection: Connection, scope: str) -> int:
    """The number of a scope text, made when there is none."""
    if scope == "*":
        return EVERYWHERE
    tenant, _, name = scope.partition("/")
    return stream_number(connection, tenant, name)


def find_scope(connection: Connection, scope: str) -> int | None:
    """The number of a scope text, if it has one."""
    if scope == "*":
        return EVERYWHERE
    tenant, _, name = scope.partition("/")
    return find_number(connection, tenant, name)


def scope_texts(connection: Connection) -> dict[int, str]:
    """Every number's scope text."""
    texts = {EVERYWHERE: "*"}
    for row in connection.execute(_ALL):
        texts[row.number] = f"{row.tenant}/{row.name}" if row.name else row.tenant
    return texts


def numbering(database: Database) -> Callable[[str, str], int]:
    """A function from tenant and stream to its number, for building the configuration's terms.

    It numbers the tenant too, so that a tenant in force always has a scope of its own.
    """

    def number(tenant: str, name: str) -> int:
        with database.reading() as connection:
            whole = find_number(connection, tenant)
            known = find_number(connection, tenant, name)
        if whole is not None and known is not None:
            return known
        with database.transaction() as connection:
            stream_number(connection, tenant)
            return stream_number(connection, tenant, name)

    return number
