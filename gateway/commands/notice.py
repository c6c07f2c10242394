"""`consentry notice`: see what tenants were told about their cases, and send it once more."""

from __future__ import annotations

import email
import email.policy
import time
from typing import Annotated

import typer

from gateway.commands.records import open_records, when
from gateway.commands.shared import (
    MAX_NUMBER,
    ByOption,
    ConfigOption,
    JsonOption,
    actor,
    clean,
    fail,
    show,
)
from gateway.records import audit, notices
from gateway.records.blocks import case_id, case_number
from gateway.records.notices import Mail, Notice
from suppression.masking import mask

app = typer.Typer(no_args_is_help=True, help="Mail to tenants about their cases.")


def register(target: typer.Typer) -> None:
    """Add the group to `target`."""
    target.add_typer(app, name="notice", rich_help_panel="Abuse desk")


NumberArgument = Annotated[
    int, typer.Argument(min=1, max=MAX_NUMBER, help="The notice's number, as `list` shows it.")
]


@app.command("list")
def list_command(
    tenant: Annotated[str, typer.Argument(help="Only this tenant's.")] = "",
    case: Annotated[str, typer.Option(help="Only this case's, such as C-000123.")] = "",
    stuck: Annotated[
        bool, typer.Option("--stuck", help="Only those refused or without a contact.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the newest notices and what came of them.

    Example: consentry notice list --stuck
    """
    try:
        number = case_number(case) if case else 0
    except ValueError as error:
        fail(str(error))
    with open_records(config) as records, records.database.reading() as connection:
        if stuck:
            found = notices.stuck(connection, limit)
        elif number:
            found = notices.list_of(connection, number)[:limit]
        else:
            found = notices.recent(connection, tenant, limit)
    rows = [_row(one) for one in found if one.tenant == tenant or not tenant]
    show(rows, as_json)


@app.command("show")
def show_command(
    number: NumberArgument,
    reason: Annotated[
        str | None,
        typer.Option(help="Show addresses in full, for this reason; on record.", callback=clean),
    ] = None,
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """Print a notice as it left; addresses are masked unless a reason is given.

    Example: consentry notice show 17
    """
    with open_records(config) as records:
        try:
            with records.database.reading() as connection:
                notice = notices.find(connection, number)
                mail = notices.mail_of(connection, records.keyring, notice)
        except LookupError as error:
            fail(str(error), status=1)
        if mail is None:
            fail("it has not been written yet, or what it named was erased", status=1)
        if reason is not None:
            with records.database.transaction() as connection:
                audit.append(
                    connection,
                    at=time.time(),
                    actor=actor(by),
                    action="notice.revealed",
                    scope=notice.tenant,
                    detail={"notice": number, "case": case_id(notice.case), "reason": reason},
                )
    text = _text(mail)
    typer.echo(text if reason is not None else mask(text))


@app.command("resend")
def resend_command(
    number: NumberArgument,
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """Send a notice once more, as things are now and to the tenant's present contact.

    Example: consentry notice resend 17

    It is a new mail with a Message-ID of its own; the running gateway sends it.
    """
    with open_records(config) as records:
        try:
            with records.database.transaction() as connection:
                again = notices.resend(connection, number, actor(by), time.time())
        except LookupError as error:
            fail(str(error), status=1)
    typer.echo(f"notice {again} to be sent")


def _row(notice: Notice) -> dict[str, object]:
    return {
        "number": notice.number,
        "case": case_id(notice.case),
        "tenant": notice.tenant,
        "kind": notice.kind.value,
        "language": notice.language,
        "made": when(notice.made_at),
        "state": notice.state.value,
        "attempts": notice.attempts,
        "repeats": notice.repeats,
        "sent": when(notice.sent_at),
        "next": when(notice.next_at),
        "said": notice.said,
    }


def _text(mail: Mail) -> str:
    """Our own mail, decoded: whom it went to, its subject and date, and its text."""
    parsed = email.message_from_bytes(mail.octets, policy=email.policy.default)
    names = ("From", "To", "Reply-To", "Subject", "Date", "Message-ID")
    head = "\n".join(f"{name}: {parsed[name]}" for name in names if parsed[name])
    content = parsed.get_content()
    return f"{head}\n\n{content}".replace("\r\n", "\n")
