"""`consentry token`: give out, list and revoke the tokens of the HTTP API.

Opens the database directly, beside a running gateway: a revoked token is refused at its very next
call. A token is printed once, when it is made; the records hold only its digest. Exit status 1
when something was refused or not found.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from gateway.commands.records import open_records, when
from gateway.commands.shared import (
    MAX_NUMBER,
    ByOption,
    ConfigOption,
    JsonOption,
    actor,
    clean,
    fail,
    show,
)
from gateway.records.api_tokens import (
    STAFF_ONLY,
    ApiToken,
    NameTaken,
    Permission,
    issue,
    revoke,
    tokens,
)

app = typer.Typer(no_args_is_help=True, help="Who may call the HTTP API, and for what.")


def register(target: typer.Typer) -> None:
    """Add the group to `target`."""
    target.add_typer(app, name="token", rich_help_panel="Customers")


NameArgument = Annotated[
    str, typer.Argument(help="The program or person it is for, as the audit trail names it.")
]
TenantOption = Annotated[str, typer.Option(help="The tenant whose token it is.")]


@app.command("add")
def add_command(
    name: NameArgument,
    allow: Annotated[
        list[Permission], typer.Option(help="What it may do; give it several times for more.")
    ],
    tenant: TenantOption = "",
    staff: Annotated[bool, typer.Option("--staff", help="A staff member's: all tenants.")] = False,
    until: Annotated[
        datetime | None, typer.Option(help="The end, UTC; without it, until it is revoked.")
    ] = None,
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token and print it, once.

    Example: consentry token add shop --tenant acme --allow suppressions:read

    Keep it like a password; it is sent as `Authorization: Bearer cs_...`, over https only.
    """
    _check(name, tenant, staff, allow)
    ends = None if until is None else until.replace(tzinfo=UTC).timestamp()
    now = time.time()
    if ends is not None and ends <= now:
        fail("that end is over already")
    with open_records(config) as records:
        if tenant and tenant not in records.loaded.tenants:
            fail(f"{tenant}: no such tenant")
        try:
            with records.database.transaction() as connection:
                text, token = issue(connection, name, tenant, allow, ends, actor(by), now)
        except NameTaken as error:
            fail(str(error), status=1)
    if as_json:
        show([{"secret": text, **_row(token)}], as_json)
        return
    typer.echo(text)  # on a line of its own: a table's cell may be folded
    show([_row(token)], as_json)


@app.command("list")
def list_command(
    tenant: TenantOption = "", config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Every token, revoked and ended ones too; of one tenant, or of all and the staff.

    Example: consentry token list --tenant acme --json
    """
    with open_records(config) as records, records.database.reading() as connection:
        found = tokens(connection, tenant or None)
    show([_row(token) for token in found], as_json, empty="no token was ever made")


@app.command("revoke")
def revoke_command(
    number: Annotated[
        int, typer.Argument(metavar="TOKEN", min=1, max=MAX_NUMBER, help="As `list` shows it.")
    ],
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a token; its next call is refused.

    Example: consentry token revoke 3
    """
    with open_records(config) as records:
        try:
            with records.database.transaction() as connection:
                token = revoke(connection, number, actor(by), time.time())
        except LookupError as error:
            fail(str(error), status=1)
    show([_row(token)], as_json)


def _check(name: str, tenant: str, staff: bool, allow: list[Permission]) -> None:
    """End the command when the options do not go together."""
    clean(name)
    if not 1 <= len(name) <= 64 or ":" in name or "@" in name:
        fail("a name has 1 to 64 characters, no colon, and is no address")
    if staff == bool(tenant):
        fail("say whose it is: either --tenant NAME or --staff")
    if tenant and (beyond := STAFF_ONLY & set(allow)):
        fail(f"only staff may have {', '.join(sorted(beyond))}")


def _row(token: ApiToken) -> dict[str, object]:
    """A token as the tables show it."""
    return {
        "token": token.id,
        "name": token.name,
        "tenant": token.tenant or "(staff)",
        "allows": sorted(token.permissions),
        "made": when(token.made_at),
        "made_by": token.made_by,
        "ends": when(token.ends_at),
        "state": _state(token),
    }


def _state(token: ApiToken) -> str:
    if token.revoked_at is not None:
        return f"revoked by {token.revoked_by}"
    return "in force" if token.is_live(time.time()) else "over"
