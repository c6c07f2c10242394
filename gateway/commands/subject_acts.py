"""`consentry subject erase|rectify|object|restrict|unrestrict`: what is done on a person's request.

An act names the open request it is done on (`--request`), or says who checked the person's identity
and how (`--identity`), which records one. Exit status 1 when something was refused, not found or
could not be finished; an erasure that could not is finished by running it again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from gateway.commands.records import Records
from gateway.commands.shared import ByOption, ConfigOption, JsonOption, actor, clean, fail, show
from gateway.commands.subject import (
    AddressArgument,
    IdentityOption,
    RequestOption,
    TenantOption,
    app,
    open_people,
    person_of,
)
from gateway.control import ControlError
from gateway.errors import StoreUnavailable
from gateway.privacy.acts import (
    Act,
    Basis,
    erase_person,
    finish_erasure,
    object_person,
    out_of_reach,
    rectify_person,
    restrict_person,
)
from gateway.records.holdings import other_spellings
from gateway.records.rights import unrestrict

OneTenantOption = Annotated[str, typer.Option("--tenant", help="The tenant it is about.")]


def register(target: typer.Typer) -> None:
    """Add the group to `target`, with what `gateway.commands.subject` has in it."""
    target.add_typer(app, name="subject", rich_help_panel="Abuse desk")


@app.command("erase")
def erase_command(
    address: AddressArgument,
    tenant: TenantOption = "",
    request: RequestOption = None,
    identity: IdentityOption = "",
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Destroy all that is readable about a person; a keyed hash keeps mail away from them.

    Example: consentry subject erase jan@example.org --request 12

    Cannot be taken back. Run it again when it could not be finished.
    """
    with open_people(config, tenant) as records:
        with _act(records, address, tenant, request, identity, by) as act:
            done = erase_person(act)
        # Only now: what is not committed yet cannot be cleared from the log.
        settings = records.loaded.config
        try:
            masked = finish_erasure(
                settings.database, settings.state_dir, records.keyring, act.address
            )
            left = out_of_reach(settings.state_dir)
        except (StoreUnavailable, ControlError, OSError) as error:
            fail(f"erased from the records, but not finished: {error}", status=1)
    row = {
        "tenants": list(done.tenants),
        "texts_destroyed": done.destroyed,
        "consents_ended": done.consents_ended,
        "webhooks_dropped": done.webhooks_dropped,
        "journal_lines_masked": masked,
        "not_reached": [str(path) for path in left],
    }
    show([row], as_json)
    if left:
        typer.echo("Delete what was not reached: its texts can still be read.", err=True)


@app.command("rectify")
def rectify_command(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The wrong address.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The right one.")],
    tenant: TenantOption = "",
    request: RequestOption = None,
    identity: IdentityOption = "",
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Correct a person's address: what stops mail to the old one stops it to the new one too.

    Example: consentry subject rectify jna@example.org jan@example.org --request 12

    Consents move. Bounces do not follow: they tell of the old mailbox.
    """
    with (
        open_people(config, tenant) as records,
        _act(records, old, tenant, request, identity, by) as act,
    ):
        done = rectify_person(act, person_of(new))
    row = {"suppressions": done.suppressions, "consents": done.consents, "renewed": done.renewed}
    show([row], as_json)


@app.command("object")
def object_command(
    address: AddressArgument,
    tenant: OneTenantOption,
    request: RequestOption = None,
    identity: IdentityOption = "",
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """Stop all of a tenant's marketing to a person and end their consents.

    Example: consentry subject object jan@example.org --tenant acme --request 12
    """
    with (
        open_people(config, tenant) as records,
        _act(records, address, tenant, request, identity, by) as act,
    ):
        is_new = object_person(act)
    typer.echo("objection recorded" if is_new else "an objection was in force already")


@app.command("restrict")
def restrict_command(
    address: AddressArgument,
    tenant: OneTenantOption,
    request: RequestOption = None,
    identity: IdentityOption = "",
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """Have a tenant's data about a person stored and not used: no mail, export or webhook.

    Example: consentry subject restrict jan@example.org --tenant acme --request 12
    """
    with (
        open_people(config, tenant) as records,
        _act(records, address, tenant, request, identity, by) as act,
    ):
        is_new = restrict_person(act)
    typer.echo("restricted" if is_new else "a restriction was in force already")


@app.command("unrestrict")
def unrestrict_command(
    address: AddressArgument,
    tenant: OneTenantOption,
    why: Annotated[str, typer.Option(help="The ground, for the record.", callback=clean)],
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """End a restriction; the person must have been told before.

    Example: consentry subject unrestrict jan@example.org --tenant acme --why "accuracy settled"
    """
    with open_people(config, tenant) as records, records.database.transaction() as connection:
        person = person_of(address)
        unrestrict(connection, records.keyring, person, tenant, why, actor(by), time.time())
    typer.echo("the restriction has ended")


@contextmanager
def _act(
    records: Records,
    address: str,
    tenant: str,
    request: int | None,
    identity: str,
    by: str | None,
) -> Iterator[Act]:
    """One act in one transaction."""
    basis = Basis(request, identity)
    person = person_of(address)
    with records.database.reading() as connection:
        spellings = tuple(other_spellings(connection, records.keyring, person))
    now = time.time()
    with records.database.transaction() as connection:
        yield Act(connection, records.keyring, person, tenant, basis, actor(by), now, spellings)
