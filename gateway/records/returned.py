"""Takes in one mail that came back, with all that it may do by its grade, in one transaction.

`take_returned` stores complaints, requests to be mailed no more, bounces and anything else that
reached a mailbox of ours: of grade A and B with the suppression that its type asks for, of A also
as a fact; of C and D, and of types that change nothing, it is on record and nothing more. The same
mail to the same mailbox is taken once, and of one recipient's complaints about one mailing the
first. Everything is in the caller's transaction; `Taken` holds the events to emit after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from gateway.events import Event
from gateway.records.bounces import Bounced, BounceTerms
from gateway.records.case_rules import Rules
from gateway.records.reports import StoredReport
from policies.returned.words import FeedbackType, Form
from policies.sanctions.words import Grade


@dataclass(frozen=True, slots=True)
class Match:
    """Which mail of ours it is about, as far as that is known; empty: not known.

    `key` is the recipient's exact key. `is_named`: a token of ours names that recipient, or the
    report is of grade A and states an address that the tenant is known to have mailed; a key that
    was found by weaker signs suppresses nobody. `address` is a stated one whose exact key (of any
    generation) is `key`, else "". `sent_at` is when the mail was sent, in Unix seconds.
    """

    tenant: str
    stream: str = ""
    mailing: str = ""
    domain: str = ""
    ref: str = ""
    key: bytes = b""
    is_named: bool = False
    address: str = ""
    sent_at: float | None = None


@dataclass(frozen=True, slots=True)
class Returned:
    """A mail that came back, parsed, matched and graded.

    `mail` is its digest and `mailbox` what it came to (`fbl`, `abuse`, `bounce`, `u`, or `api`,
    `cli`): together they name it once and for all. `type` is what a report complains of, None for
    a bounce and for what is no report. `bounce` is what became of the recipient whom a token names,
    of a DSN or plain bounce that is to be believed, else None. `way` is `smtp`, `api` or `cli`,
    `source` the listed domain that signed it, or "". `address` is who complains, as stated; with
    `said` (what people are to read of it, JSON), `raw` (its own header section) and `original`
    (that of our mail) it is sealed.
    """

    form: Form
    mail: str
    mailbox: str
    grade: Grade
    way: str
    received_at: float
    type: FeedbackType | None = None
    match: Match | None = None
    bounce: Bounced | None = None
    source: str = ""
    address: str = ""
    said: Mapping[str, object] | None = None
    raw: bytes = b""
    original: bytes = b""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of it. No `report`: a bounce that is believed by its token. Not `is_new`: it was
    taken before, and nothing more has happened."""

    report: StoredReport | None
    is_new: bool
    events: tuple[Event, ...] = ()


def take_returned(
    connection: Connection, returned: Returned, rules: Rules, terms: BounceTerms, now: float
) -> Taken:
    """Store it with all that follows."""
    raise NotImplementedError
