"""`consentry block`: blocks of sender domains, by a person's decision and with a reason.

A block by hand opens a case of its own (an emergency), a lift ends the case that it lifts: with
timeline, notices and audit trail. Works on the records directly; the running gateway obeys from the
next MAIL on, without a reload.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer

from gateway.commands.deciding import deciding
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
from gateway.events import Event
from gateway.records.blocks import ALL_TENANTS, case_id, list_blocks
from gateway.records.case_blocks import block_by_hand, lift_by_hand
from gateway.records.case_rules import Rules
from gateway.records.database import Connection
from gateway.records.opening import open_records
from suppression.address import suffixes

app = typer.Typer(no_args_is_help=True, help="Blocked sender domains: list, add, lift.")


def register(target: typer.Typer) -> None:
    """Add the group to `target`."""
    target.add_typer(app, name="block", rich_help_panel="Abuse desk")


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
    database = open_records(settings)
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
    with _change(open_config(config), tenant, name) as (connection, owner, rules, events):
        now = time.time()
        standing = next(
            (b for b in list_blocks(connection, owner) if (b.tenant, b.domain) == (owner, name)),
            None,
        )
        if standing is not None:
            typer.echo(f"{name} is blocked already, case {standing.case}: {standing.reason}")
            return
        moved = block_by_hand(connection, owner, name, actor(by), reason, now, rules)
        events += moved.events
    typer.echo(f"{name} is blocked, case {case_id(moved.case.id)}")


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
    with _change(open_config(config), tenant, name) as (connection, owner, rules, events):
        lifted = lift_by_hand(connection, owner, name, actor(by), reason, time.time(), rules)
        if lifted is None:
            raise ConfigurationError(f"no block on {name} for {owner}; see `consentry block list`")
        events += lifted
        remaining = [
            f"{block.domain} for {block.tenant} is still blocked, case {block.case}: {block.reason}"
            for block in list_blocks(connection)
            if ALL_TENANTS in (owner, block.tenant) or owner == block.tenant
            if block.domain in suffixes(name)
        ]
    typer.echo("\n".join(remaining) or f"{name} may send again")


@contextmanager
def _change(
    loaded: Loaded, tenant: str | None, domain: str
) -> Iterator[tuple[Connection, str, Rules, list[Event]]]:
    """A transaction on the records, the tenant whose domain it is, and the rules; what is put into
    the list is emitted after it."""
    owner = tenant or _owner(loaded, domain)
    if owner != ALL_TENANTS and owner not in loaded.tenants:
        raise ConfigurationError(f"there is no tenant {owner}")
    with deciding(loaded) as (connection, rules, events):
        yield connection, owner, rules, events


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
