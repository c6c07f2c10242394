"""`consentry status-link`: the link to a tenant's status page, for staff to pass on."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.commands.records import open_records
from gateway.commands.shared import ConfigOption, JsonOption, fail, show
from gateway.records.blocks import case_number
from gateway.records.case_view import find_case
from gateway.records.streams import stream_number
from suppression.case_links import NO_CASE, case_link
from suppression.tokens import Tokens


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("status-link", rich_help_panel="Customers")(status_link)


def status_link(
    tenant: Annotated[str, typer.Argument(help="The tenant.")],
    case: Annotated[
        str, typer.Option(help="One case of its, such as C-000123; else the page of them all.")
    ] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the link to a tenant's status page.

    Example: consentry status-link acme --case C-000123

    Whoever has the link sees the page, so send it to the tenant only. To act on the page one needs
    a code that is mailed to the tenant's contact.
    """
    try:
        number = case_number(case) if case else None
    except ValueError as error:
        fail(str(error))
    with open_records(config) as records:
        base = records.loaded.config.web.link
        if not base:
            fail("the pages have no public address: write `web.base_url`")
        tracking = NO_CASE
        with records.database.reading() as connection:
            stored = None if number is None else find_case(connection, number)
        if number is not None:
            if stored is None or stored.case.tenant != tenant:
                fail(f"{tenant} has no case {case}", status=1)
            tracking = stored.tracking
        elif tenant not in records.loaded.tenants:
            fail(f"{tenant}: no such tenant")
        with records.database.transaction() as connection:
            own = stream_number(connection, tenant)
        link = case_link(base, Tokens(records.keyring), own, tracking)
    if as_json:
        show([{"tenant": tenant, "case": case, "link": link}], as_json)
    else:
        typer.echo(link)  # on a line of its own: a table's cell may be folded
