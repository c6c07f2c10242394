"""`consentry consent show|verify|export`: what is on record about a proof, and whether it holds.

`register` adds them to the `consent` group. What is personal in a proof's steps is shown for a
stated reason only, which the audit trail keeps. Exit status 1 when nothing is found, or when a
chain does not hold.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from gateway.commands.records import Records, open_records, when
from gateway.commands.shared import ByOption, ConfigOption, JsonOption, actor, clean, fail, show
from gateway.errors import AddressSyntaxError
from gateway.evidence.gather import Gathered, Story, gather
from gateway.evidence.page import as_html
from gateway.evidence.sheet import Frame, make_sheet
from gateway.message.address import parse_mailbox
from gateway.records import audit, proofs
from gateway.records.database import Connection
from gateway.records.proofs import Proof
from gateway.words import Address
from suppression.masking import mask

TRACKING_DIGITS = 32
ZONES = {"pl": "Europe/Warsaw", "en": "UTC"}


class Language(StrEnum):
    """In which language."""

    EN = "en"
    PL = "pl"


Who = Annotated[str, typer.Argument(help="An address, or a tracking number.")]
Tenant = Annotated[str, typer.Option("--tenant", help="Only this tenant's proofs.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the `consent` group."""
    app.command("show")(show_command)
    app.command("verify")(verify_command)
    app.command("export")(export_command)


def show_command(
    who: Who,
    tenant: Tenant = "",
    reveal: Annotated[
        str,
        typer.Option(help="Why you need what is personal too; kept in the trail.", callback=clean),
    ] = "",
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every proof of an address, or one by its tracking number, step by step.

    Example: consentry consent show jan@example.org --reveal "asked by the data protection office"
    """
    with open_records(config) as records:
        found = _gathered(records, who, tenant)
        if reveal:
            _record(records, found, "consent.revealed", reveal, by)
    if as_json:
        rows = [
            {
                **row_of(story.proof, bool(reveal)),
                "text": story.proof.text,
                "steps": _steps(story, bool(reveal)),
            }
            for story in found.stories
        ]
        show(rows, as_json=True)
        return
    for story in found.stories:
        show([row_of(story.proof, bool(reveal))], as_json=False)
        show(
            [
                {
                    "step": step["step"],
                    "at": step["at"],
                    "what": step["what"],
                    "facts": json.dumps(step["facts"], ensure_ascii=False),
                    **({"personal": json.dumps(step["personal"])} if reveal else {}),
                }
                for step in _steps(story, bool(reveal))
            ],
            as_json=False,
        )


def verify_command(
    tenant: Annotated[str, typer.Argument(help="One tenant; all without it.")] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check every step of every proof against the hash chain; status 1 names the first bad one.

    Example: consentry consent verify acme
    """
    with open_records(config) as records, records.database.reading() as connection:
        names = [tenant] if tenant else list(proofs.heads(connection))
        rows = []
        for name in names:
            head, flaw = proofs.head(connection, name), proofs.verify(connection, name)
            rows.append(
                {
                    "tenant": name,
                    "steps": head.number,
                    "digest": head.digest.hex(),
                    "first_bad": flaw.number if flaw else None,
                    "why": flaw.why if flaw else "",
                }
            )
    show(rows, as_json, "no proof of consent is on record")
    if any(row["first_bad"] is not None for row in rows):
        raise typer.Exit(1)


def export_command(
    who: Who,
    why: Annotated[str, typer.Option(help="What for; kept in the trail.", callback=clean)],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The files' name without .html and .pdf.")
    ] = Path("evidence"),
    tenant: Tenant = "",
    language: Annotated[Language, typer.Option(help="Of the sheet.")] = Language.EN,
    zone: Annotated[
        str | None,
        typer.Option(help="Time zone of the bracketed times.", show_default="by language"),
    ] = None,
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the evidence sheet of one address: one HTML and one PDF file.

    Example: consentry consent export jan@example.org --why "complaint 17" --language pl -o jan
    """
    try:
        there = ZoneInfo(zone or ZONES[language.value])
    except (ZoneInfoNotFoundError, ValueError):
        fail(f"{zone} is no time zone; write one such as Europe/Warsaw")
    with open_records(config) as records:
        found = _gathered(records, who, tenant)
        frame = Frame(
            records.loaded.config.hostname,
            found.stories[0].proof.address or who,
            time.time(),
            language.value,
            there,
            records.loaded.tenants,
        )
        sheet = make_sheet(found, frame)
        from gateway.evidence.pdf import as_pdf  # only here: its libraries load long

        files = {".html": as_html(sheet).encode(), ".pdf": as_pdf(sheet)}
        _record(records, found, "consent.exported", why, by)
    rows = []
    for suffix, octets in files.items():
        path = output.with_name(f"{output.name}{suffix}")
        # Personal data: nobody else on this machine may read it.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(octets)
        rows.append({"file": str(path), "octets": len(octets)})
    show(rows, as_json)


def _gathered(records: Records, who: str, tenant: str) -> Gathered:
    """The proofs that `who` names, at least one; ends the command when there is none."""
    with records.database.reading() as connection:
        found = _find(connection, records, who, tenant)
        if not found:
            fail("no proof of consent is on record", status=1)
        return gather(connection, records.keyring, found)


def _find(connection: Connection, records: Records, who: str, tenant: str) -> Sequence[Proof]:
    if "@" in who:
        return proofs.find(connection, records.keyring, address_of(who), tenant)
    try:
        return [proofs.by_tracking(connection, records.keyring, tracking_of(who), tenant)]
    except LookupError:
        return []


def _record(records: Records, found: Gathered, action: str, why: str, by: str | None) -> None:
    """Note in the audit trail whose personal data were shown, to whom and what for."""
    with records.database.transaction() as connection:
        for story in found.stories:
            proof = story.proof
            audit.append(
                connection,
                at=time.time(),
                actor=actor(by),
                action=action,
                scope=f"{proof.tenant}/{proof.stream}",
                key=proof.key,
                detail={"proof": proof.number, "why": mask(why)},
            )


def address_of(text: str) -> Address:
    """An address from the command line; ends the command for what is none."""
    try:
        return parse_mailbox(text)
    except AddressSyntaxError as error:
        fail(str(error))


def tracking_of(text: str) -> bytes:
    """A tracking number from the command line; ends the command for what is none."""
    try:
        octets = bytes.fromhex(text)
    except ValueError:
        octets = b""
    if len(text) != TRACKING_DIGITS or not octets:
        fail(f"{text!a} is neither an address nor a tracking number of {TRACKING_DIGITS} digits")
    return octets


def row_of(proof: Proof, is_revealed: bool = False) -> dict[str, object]:
    """A proof as the tables show it, the address masked unless it is revealed."""
    return {
        "tracking": proof.number,
        "address": proof.address if is_revealed else mask(proof.address),
        "scope": f"{proof.tenant}/{proof.stream}",
        "level": int(proof.level),
        "status": proof.status.value,
        "requested": when(proof.requested_at),
        "mailed": when(proof.mailed_at),
        "given": when(proof.given_at),
        "expires": when(proof.expires_at),
    }


def _steps(story: Story, is_revealed: bool) -> list[dict[str, object]]:
    return [
        {
            "step": step.number,
            "at": when(step.at),
            "what": step.step.value,
            "facts": step.facts,
            "digest": step.digest.hex(),
            **({"personal": step.personal} if is_revealed else {}),
        }
        for step in story.steps
    ]
