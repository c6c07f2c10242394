"""Taking a report for somebody who was looked up: a complaint that came by telephone or letter.

`report_of` makes it of what was found: the tenant's latest message to the person gives stream,
mailing and ref. With a token of ours in hand it is of grade B, which also suppresses; else of grade
C. `take` stores it in the caller's transaction and gives the events to emit.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.events import Event
from gateway.records.database import Connection
from gateway.records.reports import Report, take_report
from gateway.records.suppressions import suppress
from gateway.web.desk.look_up_view import Found
from gateway.web.desk.parts import DeskParts
from policies.sanctions.words import Grade
from suppression.standing import Reason
from suppression.tokens import Purpose

SOURCE = "desk"
_OF_MAIL = frozenset({Purpose.UNSUBSCRIBE, Purpose.RETURN_PATH, Purpose.FEEDBACK})


def report_of(found: Found, tenant: str, said: str, staff: str, now: float) -> Report:
    """The report; whoever was found must be a person."""
    if found.person is None:
        raise ValueError("a report is about somebody's mail")
    mail = next(
        (one for one in found.events if one.tenant == tenant and one.kind == "message.relayed"),
        None,
    )
    is_ours = found.reading.purpose in _OF_MAIL and found.scope.partition("/")[0] == tenant
    stream = found.scope.partition("/")[2] if is_ours else mail.stream if mail else ""
    return Report(
        Grade.B if is_ours else Grade.C,
        SOURCE,
        now,
        tenant,
        stream,
        mail.mailing if mail else "",
        mail.domain if mail else "",
        mail.ref if mail else "",
        found.person.key,
        found.address,
        {"text": said, "taken_by": staff},
        sent_at=mail.at if mail else None,
    )


def take(connection: Connection, parts: DeskParts, found: Found, report: Report) -> Sequence[Event]:
    """Store the report; of grade B also suppress."""
    token = found.reading.token
    if report.grade is Grade.B and token is not None:
        suppress(
            connection,
            token.stream_number,
            token.key,
            Reason.COMPLAINT,
            SOURCE,
            report.received_at,
        )
    return take_report(connection, report, parts.rules, report.received_at).events
