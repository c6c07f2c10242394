"""`consentry staff`: who may sign in at the abuse desk, in which role.

Opens the database directly, beside a running gateway: whoever is disabled, or gets another
password or role, is signed out at their next click. Exit status 1 when something was refused or
not found, 2 for a name, password or time zone that will not do.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.passwords import PasswordFrom, PasswordOption, take_password
from gateway.commands.records import open_records, when
from gateway.commands.shared import ByOption, ConfigOption, JsonOption, actor, fail, show
from gateway.config.desk import as_zone
from gateway.config.edit import hash_password
from gateway.config.load import Loaded
from gateway.config.values import NAME
from gateway.errors import AddressSyntaxError
from gateway.message.address import parse_mailbox
from gateway.records import staff
from gateway.records.database import Connection
from gateway.records.staff import Member, NameTaken, email_identity, oidc_identity
from gateway.words import Address, Role

app = typer.Typer(no_args_is_help=True, help="Who may sign in at the abuse desk.")


def register(target: typer.Typer) -> None:
    """Add the group to `target`."""
    target.add_typer(app, name="staff", rich_help_panel="Abuse desk")


NameArgument = Annotated[str, typer.Argument(help="Their name, as the audit trail names them.")]
RoleOption = Annotated[Role, typer.Option(help="What they may do.")]
EmailOption = Annotated[
    str, typer.Option(help="Their verified address at the OpenID provider, instead of a password.")
]
SubjectOption = Annotated[
    str, typer.Option(help="Their `sub` at the OpenID provider, instead of a password.")
]


@app.command("add")
def add_command(
    name: NameArgument,
    role: RoleOption,
    password: PasswordOption = PasswordFrom.GENERATE,
    zone: Annotated[str, typer.Option(help="Time zone of their pages.")] = "",
    email: EmailOption = "",
    subject: SubjectOption = "",
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let somebody in.

    Example: consentry staff add basia --role operator

    They sign in at /desk with the password that is printed once, set up their second factor there
    and may change both.
    """
    if not re.fullmatch(NAME, name):
        fail(f"{name!a}: a name has lower-case letters, digits and hyphens")
    secret, generated = ("", "") if email or subject else take_password(password)
    hashed = hash_password(secret) if secret else None
    with open_records(config) as records:
        identity = None
        if email:
            identity = email_identity(records.keyring, _address(email))
        elif subject:
            identity = oidc_identity(_issuer(records.loaded), subject)
        chosen = _zone(zone or records.loaded.config.desk.zone)
        now, who = time.time(), actor(by)
        try:
            with records.database.transaction() as connection:
                member = staff.add(connection, name, role, chosen, hashed, identity, who, now)
        except NameTaken as error:
            fail(str(error), status=1)
    if generated and not as_json:
        typer.echo(f"Name {name}, password {generated} (shown this once).")
    show([{**({"password": generated} if as_json else {}), **_row(member)}], as_json)


@app.command("passwd")
def passwd_command(
    name: NameArgument,
    password: PasswordOption = PasswordFrom.GENERATE,
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """Give somebody a new password; it signs them out.

    Example: echo "$SECRET" | consentry staff passwd basia --password stdin
    """
    secret, generated = take_password(password)
    hashed = hash_password(secret)
    _change(config, lambda cn: staff.set_password(cn, name, hashed, actor(by), time.time()), False)
    if generated:
        typer.echo(f"Name {name}, password {generated} (shown this once).")


@app.command("role")
def role_command(
    name: NameArgument,
    role: Annotated[Role, typer.Argument(help="What they may do from now on.")],
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give somebody another role; it signs them out.

    Example: consentry staff role basia lead
    """
    _change(config, lambda cn: staff.set_role(cn, name, role, actor(by), time.time()), as_json)


@app.command("disable")
def disable_command(
    name: NameArgument,
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign somebody out and let them in no more.

    Example: consentry staff disable basia
    """
    _change(config, lambda cn: staff.disable(cn, name, actor(by), time.time()), as_json)


@app.command("enable")
def enable_command(
    name: NameArgument,
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let somebody in again who was disabled.

    Example: consentry staff enable basia
    """
    _change(config, lambda cn: staff.enable(cn, name, actor(by), time.time()), as_json)


@app.command("totp-reset")
def totp_reset_command(
    name: NameArgument,
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget somebody's second factor; they set up another at their next sign-in.

    Example: consentry staff totp-reset basia
    """
    _change(config, lambda cn: staff.reset_totp(cn, name, actor(by), time.time()), as_json)


@app.command("list")
def list_command(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Everybody, disabled ones too.

    Example: consentry staff list --json
    """
    with open_records(config) as records, records.database.reading() as connection:
        found = staff.members(connection)
    show([_row(member) for member in found], as_json, empty="nobody may sign in yet")


def _address(text: str) -> Address:
    try:
        return parse_mailbox(text)
    except AddressSyntaxError as error:
        fail(str(error))


def _issuer(loaded: Loaded) -> str:
    oidc = loaded.config.desk.oidc
    if oidc is None:
        fail("desk.oidc: name the OpenID provider in the configuration first")
    return oidc.issuer


def _zone(name: str) -> str:
    try:
        return as_zone(name)
    except ValueError as error:
        fail(str(error))


def _change(config: Path | None, work: Callable[[Connection], Member], as_json: bool) -> None:
    with open_records(config) as records:
        try:
            with records.database.transaction() as connection:
                member = work(connection)
        except LookupError as error:
            fail(str(error), status=1)
    show([_row(member)], as_json)


def _row(member: Member) -> dict[str, object]:
    """A member as the tables show them."""
    ways = {"password": member.has_password, "code": member.has_totp, "openid": member.identity}
    return {
        "name": member.name,
        "role": member.role,
        "signs_in_by": [way for way, has in ways.items() if has],
        "zone": member.zone,
        "made": when(member.made_at),
        "made_by": member.made_by,
        "disabled": when(member.disabled_at),
    }
