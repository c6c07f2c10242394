"""`consentry serve`, `restart`, `status`, `reload` and `drain`: running the gateway and asking it.

`serve` supervises children of itself, `serve --role smtp`, `--role web` and, with Redis,
`--role jobs`; `gateway.processes` says which. The others speak with them over their control sockets
and end with status 1 when one does not answer.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from gateway.commands.shared import ConfigOption, JsonOption, fail, open_config
from gateway.config.load import Loaded, load
from gateway.control import ControlError, ControlServer, ask
from gateway.errors import ConfigurationError
from gateway.loading import at_rest
from gateway.node import ask_all, smtp_status
from gateway.processes import Process, Role, processes_of, workers_of
from gateway.socket_keeper import SocketKeeper
from gateway.supervisor import EX_CONFIG, START_PATIENCE, Supervisor, end_with_parent

PANEL = "Run"
DRAIN_MARGIN = 70.0
"""Seconds beyond `drain_seconds` before a child is killed: messages past their dot may finish."""
SUPERVISOR_SOCKET = "supervisor.sock"


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for command in (serve, restart, status, reload, drain):
        app.command(rich_help_panel=PANEL)(command)


def serve(
    config: ConfigOption = None,
    role: Annotated[
        Role | None,
        typer.Option(help="Run one process alone, without a supervisor: smtp, web or jobs."),
    ] = None,
    worker: Annotated[
        int, typer.Option(min=1, help="With `--role smtp`: which of the `workers`.")
    ] = 1,
) -> None:
    """Run the gateway in the foreground until SIGTERM or `consentry drain`.

    It starts `workers` SMTP processes, a web process, and with `redis` one for jobs; what crashes
    is started again. SIGHUP reloads the configuration without dropping a connection.

    Example: consentry serve --config /etc/consentry/consentry.yaml
    """
    loaded = open_config(config)
    if role is not None:
        _serve_one(Process(role, worker), loaded)
        return
    for warning in loaded.warnings:
        typer.secho(f"warning: {warning}", fg="yellow", err=True)
    ended = asyncio.run(_supervise(loaded))
    raise typer.Exit(2 if ended == EX_CONFIG else ended)


def restart(config: ConfigOption = None) -> None:
    """Start each process anew, one at a time, without a refused connection.

    For a new version of the gateway, or a setting that needs a restart, such as `workers`. The next
    process ends only when the successor of the last one serves; connections wait meanwhile.

    Example: consentry restart
    """
    loaded = open_config(config)
    settings = loaded.config
    patience = settings.drain_seconds + DRAIN_MARGIN + START_PATIENCE
    answer = _ask(
        settings.state_dir / SUPERVISOR_SOCKET,
        "restart",
        patience=patience * (len(processes_of(settings)) + 1),
    )
    done = answer.get("done")
    for line in done if isinstance(done, list) else []:
        typer.echo(line)


def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show what the running gateway does: sessions, batches, bytes, next hops, workers.

    Example: consentry status --json
    """
    settings = open_config(config).config
    answers = asyncio.run(ask_all(settings.state_dir, processes_of(settings), "status"))
    found: dict[str, object] = {
        "smtp": smtp_status({one: answers[one] for one in workers_of(settings)}),
        **{
            one.name: {"error": str(said)} if isinstance(said, ControlError) else said
            for one, said in answers.items()
            if one.role is not Role.SMTP
        },
    }
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        table = Table(box=None, show_header=False, pad_edge=False)
        for label, value in lines(found):
            table.add_row(label, value)
        Console(highlight=False, markup=False).print(table)
    if any(isinstance(answer, ControlError) for answer in answers.values()):
        raise typer.Exit(1)


def reload(config: ConfigOption = None) -> None:
    """Put the changed configuration in force; a bad one leaves the old as it is.

    Example: consentry reload
    """
    settings = open_config(config).config
    in_force: set[str] = set()
    warnings: dict[str, None] = {}
    troubles = []
    workers = workers_of(settings)
    answers = asyncio.run(ask_all(settings.state_dir, workers, "reload"))
    if not any(isinstance(said, ControlError) for said in answers.values()):
        others = [one for one in processes_of(settings) if one not in workers]
        answers |= asyncio.run(ask_all(settings.state_dir, others, "reload"))
    for process, said in answers.items():
        if isinstance(said, ControlError):
            troubles.append(f"{process.name}: {said}")
        elif isinstance(said, Mapping):
            in_force.add(str(said.get("config")))
            warnings |= dict.fromkeys(map(str, said.get("warnings") or ()))
    for warning in warnings:
        typer.secho(f"warning: {warning}", fg="yellow", err=True)
    for name in sorted(in_force):
        typer.echo(f"configuration {name} is in force")
    if troubles:
        fail("\n".join(troubles), 1)


def drain(config: ConfigOption = None) -> None:
    """Take no more mail, finish what is under way, then end the gateway.

    Example: consentry drain
    """
    settings = open_config(config).config
    answers = asyncio.run(ask_all(settings.state_dir, workers_of(settings), "drain"))
    sessions = [said["sessions"] for said in answers.values() if isinstance(said, Mapping)]
    if not sessions:
        fail("; ".join(dict.fromkeys(map(str, answers.values()))), 1)
    typer.echo(
        f"draining; {sum(sessions)} sessions are open, the gateway ends when they have ended"
    )


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


def commands_of(loaded: Loaded) -> dict[str, list[str]]:
    """The command line of each process that the configuration wants, by its name."""
    alone = [sys.executable, "-m", "gateway", "serve", "--config", str(loaded.path), "--role"]
    return {
        one.name: [*alone, one.role.value, "--worker", str(one.number)]
        for one in processes_of(loaded.config)
    }


async def _supervise(loaded: Loaded) -> int:
    """Run all processes until they have ended; the exit status of the service."""
    settings, state_dir = loaded.config, loaded.config.state_dir
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    keeper = SocketKeeper(state_dir, lambda pid: supervisor.serves(pid))
    supervisor = Supervisor(
        commands_of(loaded), settings.drain_seconds + DRAIN_MARGIN, keeper.forget
    )

    async def restart_all(_request: Mapping[str, object]) -> object:
        fresh = await asyncio.to_thread(load, loaded.path)
        return {"done": await supervisor.restart(commands_of(fresh))}

    async def describe(_request: Mapping[str, object]) -> object:
        return supervisor.describe()

    control = ControlServer(
        state_dir / SUPERVISOR_SOCKET, {"restart": restart_all, "status": describe}
    )
    await keeper.start()
    try:
        await control.start()
        return await supervisor.run()
    finally:
        await control.close()
        await keeper.close()


def _serve_one(process: Process, loaded: Loaded) -> None:
    end_with_parent()
    logging.basicConfig(level=logging.WARNING, format="consentry: %(levelname)s %(message)s")
    try:
        if process not in processes_of(loaded.config):
            raise ConfigurationError(f"{loaded.path}: {process.name} is not among its processes")
        # Imported here: each process loads its own part only.
        match process.role:
            case Role.SMTP:
                with at_rest():
                    from gateway.app import run_smtp

                run_smtp(loaded, process)
            case Role.WEB:
                with at_rest():
                    from gateway.web.server import run_web

                run_web(loaded)
            case Role.JOBS:
                with at_rest():
                    from gateway.jobs_process import run_jobs_process

                run_jobs_process(loaded)
    except ConfigurationError as error:
        fail(str(error), EX_CONFIG)


def _ask(socket: Path, verb: str, patience: float = 10.0) -> Mapping[str, object]:
    try:
        answer = asyncio.run(ask(socket, verb, patience=patience))
    except ControlError as error:
        fail(str(error), 1)
    return answer if isinstance(answer, dict) else {}
