"""The `consentry` command: puts the groups of `gateway.commands` together.

Holds no logic. Exit status: 0 done, 1 a store or the running gateway could not answer, 2 wrong
use or a configuration error.
"""

from __future__ import annotations

import os
import sys

import typer

from gateway.commands import (
    audit,
    backup,
    block,
    case,
    config,
    consent,
    dkim,
    fee,
    journal,
    key,
    notice,
    pre_check,
    purge,
    report,
    sanctions,
    service,
    staff,
    status_link,
    subject,
    subject_acts,
    suppress,
    tenant,
    token,
    webhook,
)
from gateway.errors import ConfigurationError, ConsentryError

app = typer.Typer(
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

config.register(app)
service.register(app)
journal.register(app)
config.register_reference(app)
backup.register(app)
app.add_typer(key.app, name="key", rich_help_panel="Run")
app.add_typer(tenant.app, name="tenant", rich_help_panel="Customers")
app.add_typer(dkim.app, name="dkim", rich_help_panel="Customers")
app.add_typer(token.app, name="token", rich_help_panel="Customers")
pre_check.register(app)
status_link.register(app)
app.add_typer(webhook.app, name="webhook", rich_help_panel="Customers")
app.add_typer(staff.app, name="staff", rich_help_panel="Abuse desk")
app.add_typer(suppress.app, name="suppress", rich_help_panel="Abuse desk")
app.add_typer(consent.app, name="consent", rich_help_panel="Abuse desk")
app.add_typer(notice.app, name="notice", rich_help_panel="Abuse desk")
app.add_typer(case.app, name="case", rich_help_panel="Abuse desk")
app.add_typer(report.app, name="report", rich_help_panel="Abuse desk")
app.add_typer(fee.app, name="fee", rich_help_panel="Abuse desk")
app.add_typer(block.app, name="block", rich_help_panel="Abuse desk")
app.add_typer(sanctions.app, name="sanctions", rich_help_panel="Abuse desk")
app.add_typer(audit.app, name="audit", rich_help_panel="Abuse desk")
app.add_typer(subject.app, name="subject", rich_help_panel="Abuse desk")
subject_acts.register(subject.app)
purge.register(app)


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
