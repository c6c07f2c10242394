"""`consentry webhook`: make a secret, send a test call, see and repeat what tenants are told."""

from __future__ import annotations

import asyncio
import os
import time
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import orjson
import typer

from gateway.commands.records import Records, open_records, when
from gateway.commands.shared import ByOption, ConfigOption, JsonOption, actor, fail, show
from gateway.config.webhook import PREFIX
from gateway.errors import ConfigurationError
from gateway.records import webhooks
from gateway.records.webhooks import Delivery
from gateway.webhooks.call import CallFailed, Endpoint, call, client, endpoints
from gateway.webhooks.targets import Targets

app = typer.Typer(no_args_is_help=True, help="What tenants are told, and whether they have it.")


def register(target: typer.Typer) -> None:
    """Add the group to `target`."""
    target.add_typer(app, name="webhook", rich_help_panel="Customers")


SECRET_OCTETS = 32
TEST = "webhook.test"

TenantArgument = Annotated[str, typer.Argument(help="The tenant's name.")]


@app.command("secret")
def secret_command(
    file: Annotated[Path, typer.Argument(help="File to make (0600) or to add a line to.")],
) -> None:
    """Make a secret for signing, and print it for the receiver.

    Example: consentry webhook secret keys/acme.webhook

    In a file that has one already the new one is added: calls are signed with both until the old
    line is removed.
    """
    secret = PREFIX + b64encode(os.urandom(SECRET_OCTETS)).decode()
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(secret + "\n")
    except OSError as error:
        fail(f"{file}: cannot be written: {error.strerror}", status=1)
    typer.echo(secret)


@app.command("list")
def list_command(
    tenant: Annotated[str, typer.Argument(help="Only this tenant's.")] = "",
    undelivered: Annotated[
        bool, typer.Option("--undelivered", help="Only what waits or was given up.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the newest calls and what came of them.

    Example: consentry webhook list acme --undelivered
    """
    with open_records(config) as records, records.database.reading() as connection:
        if tenant:
            records.check_scope(tenant)
        found = webhooks.recent(connection, tenant, limit, undelivered)
    show([_row(delivery) for delivery in found], as_json)


@app.command("test")
def try_command(tenant: TenantArgument, config: ConfigOption = None) -> None:
    """Send one signed call of the type `webhook.test` now, and say how it was answered.

    Example: consentry webhook test acme
    """
    with open_records(config) as records:
        endpoint = _endpoint(records, tenant)
    try:
        status = asyncio.run(_call(endpoint))
    except CallFailed as error:
        fail(f"{endpoint.url}: {error}", status=1)
    if not 200 <= status < 300:
        fail(f"{endpoint.url}: answered {status}; a receiver answers 2xx", status=1)
    typer.echo(f"{endpoint.url}: answered {status}")


@app.command("retry")
def retry_command(
    tenant: TenantArgument,
    id: Annotated[str, typer.Option(help="Only this one, as `list` shows it.")] = "",
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """Try again at once what was given up or waits; the running gateway sends it.

    Example: consentry webhook retry acme --id msg_0d9c6f
    """
    with open_records(config) as records:
        _endpoint(records, tenant)
        with records.database.transaction() as connection:
            count = webhooks.retry(connection, tenant, id, actor(by), time.time())
    if not count:
        fail("nothing waits and nothing was given up", status=1)
    typer.echo(f"{count} to be sent")


def _endpoint(records: Records, tenant: str) -> Endpoint:
    records.check_scope(tenant)
    try:
        found = endpoints({tenant: records.loaded.tenants[tenant]})
    except ConfigurationError as error:
        fail(str(error))
    if tenant not in found:
        fail(f"{tenant} has no webhook; write `webhook` into its file", status=1)
    return found[tenant]


async def _call(endpoint: Endpoint) -> int:
    now = time.time()
    timestamp = datetime.fromtimestamp(int(now), UTC).isoformat().replace("+00:00", "Z")
    body = orjson.dumps({"type": TEST, "timestamp": timestamp, "data": {}})
    targets = Targets()
    try:
        async with client(endpoint) as connection:
            id = f"msg_{os.urandom(webhooks.TRACKING_OCTETS).hex()}"
            return await call(connection, targets, endpoint, id, int(now), body)
    finally:
        targets.close()


def _row(delivery: Delivery) -> dict[str, object]:
    return {
        "id": delivery.id,
        "tenant": delivery.tenant,
        "event": delivery.kind.value,
        "made": when(delivery.made_at),
        "state": delivery.state,
        "attempts": delivery.attempts,
        "next": when(delivery.next_at),
        "trouble": delivery.trouble,
    }
