"""`consentry init`, `check-config`, `schema` and `docs`: the configuration's own commands."""

from __future__ import annotations

import json
import socket
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gateway import reference as replies
from gateway.commands.shared import ConfigOption, JsonOption, fail, find_config, show
from gateway.config import reference as configuration
from gateway.config.document import Finding
from gateway.config.example import DOMAIN, write_example
from gateway.config.load import inspect
from gateway.config.values import to_a_label
from gateway.errors import ConfigurationError
from gateway.presets import read_preset
from gateway.sanctions import reference as sanction_pages

PANEL = "Set up"


class FileKind(StrEnum):
    """The two kinds of file."""

    GATEWAY = "gateway"
    TENANT = "tenant"


class Page(StrEnum):
    """The generated pages of documentation."""

    API = "api"
    CONFIGURATION = "configuration"
    PRIVACY = "privacy"
    REPLIES = "replies"
    SANCTIONS = "sanctions"


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command(rich_help_panel=PANEL)(init)
    app.command("check-config", rich_help_panel=PANEL)(check_config)
    app.command(rich_help_panel="Reference")(schema)
    app.command(rich_help_panel="Reference")(docs)


def init(
    folder: Annotated[Path, typer.Argument(help="Where to write; made when absent.")] = Path(),
    hostname: Annotated[
        str | None,
        typer.Option(help="The gateway's DNS name.", show_default="this machine's name"),
    ] = None,
) -> None:
    """Write a commented example configuration with keys and a certificate.

    Everything secret is made on the spot and readable by you only; nothing is overwritten.

    Example: consentry init /etc/consentry --hostname mail.example.com
    """
    try:
        name = to_a_label(hostname or socket.getfqdn())
        example = write_example(folder, name)
    except (ConfigurationError, ValueError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
    for path in example.files:
        typer.echo(f"wrote {path}")
    typer.echo(
        f"\nLogin {example.login}, password {example.password} (shown this once).\n"
        f"Sender domain {DOMAIN}, DKIM key in keys/dkim.\n"
        f"Next: read {folder / 'consentry.yaml'}, then\n"
        f"  consentry check-config --config {folder / 'consentry.yaml'}\n"
        f"  consentry serve --config {folder / 'consentry.yaml'}"
    )


def check_config(
    config: ConfigOption = None,
    as_json: JsonOption = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail, too.")] = False,
) -> None:
    """Name file, line and key of everything wrong or unsafe.

    Exit status: 0 when the gateway would start, 2 when not.

    Example: consentry check-config --strict --config /etc/consentry/consentry.yaml
    """
    path = find_config(config)
    found = inspect(path)
    if as_json:
        show([*_rows("error", found.errors), *_rows("warning", found.warnings)], as_json=True)
    else:
        console = Console(soft_wrap=True, highlight=False, markup=False)
        for finding in found.errors:
            console.print(f"error: {finding}", style="red")
        for finding in found.warnings:
            console.print(f"warning: {finding}", style="yellow")
        console.print(_summary(len(found.errors), len(found.warnings)))
    if found.errors or (strict and found.warnings):
        raise typer.Exit(2)


def schema(
    kind: Annotated[FileKind, typer.Argument(help="Which file.")] = FileKind.GATEWAY,
) -> None:
    """Print the JSON Schema of consentry.yaml or of a tenant's file.

    Example: consentry schema tenant > tenant.schema.json
    """
    typer.echo(json.dumps(configuration.schema(kind.value), indent=2))


def docs(
    page: Annotated[Page, typer.Argument(help="Which page.")],
    preset: Annotated[
        str, typer.Argument(help="Of sanctions: the preset, by name or path.")
    ] = "standard",
) -> None:
    """Print a generated page of the documentation.

    Example: consentry docs sanctions niebieski > docs/sanctions/niebieski.md
    """
    match page:
        case Page.API:
            # Not above: every command would load the web framework for it.
            from gateway.web.api.reference import markdown

            typer.echo(markdown(), nl=False)
        case Page.CONFIGURATION:
            typer.echo(configuration.markdown(), nl=False)
        case Page.PRIVACY:
            # Not above: every command would load the records for it.
            from gateway.privacy.reference import markdown as privacy

            typer.echo(privacy(), nl=False)
        case Page.REPLIES:
            typer.echo(replies.markdown(), nl=False)
        case Page.SANCTIONS:
            typer.echo(sanction_pages.markdown(read_preset(preset)), nl=False)


def _rows(severity: str, findings: tuple[Finding, ...]) -> list[dict[str, object]]:
    return [
        {
            "severity": severity,
            "file": str(finding.file),
            "line": finding.line,
            "key": ".".join(map(str, finding.keys)),
            "text": finding.text,
        }
        for finding in findings
    ]


def _summary(errors: int, warnings: int) -> str:
    counts = f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
    return f"{counts}: {'the gateway would not start' if errors else 'the gateway would start'}"
