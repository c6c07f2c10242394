"""`consentry serve`, `status`, `reload` and `drain`: running the gateway and asking it.

`serve` supervises two children of itself, `serve --only smtp` and `serve --only web`. The others
speak with them over their control sockets and end with status 1 when nobody answers.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from gateway.commands.shared import ConfigOption, JsonOption, fail, open_config
from gateway.control import SMTP_SOCKET, WEB_SOCKET, ControlError, ask
from gateway.errors import ConfigurationError
from gateway.supervisor import EX_CONFIG, Supervisor, end_with_parent

PANEL = "Run"
DRAIN_MARGIN = 70.0
"""Seconds beyond `drain_seconds` before a child is killed: messages past their dot may finish."""


class Part(StrEnum):
    """The processes of the gateway."""

    SMTP = "smtp"
    WEB = "web"


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for command in (serve, status, reload, drain):
        app.command(rich_help_panel=PANEL)(command)


def serve(
    config: ConfigOption = None,
    only: Annotated[Part | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the gateway in the foreground until SIGTERM or `consentry drain`.

    SIGHUP reloads the configuration without dropping a connection.

    Example: consentry serve --config /etc/consentry/consentry.yaml
    """
    if only is not None:
        _serve_part(only, open_config(config).path)
        return
    loaded = open_config(config)
    for warning in loaded.warnings:
        typer.secho(f"warning: {warning}", fg="yellow", err=True)
    commands = {
        part.value: [
            sys.executable,
            "-m",
            "gateway",
            "serve",
            "--only",
            part,
            "-c",
            str(loaded.path),
        ]
        for part in Part
    }
    supervisor = Supervisor(commands, loaded.config.drain_seconds + DRAIN_MARGIN)
    ended = asyncio.run(supervisor.run())
    raise typer.Exit(2 if ended == EX_CONFIG else ended)


def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show what the running gateway does: sessions, batches, bytes, next hops.

    Example: consentry status --json
    """
    folder = open_config(config).config.state_dir
    found: dict[str, object] = {}
    for part, socket in ((Part.SMTP, SMTP_SOCKET), (Part.WEB, WEB_SOCKET)):
        try:
            found[part] = asyncio.run(ask(folder / socket, "status"))
        except ControlError as error:
            found[part] = {"error": str(error)}
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        table = Table(box=None, show_header=False, pad_edge=False)
        for label, value in lines(found):
            table.add_row(label, value)
        Console(highlight=False, markup=False).print(table)
    if any(isinstance(answer, dict) and "error" in answer for answer in found.values()):
        raise typer.Exit(1)


def reload(config: ConfigOption = None) -> None:
    """Put the changed configuration in force; a bad one leaves the old as it is.

    Example: consentry reload
    """
    folder = open_config(config).config.state_dir
    _, warnings = _reload(folder / SMTP_SOCKET)
    in_force, more = _reload(folder / WEB_SOCKET)
    for warning in dict.fromkeys(warnings + more):
        typer.secho(f"warning: {warning}", fg="yellow", err=True)
    typer.echo(f"configuration {in_force} is in force")


def drain(config: ConfigOption = None) -> None:
    """Take no more mail, finish what is under way, then end the gateway.

    Example: consentry drain
    """
    answer = _ask(open_config(config).config.state_dir / SMTP_SOCKET, "drain")
    sessions = answer.get("sessions", 0)
    typer.echo(f"draining; {sessions} sessions are open, the gateway ends when they have ended")


def lines(value: object, label: str = "") -> Iterator[tuple[str, str]]:
    """A status as rows of label and value; items of a list are labelled by their `name`."""
    match value:
        case dict():
            for name, inner in value.items():
                if name != "name" or not label:
                    yield from lines(inner, f"{label} {name}".strip().replace("_", " "))
        case list() if any(isinstance(item, dict) for item in value):
            for number, item in enumerate(value, 1):
                name = item.get("name", number) if isinstance(item, dict) else number
                yield from lines(item, f"{label} {name}")
        case list():
            yield label, ", ".join(map(str, value)) or "-"
        case int() | float() if label.endswith(("started", "since")):
            yield label, datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        case bool():
            yield label, "yes" if value else "no"
        case int() | float():
            yield label, f"{value:,}"
        case _:
            yield label, "-" if value is None or value == "" else str(value)


def _serve_part(part: Part, path: Path) -> None:
    end_with_parent()
    logging.basicConfig(level=logging.WARNING, format="consentry: %(levelname)s %(message)s")
    try:
        # Imported here: each process loads its own half only.
        match part:
            case Part.SMTP:
                from gateway.app import run_smtp

                run_smtp(path)
            case Part.WEB:
                from gateway.web.server import run_web

                run_web(path)
    except ConfigurationError as error:
        fail(str(error), EX_CONFIG)


def _reload(socket: Path) -> tuple[str, list[str]]:
    answer = _ask(socket, "reload")
    warnings = answer.get("warnings")
    return str(answer.get("config", "")), list(warnings) if isinstance(warnings, list) else []


def _ask(socket: Path, verb: str) -> Mapping[str, object]:
    try:
        answer = asyncio.run(ask(socket, verb))
    except ControlError as error:
        fail(str(error), 1)
    return answer if isinstance(answer, dict) else {}
