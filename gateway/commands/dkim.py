"""`consentry dkim`: make a signing key for a sender domain, and show the DNS record it needs.

`new` writes the private key (mode 0600, never over an existing file) and prints the record and the
lines for the tenant's file; `dns` prints the record of a key that exists. Neither reads or changes
the configuration. Both end with status 2 and one sentence when they cannot.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.shared import JsonOption, fail
from gateway.config.write import create
from gateway.errors import ConfigurationError
from gateway.message.dkim_keys import KeyKind, new_key, zone_line

app = typer.Typer(help="DKIM keys: make one, print its DNS record.", no_args_is_help=True)


def register(target: typer.Typer) -> None:
    """Add the group to `target`."""
    target.add_typer(app, name="dkim", rich_help_panel="Customers")


DomainOption = Annotated[
    str, typer.Option("--domain", help="The sender domain, in lower case, as an A-label.")
]
SelectorOption = Annotated[
    str, typer.Option("--selector", help="The name of the key under the domain, such as s2025.")
]


@app.command()
def new(
    domain: DomainOption,
    selector: SelectorOption,
    ed25519: Annotated[
        bool, typer.Option("--ed25519", help="An Ed25519 key, to go beside an RSA one.")
    ] = False,
    out: Annotated[Path, typer.Option("--out", help="The folder to write to.")] = Path("keys/dkim"),
    as_json: JsonOption = False,
) -> None:
    """Make a key: write it to a file, print its DNS record and the lines to configure it.

    Example: consentry dkim new --domain acme.example --selector s2030
    """
    pem = new_key(KeyKind.ED25519 if ed25519 else KeyKind.RSA)
    key_file = (out / f"{domain}.{selector}.pem").resolve()
    try:
        record = zone_line(pem, domain, selector)
        create(key_file, pem)
    except ConfigurationError as error:
        fail(str(error))
    except FileExistsError:
        fail(f"{key_file} exists; choose another selector or folder")
    except OSError as error:
        fail(f"{key_file} cannot be written: {error.strerror}")
    settings = (
        f"domains:\n"
        f"  {domain}:\n"
        f"    dkim:\n"
        f"      - selector: {selector}\n"
        f"        key_file: {key_file}"
    )
    if as_json:
        typer.echo(json.dumps({"key_file": str(key_file), "dns": record, "yaml": settings}))
        return
    typer.echo(f"The key is in {key_file}; keep a copy of it, and keep it secret.")
    typer.echo(f"\n1. Publish this DNS record:\n\n{record}")
    typer.echo(f"\n2. Then add this to the tenant's file, and reload:\n\n{settings}")


@app.command()
def dns(
    keyfile: Annotated[Path, typer.Argument(help="A private key in PEM form.")],
    domain: DomainOption,
    selector: SelectorOption,
    as_json: JsonOption = False,
) -> None:
    """Print the TXT record that publishes a key, in zone-file form.

    Example: consentry dkim dns keys/dkim/acme.example.s2030.pem --domain acme.example \
--selector s2030
    """
    try:
        record = zone_line(keyfile.read_bytes(), domain, selector)
    except ConfigurationError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{keyfile} cannot be read: {error.strerror}")
    typer.echo(json.dumps({"dns": record}) if as_json else record)
