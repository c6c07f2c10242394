"""`consentry tail` and `consentry explain`: reading the journal of events.

Both read the files in `<state_dir>/journal` and work whether or not the gateway runs. In a
terminal lines are coloured by what they mean: green went through, yellow was put off, red was
refused.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.commands.shared import ConfigOption, JsonOption, fail, open_config
from gateway.events import Event
from gateway.explanation import Section, explain, narrow, show
from gateway.journal import encode
from gateway.journal_reader import find, follow, read_events
from gateway.refs import split_ref
from gateway.replies import BY_TAG

PANEL = "Look into it"
POLL_SECONDS = 0.2
MAX_LINES = 1_000_000


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command(rich_help_panel=PANEL)(tail)
    app.command("explain", rich_help_panel=PANEL)(explain_ref)


def tail(
    config: ConfigOption = None,
    tenant: Annotated[str, typer.Option(help="Only this tenant's events.")] = "",
    domain: Annotated[str, typer.Option(help="Only this sender or recipient domain.")] = "",
    tag: Annotated[str, typer.Option(help="Only refusals with this tag.")] = "",
    lines: Annotated[
        int,
        typer.Option("--lines", "-n", min=0, max=MAX_LINES, help="How many past ones to show."),
    ] = 20,
    following: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Go on with what happens from now on.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Show the latest events and then, until interrupted, those that come.

    Example: consentry tail --tenant acme --tag UNSUB
    """
    folder = _folder(config)
    wanted = wish(tenant, domain.lower(), tag.upper())
    latest = islice(filter(wanted, read_events(folder, newest_first=True)), lines)
    console = Console(highlight=False, soft_wrap=True)
    try:
        for event in reversed(list(latest)):
            _print(console, event, as_json)
        if following:
            coming = follow(folder, wait=lambda: time.sleep(POLL_SECONDS))
            for event in filter(wanted, coming):
                _print(console, event, as_json)
    except KeyboardInterrupt:
        raise typer.Exit from None


def explain_ref(
    ref: Annotated[str, typer.Argument(help="The ref of a reply, with or without `.number`.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell everything about one refusal or relayed message.

    What was asked, what each policy said and by what it judged, and the next hop's words. Refs are
    at the end of every reply; `REF.3` is the third recipient of the transaction.

    Example: consentry explain 0bm7k2w9xq4tn.3
    """
    try:
        base, recipient = split_ref(ref)
    except ValueError as error:
        fail(str(error))
    events = narrow(find(_folder(config), base), recipient)
    if not events:
        fail(f"nothing is known of {ref}; journal files are kept as journal.keep_files says", 1)
    if as_json:
        typer.echo(json.dumps([orjson.loads(encode(event)) for event in events], indent=2))
        return
    _print_explanation(ref, explain(events))


def wish(tenant: str, domain: str, tag: str) -> Callable[[Event], bool]:
    """Whether an event is asked for; an empty criterion asks for all."""

    def wanted(event: Event) -> bool:
        return (
            (not tenant or event.tenant == tenant)
            and (not tag or event.tag == tag)
            and (not domain or domain in _domains(event))
        )

    return wanted


def _domains(event: Event) -> Iterator[str]:
    yield event.domain
    recipients = event.detail.get("recipients")
    for recipient in recipients if isinstance(recipients, list) else ():
        yield show(recipient.get("domain"))


def _folder(config: Path | None) -> Path:
    return open_config(config).config.state_dir / "journal"


def colour(event: Event) -> str:
    """Green for what went through, yellow for what was put off, red for what was refused."""
    reply = BY_TAG.get(event.tag)
    if reply is not None:
        return "yellow" if reply.is_temporary else "red"
    match event.kind.rpartition(".")[2]:
        case "relayed" | "succeeded" | "reloaded" | "recovered" | "unsubscribed":
            return "green"
        case "refused" | "failed" | "blocked" | "lost":
            return "red"
        case "deferred" | "warned":
            return "yellow"
        case _:
            return "cyan"


def line(event: Event) -> Text:
    """An event in one line: when, what, whose, which tag, about whom, its ref and its details."""
    text = Text().append(_time(event.at), "dim")
    text.append(f"  {show(event.kind):<16}", colour(event))
    if event.tenant:
        text.append(
            show(f"  {event.tenant}/{event.stream}" if event.stream else f"  {event.tenant}")
        )
    if event.tag:
        text.append(f"  [{show(event.tag)}]", f"bold {colour(event)}")
    if event.domain:
        text.append(f"  {show(event.domain)}")
    for name, value in event.detail.items():
        if value and name not in ("key", "trail", "recipients"):
            text.append(f"  {show(name)}=", "dim").append(show(value))
    if event.ref:
        text.append(f"  {show(event.ref)}", "dim")
    return text


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"


def _print(console: Console, event: Event, as_json: bool) -> None:
    if as_json:
        typer.echo(encode(event), nl=False)
    else:
        console.print(line(event))


def _print_explanation(ref: str, sections: Sequence[Section]) -> None:
    console = Console(highlight=False)
    first = sections[0].event
    whose = {
        "ref": ref,
        "tenant": first.tenant,
        "stream": first.stream,
        "mailing": first.mailing,
        "session": first.session,
        "configuration": first.config,
    }
    console.print(_facts([(label, show(value)) for label, value in whose.items() if value]))
    for section in sections:
        event = section.event
        title = Text(f"\n{show(event.kind)}", f"bold {colour(event)}")
        if event.tag:
            title.append(f"  [{show(event.tag)}]")
        title.append(f"  {_time(event.at)}", "not bold dim")
        console.print(title)
        if section.facts:
            console.print(_facts(section.facts))
        for rows in (section.recipients, section.policies):
            if rows:
                console.print(_table(rows))


def _facts(facts: Sequence[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    for label, value in facts:
        grid.add_row(Text(label.replace("_", " ")), Text(value))
    return grid


def _table(rows: Sequence[dict[str, str]]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    names = [name for name in rows[0] if any(row[name] for row in rows)]
    for name in names:
        table.add_column(name, overflow="fold", no_wrap=name in ("stage", "policy", "tag"))
    for row in rows:
        style = {"reject": "red", "defer": "yellow"}.get(row.get("decision", ""), "")
        table.add_row(*(Text(row[name]) for name in names), style=style)
    return table
