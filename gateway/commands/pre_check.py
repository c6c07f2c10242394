"""`consentry pre-check`: what RCPT would answer to each address of a list, and a receipt for it."""

from __future__ import annotations

import asyncio
import csv
import json
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from gateway.commands.records import OpenList, Records, open_list, open_records, when
from gateway.commands.shared import ByOption, ConfigOption, JsonOption, actor, fail
from gateway.pre_check.check import PreCheck
from gateway.records.receipts import Receipt
from suppression.listfile import disarmed
from suppression.pre_check import Answer, Asked, ask_row

PART = 1000
HEADER = ("line", "address", "verdict", "tag", "text")


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("pre-check", rich_help_panel="Customers")(pre_check)


def pre_check(
    file: Annotated[Path, typer.Argument(help="CSV, or one address a line.", dir_okay=False)],
    scope: Annotated[str, typer.Option(help="The stream, as tenant/stream.")],
    refused: Annotated[
        bool, typer.Option("--refused", help="Print only the addresses that would be refused.")
    ] = False,
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a list for one stream: CSV with a verdict for each line, and a receipt for 24 hours.

    Example: consentry pre-check readers.csv --scope acme/weekly > verdicts.csv

    What is cleared may be mailed on a stream with `pre_check: required`. Exit status 1 when an
    address would be refused. Counts towards what the tenant may pre-check, but is never refused
    for it.
    """
    with open_records(config) as records, open_list(file) as read:
        if "/" not in scope:
            fail(f"{scope}: a pre-check is about one stream; write tenant/stream")
        records.check_scope(scope)
        receipt = asyncio.run(_run(records, read, scope, actor(by), refused, as_json))
    summary = {
        "receipt": receipt.id,
        "asked": receipt.asked,
        "cleared": receipt.cleared,
        "refused": receipt.asked - receipt.cleared,
        "valid_until": str(when(receipt.ends_at)),
    }
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        text = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in summary.items())
        Console(stderr=True, soft_wrap=True).print(text, markup=False, highlight=False)
    if not receipt.asked:
        fail("there was no address in the list", status=1)
    if receipt.cleared < receipt.asked:
        raise typer.Exit(1)


async def _run(
    records: Records, read: OpenList, scope: str, by: str, only_refused: bool, as_json: bool
) -> Receipt:
    check = PreCheck(
        records.database,
        records.keyring,
        records.loaded,
        scope,
        by,
        lambda _event: None,  # the journal is the running gateway's; the audit trail has it
        time.time,
    )
    writer = csv.writer(sys.stdout)
    console = Console(stderr=True)
    with Progress(
        console=console, transient=True, disable=as_json or not console.is_terminal
    ) as bar:
        task = bar.add_task("checking", total=read.lines)
        try:
            await check.begin(0, is_limited=False)
            if not as_json:
                writer.writerow(HEADER)
            for part in _parts(map(ask_row, read.rows())):
                for answer in await check.answer(part):
                    if answer.reply is None and only_refused:
                        continue
                    if as_json:
                        typer.echo(json.dumps(_row(answer)))
                    else:
                        writer.writerow(disarmed(str(cell)) for cell in _row(answer).values())
                bar.advance(task, len(part))
            return await check.finish()
        finally:
            await check.close()


def _parts(asked: Iterator[Asked]) -> Iterator[list[Asked]]:
    while part := list(islice(asked, PART)):
        yield part


def _row(answer: Answer) -> dict[str, object]:
    return {
        "line": answer.asked.line,
        "address": answer.asked.text,
        "verdict": "cleared" if answer.reply is None else "refused",
        "tag": answer.tag,
        "text": answer.reply.text if answer.reply else "",
    }
