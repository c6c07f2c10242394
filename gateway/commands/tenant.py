"""`consentry tenant`: add customers, set passwords, open, disable and list them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from gateway.commands.passwords import PasswordFrom, PasswordOption, take_password
from gateway.commands.shared import (
    ByOption,
    ConfigOption,
    JsonOption,
    actor,
    clean,
    open_config,
    show,
)
from gateway.config import edit, write
from gateway.config.load import Loaded
from gateway.config.templates import TenantDraft, tenant_yaml
from gateway.config.values import to_a_label
from gateway.errors import ConfigurationError
from gateway.message.dkim_keys import KeyKind, new_key, zone_line
from gateway.words import StreamKind
from policies.terms import TenantState

app = typer.Typer(no_args_is_help=True, help="Customers: add, open, disable, passwords.")


def register(target: typer.Typer) -> None:
    """Add the group to `target`."""
    target.add_typer(app, name="tenant", rich_help_panel="Customers")


SELECTOR = "consentry"
RELOAD = "The running gateway sees it after `consentry reload`."


NameArgument = Annotated[str, typer.Argument(help="The tenant's name.")]


@app.command()
def add(
    name: NameArgument,
    domain: Annotated[
        list[str], typer.Option(help="A sender domain; repeat for more. Gets its own DKIM key.")
    ],
    stream: Annotated[
        list[str] | None,
        typer.Option(
            help="name:kind with kind list, inquiry or transactional; the first is the default.",
            show_default="main:list",
        ),
    ] = None,
    password: PasswordOption = PasswordFrom.GENERATE,
    config: ConfigOption = None,
) -> None:
    """Add a customer, closed until `consentry tenant open`.

    Example: consentry tenant add acme --domain acme.example --stream weekly:list \
--stream orders:transactional
    """
    loaded = open_config(config)
    folder = loaded.path.parent
    try:
        domains = [to_a_label(text) for text in domain]
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    for owner, other in loaded.tenants.items():
        if taken := next((own for own in domains if own in other.domains), None):
            raise ConfigurationError(f"{taken} belongs to tenant {owner}")
    streams = dict(map(_stream, stream or ["main:list"]))
    secret, generated = take_password(password)
    pems = {own: new_key(KeyKind.RSA) for own in domains}
    paths = {own: folder / f"keys/dkim/{own}.{SELECTOR}.pem" for own in domains}
    draft = TenantDraft(
        name=name,
        state=TenantState.CLOSED,
        streams=streams,
        dkim={own: str(path.relative_to(folder)) for own, path in paths.items()},
        selector=SELECTOR,
        login=name,
        password_hash=edit.hash_password(secret),
    )
    made = []
    try:
        for own, path in paths.items():
            write.create(path, pems[own])
            made.append(path)
        written = edit.add_tenant(loaded, name, tenant_yaml(draft))
    except (ConfigurationError, OSError) as error:
        for path in made:
            path.unlink()
        if isinstance(error, OSError):
            raise ConfigurationError(f"{error.filename}: {error.strerror}") from None
        raise
    typer.echo(f"wrote {written}")
    _tell(name, generated)
    for own in domains:
        typer.echo(f"Publish this DNS record:\n{zone_line(pems[own], own, SELECTOR)}")
    typer.echo(f'Open it with `consentry tenant open {name} --confirmation "..."`. {RELOAD}')


@app.command()
def passwd(
    name: NameArgument,
    login: Annotated[
        str | None, typer.Option(help="Which login; a new one is added.", show_default="NAME")
    ] = None,
    password: PasswordOption = PasswordFrom.GENERATE,
    config: ConfigOption = None,
) -> None:
    """Give a login a new password, or add a login.

    Example: echo "$SECRET" | consentry tenant passwd acme --password stdin
    """
    loaded = open_config(config)
    secret, generated = take_password(password)
    added = edit.set_password(loaded, name, login or name, edit.hash_password(secret))
    typer.echo(f"login {login or name} {'added' if added else 'changed'}")
    _tell(login or name, generated)
    typer.echo(RELOAD)


@app.command("open")
def open_(
    name: NameArgument,
    confirmation: Annotated[
        str,
        typer.Option(
            help="What the customer confirmed, as you want to prove it later.", callback=clean
        ),
    ],
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """Record what the customer confirmed and let it send at full speed.

    Example: consentry tenant open acme --confirmation "anti-spam terms signed, contract 4711"
    """
    loaded = open_config(config)
    edit.open_tenant(loaded, name, confirmation, actor(by), datetime.now(UTC))
    typer.echo(f"{name} is open. {RELOAD}")


@app.command()
def disable(name: NameArgument, config: ConfigOption = None) -> None:
    """Refuse everything from a customer; its file and records stay.

    Example: consentry tenant disable acme && consentry reload
    """
    edit.set_state(open_config(config), name, TenantState.DISABLED)
    typer.echo(f"{name} is disabled. {RELOAD}")


@app.command("list")
def list_(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the customers with their state, domains, streams and logins.

    Example: consentry tenant list --json
    """
    show(_rows(open_config(config)), as_json, empty="no tenants yet; `consentry tenant add`")


def _rows(loaded: Loaded) -> list[dict[str, object]]:
    return [
        {
            "tenant": name,
            "state": str(tenant.state),
            "domains": list(tenant.domains),
            "streams": [f"{stream}:{said.kind}" for stream, said in tenant.streams.items()],
            "logins": [login.name for login in tenant.logins],
        }
        for name, tenant in loaded.tenants.items()
    ]


def _stream(text: str) -> tuple[str, StreamKind]:
    name, _, kind = text.partition(":")
    try:
        return name, StreamKind(kind)
    except ValueError:
        raise ConfigurationError(
            f"--stream {text}: write name:kind with kind {', '.join(StreamKind)}"
        ) from None


def _tell(login: str, generated: str) -> None:
    if generated:
        typer.echo(f"Login {login}, password {generated} (shown this once).")
