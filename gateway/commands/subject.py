"""`consentry subject`: what people ask for their own data, its clock, and the report.

Opens the records directly, beside a running gateway; `subject_acts` adds what is done about them.
Exit status 1 when something was refused or not found.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from tempfile import mkstemp
from typing import Annotated

import typer

from gateway.commands.records import Records, open_records, when
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
from gateway.errors import AddressSyntaxError
from gateway.message.address import parse_mailbox
from gateway.privacy.page import as_html, as_text
from gateway.privacy.report import SubjectReport, make_report
from gateway.records import audit
from gateway.records.database import Connection
from gateway.records.subject_requests import (
    RequestKind,
    RequestRefused,
    close,
    extend,
    list_requests,
    record,
    require_open,
)
from gateway.records.suppressions import Refused
from gateway.words import Address
from suppression.address import a_label

app = typer.Typer(no_args_is_help=True, help="What people ask for their own data.")


class Format(StrEnum):
    """How a report is written."""

    TEXT = "text"
    HTML = "html"
    JSON = "json"


class Language(StrEnum):
    """In which language."""

    EN = "en"
    PL = "pl"


AddressArgument = Annotated[str, typer.Argument(metavar="ADDRESS", help="The person's address.")]
NumberArgument = Annotated[
    int, typer.Argument(metavar="REQUEST", min=1, max=MAX_NUMBER, help="As `list` shows it.")
]
TenantOption = Annotated[str, typer.Option(help="Only what this tenant holds; else all of them.")]
RequestOption = Annotated[
    int | None,
    typer.Option("--request", min=1, max=MAX_NUMBER, help="The open request this is done on."),
]
IdentityOption = Annotated[
    str, typer.Option(help="Who checked the person's identity, and how.", callback=clean)
]


@app.command("record")
def record_command(
    kind: Annotated[RequestKind, typer.Argument(help="What the person asks for.")],
    address: AddressArgument,
    identity: IdentityOption,
    tenant: TenantOption = "",
    received: Annotated[
        datetime | None, typer.Option(help="When it came, UTC; now by default.")
    ] = None,
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Note a request and start its clock of one month.

    Example: consentry subject record access jan@example.org --identity "ann, by a call back"
    """
    now = time.time()
    at = now if received is None else received.replace(tzinfo=UTC).timestamp()
    with open_people(config, tenant) as records:
        with records.database.transaction() as connection:
            person = person_of(address)
            number = record(
                connection,
                records.keyring,
                kind,
                person,
                tenant or "*",
                identity,
                at,
                actor(by),
                now,
            )
        rows = [row for row in _rows(records, "", False) if row["request"] == number]
    show(rows, as_json)


@app.command("list")
def list_command(
    tenant: TenantOption = "",
    everything: Annotated[bool, typer.Option("--all", help="Those done, too.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show requests with the days left of each, the most overdue first.

    Example: consentry subject list --json
    """
    with open_people(config, tenant) as records:
        show(_rows(records, tenant, everything), as_json, "no request is open")


@app.command("extend")
def extend_command(
    number: NumberArgument,
    why: Annotated[str, typer.Option(help="The reason the person is told.", callback=clean)],
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """Give a request two months more, once; tell the person within its first month.

    Example: consentry subject extend 12 --why "the archive of 2019 is on tape"
    """
    with open_people(config) as records, records.database.transaction() as connection:
        due = extend(connection, number, why, actor(by), time.time())
    typer.echo(f"request {number} is due {when(due):%Y-%m-%d}")


@app.command("close")
def close_command(
    number: NumberArgument,
    outcome: Annotated[str, typer.Option(help="What came of it.", callback=clean)],
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """Note that a request is done, or was refused, and what came of it.

    Example: consentry subject close 12 --outcome "identity could not be confirmed; told so"
    """
    with open_people(config) as records, records.database.transaction() as connection:
        close(connection, number, outcome, actor(by), time.time())
    typer.echo(f"request {number} is closed")


@app.command("report")
def report_command(
    address: AddressArgument,
    tenant: TenantOption = "",
    form: Annotated[Format, typer.Option("--format", help="For people or for machines.")] = (
        Format.TEXT
    ),
    language: Annotated[Language, typer.Option(help="Of text and HTML.")] = Language.EN,
    output: Annotated[
        Path | None, typer.Option(help="File to write, its owner's only.", dir_okay=False)
    ] = None,
    request: RequestOption = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema, only.")] = False,
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Everything that is stored about a person; that it was made is on record.

    Example: consentry subject report jan@example.org --format html --output jan.html
    """
    if schema:
        typer.echo(json.dumps(SubjectReport.model_json_schema(mode="serialization"), indent=2))
        return
    now = time.time()
    with open_people(config, tenant) as records:
        person = person_of(address)
        with records.database.transaction() as connection:
            if request is not None:
                _answer(records, connection, request, person, actor(by), now)
            audit.append(
                connection,
                at=now,
                actor=actor(by),
                action="subject.reported",
                scope=tenant or "*",
                key=records.keyring.exact_key(person),
                detail={"request": request},
            )
        state_dir = records.loaded.config.state_dir
        with records.database.reading() as connection:
            report = make_report(connection, records.keyring, state_dir, person, tenant, now)
    match Format.JSON if as_json else form:
        case Format.JSON:
            text = report.model_dump_json(indent=2) + "\n"
        case Format.HTML:
            text = as_html(report, language)
        case Format.TEXT:
            text = as_text(report, language)
    if output is None:
        typer.echo(text, nl=False)
    else:
        _write(output, text)


@contextmanager
def open_people(config: Path | None, tenant: str = "") -> Iterator[Records]:
    """The records; what is refused ends the command with its words."""
    with open_records(config) as records:
        if tenant:
            records.check_scope(tenant)
            if "/" in tenant:
                fail("name a tenant, not one of its streams")
        try:
            yield records
        except (Refused, RequestRefused, LookupError) as error:
            fail(str(error), status=1)


def person_of(text: str) -> Address:
    """The person with this address; ends the command when it is none."""
    try:
        address = parse_mailbox(text)
        a_label(address.domain)
    except AddressSyntaxError as error:
        fail(str(error))
    return address


def _rows(records: Records, tenant: str, everything: bool) -> list[dict[str, object]]:
    now = time.time()
    with records.database.reading() as connection:
        found = list_requests(connection, records.keyring, tenant, with_done=everything)
    return [
        {
            "request": one.id,
            "days_left": one.days_left(now),
            "kind": one.kind.value,
            "scope": one.scope,
            "address": one.address or f"key {one.key.hex()}",
            "received": when(one.received_at),
            "due": when(one.due_at),
            "extended": one.extension or "",
            "identity": one.identity,
            "done": when(one.done_at),
            "outcome": one.outcome,
        }
        for one in found
    ]


def _answer(
    records: Records,
    connection: Connection,
    number: int,
    person: Address,
    by: str,
    now: float,
) -> None:
    """Close the request that a report answers."""
    asked = [one for one in list_requests(connection, records.keyring) if one.id == number]
    is_portability = bool(asked) and asked[0].kind is RequestKind.PORTABILITY
    kind = RequestKind.PORTABILITY if is_portability else RequestKind.ACCESS
    require_open(connection, records.keyring, number, kind, person)
    close(connection, number, "report made", by, now)


def _write(path: Path, text: str) -> None:
    """A file that only its owner may read, there once it is whole."""
    descriptor, name = mkstemp(prefix=f".{path.name}.", dir=path.resolve().parent)
    try:
        with open(descriptor, "w", encoding="utf-8") as out:
            out.write(text)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
