"""`consentry block`: blocks of sender domains, by a person's decision and with a reason.

Works on the records directly; the running gateway obeys from the next MAIL on, without a reload.
Every change is in the audit trail with who and why.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer

from gateway.commands.shared import (
    ByOption,
    ConfigOption,
    JsonOption,
    actor,
    clean,
    open_config,
    show,
)
from gateway.config.load import Loaded
from gateway.config.values import to_a_label
from gateway.errors import ConfigurationError
from gateway.records.blocks import ALL_TENANTS, add_block, case_id, lift_block, list_blocks
from gateway.records.cases import list_cases, open_case
from gateway.records.database import Connection, open_database
from policies.ports import Block
from suppression.address import suffixes

app = typer.Typer(no_args_is_help=True, help="Blocked sender domains: list, add, lift.")

OPERATOR = "operator"
"""The kind of case that a person opens; its `mailing` is the domain it is about."""

DomainArgument = Annotated[str, typer.Argument(help="The sender domain.")]
ReasonOption = Annotated[str, typer.Option(help="Why; kept in the audit trail.", callback=clean)]
TenantOption = Annotated[
    str | None,
    typer.Option(
        help=f"Whose domain; `{ALL_TENANTS}` for everybody.", show_default="whose domain it is"
    ),
]


@app.command("list")
def list_(
    tenant: Annotated[str, typer.Option(help="Only what concerns this tenant.")] = "",
    lifted: Annotated[bool, typer.Option("--lifted", help="Also what was lifted.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the blocks in force, newest first.

    Example: consentry block list --tenant acme --lifted
    """
    settings = open_config(config).config
    database = open_database(settings.database, settings.opt_out_log)
    with database.reading() as connection:
        stored = list_blocks(connection, tenant, with_lifted=lifted)
    database.close()
    rows = []
    for block in stored:
        row: dict[str, object] = {
            "case": block.case,
            "tenant": block.tenant,
            "domain": block.domain,
            "since": datetime.fromtimestamp(block.since, UTC),
            "by": block.actor,
            "reason": block.reason,
        }
        if lifted:
            at = block.lifted_at
            row["lifted"] = None if at is None else datetime.fromtimestamp(at, UTC)
            row["lifted_by"] = block.lifted_by
            row["lifted_reason"] = block.lifted_reason
        rows.append(row)
    show(rows, as_json, empty="no domain is blocked")


@app.command()
def add(
    domain: DomainArgument,
    reason: ReasonOption,
    tenant: TenantOption = None,
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """Block a sender domain from its next MAIL on.

    Example: consentry block add acme.example --reason "bought list, call of 3 May"
    """
    name = _domain(domain)
    with _change(open_config(config), tenant, name) as (connection, owner):
        now = time.time()
        standing = next(
            (b for b in list_blocks(connection, owner) if (b.tenant, b.domain) == (owner, name)),
            None,
        )
        if standing is not None:
            typer.echo(f"{name} is blocked already, case {standing.case}: {standing.reason}")
            return
        case = _case(connection, owner, name, now)
        add_block(connection, owner, Block(case, name, reason), actor(by), now)
    typer.echo(f"{name} is blocked, case {case}")


@app.command()
def lift(
    domain: DomainArgument,
    reason: ReasonOption,
    tenant: TenantOption = None,
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """Lift the block on a sender domain.

    Example: consentry block lift acme.example --reason "list cleaned, screenshot received"
    """
    name = _domain(domain)
    with _change(open_config(config), tenant, name) as (connection, owner):
        if not lift_block(connection, owner, name, actor(by), reason, time.time()):
            raise ConfigurationError(f"no block on {name} for {owner}; see `consentry block list`")
        remaining = [
            f"{block.domain} for {block.tenant} is still blocked, case {block.case}: {block.reason}"
            for block in list_blocks(connection)
            if ALL_TENANTS in (owner, block.tenant) or owner == block.tenant
            if block.domain in suffixes(name)
        ]
    typer.echo("\n".join(remaining) or f"{name} may send again")


@contextmanager
def _change(loaded: Loaded, tenant: str | None, domain: str) -> Iterator[tuple[Connection, str]]:
    """A transaction on the records, and the tenant whose domain it is."""
    owner = tenant or _owner(loaded, domain)
    if owner != ALL_TENANTS and owner not in loaded.tenants:
        raise ConfigurationError(f"there is no tenant {owner}")
    database = open_database(loaded.config.database, loaded.config.opt_out_log)
    try:
        with database.transaction() as connection:
            yield connection, owner
    finally:
        database.close()


def _owner(loaded: Loaded, domain: str) -> str:
    for name, tenant in loaded.tenants.items():
        if tenant.owns(domain):
            return name
    raise ConfigurationError(f"{domain} is no tenant's domain; say whose it is with --tenant")


def _domain(text: str) -> str:
    try:
        return to_a_label(text)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def _case(connection: Connection, tenant: str, domain: str, now: float) -> str:
    """The open case of earlier decisions on the domain, or a new one."""
    for case in list_cases(connection, tenant):
        is_open = case.notified_at is None and case.closed_at is None
        if is_open and (case.kind, case.mailing) == (OPERATOR, domain):
            return case.id
    return case_id(open_case(connection, OPERATOR, tenant, domain, now))
