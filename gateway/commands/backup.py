"""`consentry backup`, `restore` and `opt-outs accept`: a copy of the records, and back from it.

A restore brings later opt-outs, protections and erasures back from the opt-out log, which a backup
does not hold. Without the log it is refused, unless somebody says why it must be.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from gateway.commands.records import open_records
from gateway.commands.running import stopped
from gateway.commands.shared import (
    ByOption,
    ConfigOption,
    JsonOption,
    actor,
    clean,
    fail,
    open_config,
    show,
)
from gateway.config.load import Loaded
from gateway.config.model import GatewayConfig
from gateway.errors import ConsentryError
from gateway.records import audit
from gateway.records.backup import (
    DATABASE,
    BackupUnusable,
    Manifest,
    check,
    lacks,
    make_backup,
    put_back,
)
from gateway.records.database import open_database
from gateway.records.keyring import open_keyring
from gateway.records.opt_out_anew import begin_anew, go_without
from gateway.records.opt_out_file import LogBroken
from gateway.records.opt_out_log import owing
from suppression.keys import Keyring

PANEL = "Run"
app = typer.Typer(no_args_is_help=True, help="The opt-out log: begin a new one.")

WhyOption = Annotated[
    str, typer.Option(help="Why; kept in the audit trail.", callback=clean, show_default=False)
]


def register(target: typer.Typer) -> None:
    """Add the commands to `target`."""
    for command in (backup, restore):
        target.command(rich_help_panel=PANEL)(command)
    target.add_typer(app, name="opt-outs", rich_help_panel=PANEL)


def backup(
    folder: Annotated[Path, typer.Argument(help="Where a new folder is made for it.")],
    journal: Annotated[bool, typer.Option("--journal", help="Also the event journal.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Back the records up while the gateway runs, and check what was written.

    The keyring and the opt-out log are not in it: keep copies of those elsewhere.

    Example: consentry backup /var/backups/consentry
    """
    settings = open_config(config).config
    try:
        open_database(settings.database, settings.opt_out_log, node=settings.node).close()
    except LogBroken as trouble:  # then a backup is wanted all the more
        typer.secho(f"warning: {trouble}", fg="yellow", err=True)
    files = sorted((settings.state_dir / "journal").glob("*.jsonl")) if journal else []
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    try:
        with Progress(
            *columns,
            TimeRemainingColumn(),
            console=console,
            disable=as_json or not console.is_terminal,
            transient=True,
        ) as bar:
            task = bar.add_task("copying")
            made, manifest = make_backup(
                settings.database,
                folder,
                time.time(),
                journal=files,
                progress=lambda done, of: bar.update(task, completed=done, total=of),
            )
    except OSError as error:
        fail(f"{error.filename or folder}: {error.strerror}", status=1)
    row: dict[str, object] = {
        "backup": str(made),
        "octets": sum((made / name).stat().st_size for name in manifest.files),
        "opt_outs": manifest.seen(settings.node).number,
        "audit_records": manifest.audit_number,
    }
    show([row], as_json)


def restore(
    folder: Annotated[Path, typer.Argument(help="A backup: the folder that `backup` printed.")],
    without_opt_outs: Annotated[
        bool,
        typer.Option(
            "--without-opt-outs",
            help="The opt-out log is lost: whoever opted out since the backup is mailed again.",
        ),
    ] = False,
    why: WhyOption = "",
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a backup in the place of the records, and replay the opt-out log over it.

    The gateway must be stopped. A SQLite file that was there is kept aside; what was in PostgreSQL
    is replaced, and no mail passes before each of its nodes has been started again.

    Example: consentry restore /var/backups/consentry/consentry-20270115T081500Z
    """
    loaded = open_config(config)
    settings = loaded.config
    if without_opt_outs and not why:
        fail("--without-opt-outs needs a reason: --why ...")
    try:
        with stopped(settings.state_dir):
            row = _restore(loaded, folder, why if without_opt_outs else "", actor(by))
    except OSError as error:
        fail(f"{error.filename or folder}: {error.strerror}", status=1)
    show([row], as_json)


@app.command()
def accept(
    why: WhyOption,
    node: Annotated[
        str,
        typer.Option(help="Another node that is lost with its log: restored records go without."),
    ] = "",
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """Begin a new opt-out log from what the records have, when the old one is lost or broken.

    The gateway must be stopped. What is left of the old log is kept beside the new one.

    Example: consentry opt-outs accept --why "disk of 3 May lost, checked with the mirror"
    """
    settings = open_config(config).config
    if node and node != settings.node:
        with open_records(config) as records:
            if not go_without(records.database, node, actor(by), why):
                fail(f"{node}: the records wait for no log of such a node")
        typer.echo(f"the records wait for the log of {node} no longer")
        return
    with stopped(settings.state_dir):
        if isinstance(settings.database, Path) and not settings.database.exists():
            fail(f"{settings.database}: there are no records; see `consentry restore`")
        aside = begin_anew(settings.database, settings.opt_out_log, settings.node, actor(by), why)
        open_database(
            settings.database, settings.opt_out_log, node=settings.node, is_thorough=True
        ).close()
    kept = f"; the old one is {aside}" if aside else ""
    typer.echo(f"{settings.opt_out_log} begins anew{kept}")


def _restore(loaded: Loaded, folder: Path, why: str, who: str) -> dict[str, object]:
    settings = loaded.config
    manifest = check(folder)
    _same_keyring(settings, manifest)
    node, place = settings.node, settings.database
    missing = lacks(manifest, settings.opt_out_log, node)
    if isinstance(place, Path) and manifest.nodes.keys() - {node}:
        others = ", ".join(sorted(manifest.nodes.keys() - {node}))
        missing = missing or f"the opt-out logs of other nodes ({others}) cannot be replayed here"
    if missing and not why:
        raise BackupUnusable(
            f"{missing}. Without it whoever opted out since the backup would be mailed again. Put "
            "it back; if it is lost, restore with --without-opt-outs --why ..."
        )
    now = time.time()
    before = _head(settings)
    if isinstance(place, Path):
        aside = put_back(folder, place, node, now)
    else:
        # Imported here: who has SQLite needs nothing of it.
        from gateway.records.server_backup import put_in

        aside = None
        put_in(folder / DATABASE, place, settings.opt_out_log, node, manifest.identity)
    if lacks(manifest, settings.opt_out_log, node):
        begin_anew(place, settings.opt_out_log, node, who, why)
    database = open_database(place, settings.opt_out_log, node=node, is_thorough=True)
    try:
        open_keyring(database, settings.keyring)
        replayed = database.opt_outs.replayed
        with database.reading() as connection:
            waiting = owing(connection)
        with database.transaction() as connection:
            audit.append(
                connection,
                at=now,
                actor=who,
                action="backup.restored",
                detail={
                    "made_at": manifest.made_at,
                    "kept": manifest.audit_number,
                    "until": before,
                    "opt_outs_replayed": replayed,
                    "without_opt_outs": why if missing else "",
                },
            )
    finally:
        database.close()
    return {
        "restored": str(folder),
        "opt_outs_replayed": replayed,
        "old_records": None if aside is None else str(aside),
        "waits_for_nodes": waiting,
    }


def _same_keyring(settings: GatewayConfig, manifest: Manifest) -> None:
    known = {
        str(number): mark for number, mark in Keyring.load(settings.keyring).fingerprints().items()
    }
    if not manifest.keyring.items() <= known.items():
        raise BackupUnusable(
            f"{settings.keyring}: is not the keyring that the backup was written under; put the "
            "right one back first"
        )


def _head(settings: GatewayConfig) -> int | None:
    """How far the audit trail had come that is replaced, when it can still be read."""
    if isinstance(settings.database, Path) and not settings.database.exists():
        return None
    try:
        database = open_database(settings.database, settings.opt_out_log, node=settings.node)
    except ConsentryError:
        return None
    with database.reading() as connection:
        number, _ = audit.head(connection)
    database.close()
    return number
