"""`consentry feedback`: mail that comes back, and what is decided about it."""

from __future__ import annotations

import typer

from gateway.commands.ingest import ingest

app = typer.Typer(no_args_is_help=True, help="Mail that comes back: take it in, decide storms.")
app.command("ingest")(ingest)


def register(target: typer.Typer) -> None:
    """Add the group to `target`."""
    target.add_typer(app, name="feedback", rich_help_panel="Abuse desk")
