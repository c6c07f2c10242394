"""`consentry consent request|evidence|revoke`: asking for consent, recording it, ending it.

`register` adds them and those of `evidence` to the `consent` group. They open the records
directly, beside a running gateway, whose web process mails what was requested. Exit status 1 when
something was refused or not found.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from gateway.commands import evidence
from gateway.commands.evidence import Language, address_of, row_of, tracking_of
from gateway.commands.records import Records, open_records, when
from gateway.commands.shared import ByOption, ConfigOption, JsonOption, actor, clean, fail, show
from gateway.config.opt_in import OptInSettings
from gateway.records import proofs
from gateway.records.proofs import Act, Asking, NotAsked
from gateway.words import StreamKind
from suppression.consent import Evidence, EvidenceError, Level

Scope = Annotated[str, typer.Option("--scope", help="The list: tenant/stream.")]
Text = Annotated[
    typer.FileText,
    typer.Option("--text", help="File with what the person agrees to, word for word; - reads it."),
]
Tongue = Annotated[Language, typer.Option("--language", help="Of text and mail.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the `consent` group."""
    app.command("request")(request_command)
    app.command("evidence")(evidence_command)
    app.command("revoke")(revoke_command)
    evidence.register(app)


def request_command(
    address: Annotated[str, typer.Argument(help="Who is asked.")],
    scope: Scope,
    text: Text,
    language: Tongue = Language.EN,
    form_at: Annotated[
        datetime | None, typer.Option(help="When the person filled a form in, UTC.")
    ] = None,
    form_ip: Annotated[str, typer.Option(help="From which IP address.", callback=clean)] = "",
    form_source: Annotated[
        str, typer.Option(help="The form's URL, or the place.", callback=clean)
    ] = "",
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask somebody by mail whether they agree to a list (hosted double opt-in).

    Example: consentry consent request jan@example.org --scope acme/weekly --text agreed.txt
    """
    if (form_at is None) != (not form_ip):
        fail("give --form-at and --form-ip together: they are evidence of one act")
    act = None if form_at is None else Act(_instant(form_at), form_ip, form_source)
    with open_records(config) as records:
        tenant, stream, opt_in = _list_that_asks(records, scope)
        asking = Asking(
            tenant,
            stream,
            address_of(address),
            text.read().strip(),
            language.value,
            actor(by),
            act,
            opt_in.expires_after,
        )
        try:
            with records.database.transaction() as connection:
                proof = proofs.request(connection, records.keyring, asking, time.time())
        except NotAsked as refusal:
            again = (
                "" if refusal.again_at is None else f" ({when(refusal.again_at):%Y-%m-%d %H:%MZ})"
            )
            fail(f"{refusal}{again}", status=1)
        except EvidenceError as error:
            fail(str(error), status=1)
    show([row_of(proof)], as_json)


def evidence_command(
    address: Annotated[str, typer.Argument(help="Who agreed.")],
    scope: Scope,
    level: Annotated[int, typer.Option(min=2, max=3, help="2 single, 3 double opt-in.")],
    text: Text,
    subscribed_at: Annotated[datetime, typer.Option(help="When the person subscribed, UTC.")],
    subscribed_ip: Annotated[str, typer.Option(help="From which IP address.", callback=clean)],
    source: Annotated[str, typer.Option(help="Form URL or place (level 3).", callback=clean)] = "",
    confirmed_at: Annotated[
        datetime | None, typer.Option(help="When the person confirmed, UTC (level 3).")
    ] = None,
    confirmed_ip: Annotated[
        str, typer.Option(help="From which IP address (level 3).", callback=clean)
    ] = "",
    user_agent: Annotated[str, typer.Option(help="With which browser.", callback=clean)] = "",
    message_id: Annotated[
        str, typer.Option(help="Message-ID of the confirmation mail (level 3).", callback=clean)
    ] = "",
    language: Tongue = Language.EN,
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record what a customer holds of a subscription, once it is plausible.

    Example: consentry consent evidence jan@example.org --scope acme/weekly --level 2
    --text agreed.txt --subscribed-at 2026-03-01T09:30:00 --subscribed-ip 203.0.113.8
    """
    supplied = Evidence(
        Level(level),
        text.read().strip(),
        _instant(subscribed_at),
        subscribed_ip,
        source,
        None if confirmed_at is None else _instant(confirmed_at),
        confirmed_ip,
        user_agent,
        message_id,
    )
    with open_records(config) as records:
        tenant, stream = _list(records, scope)
        try:
            with records.database.transaction() as connection:
                answer = proofs.supply(
                    connection,
                    records.keyring,
                    tenant,
                    stream,
                    address_of(address),
                    supplied,
                    language.value,
                    actor(by),
                    time.time(),
                )
        except EvidenceError as error:
            fail(str(error), status=1)
    show([{**row_of(answer.proof), "is_new": answer.is_new}], as_json)


def revoke_command(
    tracking: Annotated[str, typer.Argument(help="The proof's tracking number.")],
    why: Annotated[str, typer.Option(help="Why, for the records.", callback=clean)],
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a consent, or a request for one: the list is closed to the address from now on.

    Example: consentry consent revoke 7e756a7a6b872bac5c1abaf742d9af56 --why "asked by telephone"
    """
    with open_records(config) as records:
        try:
            with records.database.transaction() as connection:
                answer = proofs.revoke(
                    connection, records.keyring, tracking_of(tracking), actor(by), why, time.time()
                )
        except (LookupError, EvidenceError) as error:
            fail(str(error.args[0]), status=1)
    if not answer.is_new:
        fail(f"that proof is {answer.proof.status} already", status=1)
    show([row_of(answer.proof)], as_json)


def _list(records: Records, scope: str) -> tuple[str, str]:
    """Tenant and stream of a configured list; ends the command for anything else."""
    tenant, slash, stream = scope.partition("/")
    records.check_scope(scope)
    if not slash or records.loaded.tenants[tenant].streams[stream].kind is not StreamKind.LIST:
        fail(f"{scope} is no list; write tenant/stream of kind list")
    return tenant, stream


def _list_that_asks(records: Records, scope: str) -> tuple[str, str, OptInSettings]:
    tenant, stream = _list(records, scope)
    opt_in = records.loaded.tenants[tenant].streams[stream].opt_in
    if opt_in is None:
        fail(f"{scope} has no `opt_in` section; see docs/consent.md")
    return tenant, stream, opt_in


def _instant(moment: datetime) -> float:
    return moment.replace(tzinfo=UTC).timestamp()
