"""The `consentry` command: puts the commands of `gateway.commands` together.

Each is imported when it is called: what only reads a file need not wait for a database's library.
Holds no logic of theirs. Exit status: 0 done, 1 a store or the running gateway could not answer,
2 wrong use or a configuration error.
"""

from __future__ import annotations

import os
import sys
from collections import UserDict
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from gateway.errors import ConfigurationError, ConsentryError
from gateway.loading import at_rest

MODULES = {
    **dict.fromkeys(("init", "check-config"), "config"),
    **dict.fromkeys(("serve", "restart", "status", "reload", "drain"), "service"),
    **dict.fromkeys(("tail", "explain"), "journal"),
    **dict.fromkeys(("schema", "docs"), "config"),
    **dict.fromkeys(("backup", "restore", "opt-outs"), "backup"),
    "migrate": "migrate",
    "key": "key",
    "tenant": "tenant",
    "dkim": "dkim",
    "token": "token",
    "pre-check": "pre_check",
    "status-link": "status_link",
    "webhook": "webhook",
    "staff": "staff",
    "suppress": "suppress",
    "consent": "consent",
    "notice": "notice",
    "case": "case",
    "report": "report",
    "feedback": "feedback",
    "fee": "fee",
    "block": "block",
    "sanctions": "sanctions",
    "audit": "audit",
    "index": "index",
    "subject": "subject_acts",
    "purge": "purge",
}
"""Commands and groups in the order that `--help` lists them, and the module of each, whose
`register` adds it to an application."""


class Commands(UserDict[str, Any]):
    """What `MODULES` names; a command is imported when it is first asked for."""

    def __contains__(self, name: object) -> bool:
        return name in MODULES

    def __iter__(self) -> Iterator[str]:
        return iter(MODULES)

    def __len__(self) -> int:
        return len(MODULES)

    def __missing__(self, name: str) -> Any:
        with at_rest():
            module = import_module(f"gateway.commands.{MODULES[name]}")
        holder = typer.Typer(rich_markup_mode="rich")
        module.register(holder)
        self.data.update(get_group(holder).commands)
        return self.data[name]


class OnDemand(TyperGroup):
    """The whole command."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = Commands()


app = typer.Typer(
    cls=OnDemand,
    callback=lambda: None,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""A compliance gateway for outgoing mail: it passes a message only when sender,
recipient and contract allow it.

First steps:

    consentry init /etc/consentry --hostname mail.example.com

    consentry tenant add acme --domain acme.example --stream weekly:list

    consentry check-config

    consentry serve

Settings are found by --config, $CONSENTRY_CONFIG, ./consentry.yaml or
/etc/consentry/consentry.yaml. Commands that print tables print JSON with --json.""",
)


def main() -> None:
    """Run the command; a known trouble is one line, not a stack trace."""
    try:
        app()
    except ConsentryError as error:
        typer.secho(str(error), fg="red", err=True)
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)
    except OSError as error:
        what = error.strerror or str(error)
        typer.secho(f"{error.filename}: {what}" if error.filename else what, fg="red", err=True)
        _let_output_go()
        sys.exit(1)
    except UnicodeError as error:
        typer.secho(f"a text is not valid UTF-8: {error}", fg="red", err=True)
        sys.exit(2)


def _let_output_go() -> None:
    """Keep the interpreter from trying once more, at its end, what could not be written."""
    try:
        output = sys.stdout.fileno()
    except (OSError, ValueError):  # it has no descriptor, or is closed
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)
