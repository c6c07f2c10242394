"""`consentry purge`: remove what is past its time now, instead of at the next daily run.

Opens the records directly, beside a running gateway, and tells what went, table by table. Exit
status 1 when something could not be removed.
"""

from __future__ import annotations

import time
from typing import Annotated

import typer

from gateway.commands.records import open_records
from gateway.commands.shared import ByOption, ConfigOption, JsonOption, actor, fail, show
from gateway.control import ControlError
from gateway.privacy.purge import purge_all


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("purge", rich_help_panel="Look into it")(purge)


def purge(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed, only.")
    ] = False,
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove records and journal files past the time that `retention` gives them.

    Example: consentry purge --dry-run

    The gateway does the same once a day.
    """
    with open_records(config) as records:
        settings = records.loaded.config
        try:
            removed = purge_all(
                records.database, records.keyring, settings, time.time(), actor(by), dry_run
            )
        except (ControlError, OSError) as error:
            fail(f"not finished: {error}", status=1)
    word = "would_go" if dry_run else "removed"
    show(
        [{"what": name.replace("_", " "), word: count} for name, count in removed.items()], as_json
    )
