"""Replies to notices: kept with their case, counted as an answer where one is waited for.

`attach` takes a reply that has been read; a second copy of the same mail changes nothing. Sender,
subject and text are sealed, with addresses in the text masked: a quoted notice would otherwise keep
the addresses of people who complained. An answer stops the clock where silence suspends (P3) or an
explanation is asked for; elsewhere a person sees to it, as to whatever a machine has replied.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from gateway.events import Event
from gateway.records.blocks import case_id
from gateway.records.case_change import change
from gateway.records.case_rules import Rules
from gateway.records.case_trail import write_entry
from gateway.records.case_view import StoredCase
from gateway.records.policy_versions import preset_of
from gateway.records.subjects import add_subject
from gateway.records.tables import case_entries
from policies.sanctions.case import Case, Decided
from policies.sanctions.engine import Refused, step_of
from policies.sanctions.ladder import Preset, Sanction, Then
from policies.sanctions.words import Decision
from suppression.masking import mask

ACTOR = "tenant"
RECEIVED, AUTOMATIC = "reply.received", "reply.automatic"
MAX_A_DAY = 100
"""Replies that one case takes in 24 hours."""
_DAY = 86_400
_row = case_entries.c


class TooManyReplies(Exception):
    """The case has had its replies for today."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A mail as it was read: texts of strangers, each bounded. `mail` is a digest that is the same
    for every copy of it (32 hex digits), `is_automatic` whether a machine says that it wrote it."""

    mail: str
    sender: str
    subject: str
    text: str
    is_automatic: bool


def attach(
    connection: Connection, stored: StoredCase, reply: Reply, now: float, rules: Rules
) -> tuple[Event, ...]:
    """Keep `reply` with its case; the events to emit, none when it was there already.

    Raises TooManyReplies.
    """
    own = (_row.case_id == stored.number) & _row.kind.in_((RECEIVED, AUTOMATIC))
    is_known = select(_row.id).where(own, _row.detail.contains(f'"mail":"{reply.mail}"'))
    if connection.execute(is_known).first() is not None:
        return ()
    today = select(func.count()).select_from(case_entries).where(own, _row.at > now - _DAY)
    if connection.execute(today).scalar_one() >= MAX_A_DAY:
        raise TooManyReplies
    said = f"From: {reply.sender}\nSubject: {mask(reply.subject)}\n\n{mask(reply.text)}"
    subject = add_subject(connection, rules.keyring.seal(said))
    kind = AUTOMATIC if reply.is_automatic else RECEIVED
    write_entry(connection, stored.case, kind, ACTOR, now, {"mail": reply.mail}, subject)
    event = Event(kind, now, tenant=stored.case.tenant, detail={"case": case_id(stored.number)})
    if reply.is_automatic:
        return (event,)
    preset = preset_of(connection, rules, stored.case.tenant, stored.case.policy)
    if not _is_waited_for(stored.case, preset):
        return (event,)
    answered = Decided(Decision.ANSWERED, ACTOR, "a reply to a notice")
    try:
        moved = change(connection, stored.number, answered, ACTOR, now, rules)
    except Refused:  # over, or answered before: the reply is kept all the same
        return (event,)
    return (event, *moved.events)


def _is_waited_for(case: Case, preset: Preset) -> bool:
    """Whether a mail of the tenant's is what the case waits for."""
    if not case.step:  # from before there were ladders
        return False
    step = step_of(case, preset)
    if step.sanction is Sanction.ANSWER:  # it is the operator who owes an answer
        return False
    return step.then is Then.SUSPEND or "explanation" in case.open_items
