"""The options of commands that make suppressions, and the draft they amount to.

`draft_of` gives the draft, `source_of` where the entries are said to come from; either ends the
command for what cannot be.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from gateway.commands.shared import actor, fail
from gateway.records.drafts import Draft
from suppression.precedence import Lifter
from suppression.standing import Reason, Stops

ReasonOption = Annotated[Reason, typer.Option(help="Why; it decides what is stopped.")]
ScopeOption = Annotated[str, typer.Option(help="`*`, a tenant, or tenant/stream.")]
StopsOption = Annotated[Stops | None, typer.Option(help="For manual entries: what to stop.")]
UntilOption = Annotated[
    datetime | None, typer.Option(help="For manual entries: the end, UTC; without it, never.")
]
HiddenOption = Annotated[
    bool, typer.Option("--undisclosed", help="Tell the customer [POLICY], never the reason.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would change, only.")]
CountryOption = Annotated[
    str | None,
    typer.Option(metavar="PL", help="For a robinson list: its country, two letters."),
]


def draft_of(
    reason: Reason,
    scope: str,
    source: str,
    stops: Stops | None,
    until: datetime | None,
    undisclosed: bool,
    by: str | None,
) -> Draft:
    """What the operator asks for."""
    ends_at = None if until is None else until.replace(tzinfo=UTC).timestamp()
    return Draft(reason, scope, Lifter.OPERATOR, source, stops, ends_at, not undisclosed, actor(by))


def source_of(reason: Reason, country: str | None, given: str, otherwise: str) -> str:
    """The source of entries: `given`, a robinson list's by its country, or `otherwise`.

    A robinson list is its country's, and its next edition renews what came from there only.
    """
    if reason is not Reason.ROBINSON:
        if country is not None:
            fail("--country is for robinson lists")
        return given or otherwise
    if country is None:
        fail("a robinson list is a country's: name it with --country, as in --country PL")
    if not (len(country) == 2 and country.isascii() and country.isalpha()):
        fail(f"{country}: a country has two letters (ISO 3166), as in PL")
    return ":".join(filter(None, ("robinson", country.upper(), given)))
