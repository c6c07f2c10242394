"""Takes mail to the gateway itself, whatever way it came: what each mailbox does with it.

`find` says which recipients are ours, every other gets one and the same 550. `take` reads a mail,
commits all its effects and passes a bounce on before it gives the 250; our own faults are 451, and
a retry of the same mail has one effect. `ingest` does the same for a mail from a file or the API
and says what became of it; it raises NoMail, StoreUnavailable and Unanswered.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from functools import partial

from gateway.errors import ConsentryError, StoreUnavailable
from gateway.events import Emit, Event
from gateway.feedback.automatic import says_automatic
from gateway.feedback.judging import Judge, ReadMail
from gateway.feedback.mailboxes import Kind, Mailbox
from gateway.feedback.matching import Known
from gateway.feedback.mime import read_header
from gateway.feedback.parsed import FeedbackType, Form, Parsed
from gateway.feedback.passing import Client, Passing
from gateway.feedback.report_words import stated_address
from gateway.feedback.terms import Terms
from gateway.metrics import ProcessMetrics
from gateway.metrics_declared import DEFERRED_UNPROVEN
from gateway.networks import network_of
from gateway.records import unproven
from gateway.records.case_replies import Reply, TooManyReplies, attach
from gateway.records.case_view import by_tracking
from gateway.records.choices import choose, has_agreed_since
from gateway.records.database import Connection, Database
from gateway.records.figures import day_of
from gateway.records.returned import Returned, Taken, take_returned
from gateway.sender_dns.lookups import Unanswered
from policies.ports import Clock
from policies.sanctions.words import Grade
from suppression.choices import Choice
from suppression.tokens import Token

OK = "250 2.1.5 OK"
KEPT = "250 2.0.0 taken"
UNKNOWN = "550 5.1.1 no such recipient here"
TOO_MANY = "452 4.2.2 too many mails to this case today"
OUR_FAULT = "451 4.3.0 cannot be kept now, please try again"
NOT_PASSED_ON = "451 4.4.1 cannot be passed on now, please try again"
NO_ROOM = {
    "per_source": "451 4.7.1 too much mail from your address today that is about none of ours, "
    "please try again tomorrow",
    "per_day": "451 4.7.1 too much mail today that is about none of ours, "
    "please try again tomorrow",
    "per_token": "451 4.7.1 too much mail about this today, please try again tomorrow",
}
"""By the setting under `feedback.unproven` that is reached."""
MAIL = "mail"
"""The source of a suppression that was asked for by mail."""
CLOCKS = 86_400.0
"""Seconds that others' clocks may be wrong by; a wish may rather undo a consent than be lost."""
NO_REPLY = (Form.DSN, Form.PLAIN_BOUNCE, Form.AUTO_REPLY, Form.CHALLENGE)
"""What no person has written to a case."""
ADDRESSED = ("delivered-to", "x-original-to", "envelope-to", "to")
"""Where a stored mail says which mailbox it was delivered to."""
NEEDED = ("from", "received", "return-path")
"""One of these fields is in every mail."""


class NoMail(ConsentryError):
    """The octets are no mail."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a mail for one mailbox: `what` is `report`, `bounce`, `unsubscribed`, `reply`
    or `nothing`. Not `is_new`: it was taken before, and had no further effect."""

    what: str
    form: Form
    is_new: bool
    tenant: str = ""
    stream: str = ""
    type: FeedbackType | None = None
    grade: Grade | None = None
    taken: Taken | None = None
    events: tuple[Event, ...] = ()

    def shown(self) -> dict[str, object]:
        """The same for people and programs; None for what is not known."""
        report = self.taken.report if self.taken else None
        return {
            "what": self.what,
            "new": self.is_new,
            "form": self.form.value,
            "type": self.type.value if self.type else None,
            "tenant": self.tenant or None,
            "stream": self.stream or None,
            "grade": self.grade.value if self.grade else None,
            "report": report.number if report else None,
            "state": report.state.value if report else None,
        }


class Intake:
    """One process's. `adopt` puts a new configuration in force."""

    def __init__(
        self, database: Database, known: Known, terms: Terms, emit: Emit, clock: Clock
    ) -> None:
        self._database = database
        self._terms = terms
        self._emit = emit
        self._clock = clock
        self._judge = Judge(database, known)
        self._passing = Passing(database, emit, clock)
        self._deferred = Counter(dict.fromkeys(NO_ROOM, 0))
        """Mails without room since the start, by the setting that was reached."""
        self._told: dict[str, int] = {}
        """The day on which each of these was told of last."""

    def adopt(self, terms: Terms) -> None:
        """Work by a new configuration from now on."""
        self._terms = terms

    def watch(self, metrics: ProcessMetrics) -> None:
        """Show what there was no room for."""
        metrics.watch(
            DEFERRED_UNPROVEN, lambda: {(limit,): n for limit, n in self._deferred.items()}
        )

    async def find(self, recipient: str) -> Mailbox | str:
        """The mailbox with this address, or the reply that refuses it."""
        mailbox = self._terms.mailboxes.find(recipient)
        if mailbox is None:
            return UNKNOWN
        if mailbox.kind is not Kind.REPLIES or mailbox.token is None:
            return mailbox
        tracking = mailbox.token.key
        try:
            is_there = await self._database.read(lambda c: by_tracking(c, tracking) is not None)
        except StoreUnavailable:
            return OUR_FAULT
        return mailbox if is_there else UNKNOWN

    async def take(
        self, mailboxes: tuple[Mailbox, ...], mail_from: str, octets: bytes, client: Client
    ) -> str:
        """Take a mail to these mailboxes; the reply to its final dot."""
        terms = self._terms
        try:
            mail = await self._judge.read(octets, terms, self._clock())
            for mailbox in dict.fromkeys(mailboxes):
                await self._take(
                    mail, mailbox, bool(mail_from), mailbox.kind, "smtp", terms, client
                )
                if not await self._pass_on(mail, mailbox, client, terms):
                    return NOT_PASSED_ON
        except TooManyReplies:
            return TOO_MANY
        except unproven.NoRoom as full:
            self._tell(full.limit)
            return NO_ROOM[full.limit]
        except Exception as error:  # whatever it is, somebody must hear of it
            is_known = isinstance(error, StoreUnavailable | Unanswered)
            what = str(error) if is_known else type(error).__name__  # it may quote a stranger
            self._emit(Event("returned.failed", self._clock(), detail={"error": what}))
            return OUR_FAULT
        return KEPT

    async def ingest(self, octets: bytes, way: str, delivered_at: float | None = None) -> Done:
        """Take a mail that was delivered elsewhere; `way` is `api` or `cli`. The mailbox it names
        counts, where that is one of ours. `delivered_at` (Unix seconds) is when that was, if the
        caller knows: a wish to unsubscribe does not undo a consent given a day later or more.
        Raises TooManyReplies for a case's."""
        terms = self._terms
        mail = await self._judge.read(octets, terms, self._clock())
        header = read_header(mail.octets)
        if not any(header.first(name) for name in NEEDED):
            raise NoMail("it has no field From, as every mail has")
        stated = (
            stated_address(one)
            for name in ADDRESSED
            for value in header.all(name)
            for one in value.decode("ascii", "replace").split(",")
        )
        mailbox = next((box for text in stated if (box := terms.mailboxes.find(text))), None)
        has_sender = header.first("return-path") != b"<>"
        return await self._take(
            mail,
            mailbox,
            has_sender,
            mailbox.kind if mailbox else way,
            way,
            terms,
            delivered_at=delivered_at,
        )

    async def _take(
        self,
        mail: ReadMail,
        mailbox: Mailbox | None,
        has_sender: bool,
        name: str,
        way: str,
        terms: Terms,
        client: Client | None = None,
        delivered_at: float | None = None,
    ) -> Done:
        """All that one mailbox does with a mail, committed."""
        parsed, token = mail.parsed, mailbox.token if mailbox else None
        kind = mailbox.kind if mailbox else Kind.REPORTS
        if token is not None and kind is Kind.REPLIES:
            is_automatic = (
                not has_sender
                or parsed.form in NO_REPLY
                or says_automatic(read_header(mail.octets))
            )
            work = partial(self._attach, token, parsed, is_automatic, terms)
        elif token is not None and kind is Kind.UNSUBSCRIBE and _is_wish(mail, has_sender):
            work = partial(self._unsubscribe, token, parsed, terms, delivered_at)
        else:
            now = self._clock()
            returned = await self._judge.judge(mail, mailbox, name, way, terms, now)
            work = partial(self._store, returned, terms, client)
        done = await self._database.write(work)
        became = done.what if done.is_new else "known"
        said: dict[str, object] = {"form": done.form.value, "became": became, "way": way}
        self._emit(
            Event("returned.taken", self._clock(), "", "", done.tenant, done.stream, detail=said)
        )
        for event in done.events:
            self._emit(event)
        return done

    def _tell(self, limit: str) -> None:
        """Count a mail without room; an event for each would let strangers fill the journal."""
        self._deferred[limit] += 1
        now = self._clock()
        if self._told.get(limit) != day_of(now):
            self._told[limit] = day_of(now)
            self._emit(Event("returned.no_room", now, detail={"limit": limit}))

    # ---- in the writer's transaction --------------------------------------------------------

    def _attach(
        self,
        token: Token,
        parsed: Parsed,
        is_automatic: bool,
        terms: Terms,
        connection: Connection,
    ) -> Done:
        stored = by_tracking(connection, token.key)
        if stored is None:
            return Done("nothing", parsed.form, is_new=False)
        reply = Reply(parsed.mail, parsed.sender, parsed.subject, parsed.text, is_automatic)
        events = attach(connection, stored, reply, self._clock(), terms.rules)
        tenant = stored.case.tenant
        return Done("reply", parsed.form, bool(events), tenant, events=tuple(events))

    def _unsubscribe(
        self,
        token: Token,
        parsed: Parsed,
        terms: Terms,
        delivered_at: float | None,
        connection: Connection,
    ) -> Done:
        """The same as one click on the page behind the token."""
        now, keyring = self._clock(), terms.rules.keyring
        number = token.stream_number
        if delivered_at is not None and has_agreed_since(
            connection, keyring, number, token.key, delivered_at + CLOCKS
        ):
            return Done("nothing", parsed.form, is_new=False)
        try:
            chosen = choose(
                connection, keyring, token.stream_number, token.key, Choice(), MAIL, now
            )
        except LookupError as error:
            # Authentic, so these records have lost a stream: they came from an older backup.
            raise StoreUnavailable(str(error)) from error
        is_new = chosen.is_unsubscribe_new
        detail: dict[str, object] = {"key": token.key.hex(), "source": MAIL, "from": "list"}
        event = Event(
            "unsubscribed", now, tenant=chosen.tenant, stream=chosen.stream, detail=detail
        )
        events = (event,) if is_new else ()
        return Done(
            "unsubscribed", parsed.form, is_new, chosen.tenant, chosen.stream, events=events
        )

    def _store(
        self, returned: Returned, terms: Terms, client: Client | None, connection: Connection
    ) -> Done:
        now = self._clock()
        taken = take_returned(connection, returned, terms.rules, terms.bounces, now)
        if client is not None and taken.is_new:
            network, keyring = network_of(client.address), terms.rules.keyring
            unproven.count(connection, keyring, returned, network, terms.unproven, now)
        match = returned.match
        return Done(
            "report" if taken.report else "bounce",
            returned.form,
            taken.is_new,
            match.tenant if match else "",
            match.stream if match else "",
            returned.type,
            returned.grade,
            taken,
            taken.events,
        )

    # ---- passing on -------------------------------------------------------------------------

    async def _pass_on(
        self, mail: ReadMail, mailbox: Mailbox, client: Client, terms: Terms
    ) -> bool:
        if mailbox.kind is not Kind.BOUNCES or mailbox.token is None or not terms.bounces_to:
            return True
        stream = await asyncio.to_thread(self._judge.stream_of, mailbox.token.stream_number)
        if stream is None:
            raise StoreUnavailable(f"no stream has the number {mailbox.token.stream_number}")
        return await self._passing.pass_on(
            stream, mailbox.address, mail.parsed.mail, mail.octets, client, terms
        )


def _is_wish(mail: ReadMail, has_sender: bool) -> bool:
    """Whether somebody has written. Any mail is a wish, whatever it says and whoever wrote it for
    them, but what servers and vacation programs answer to a mail (RFC 3464, RFC 3834 section 5):
    that comes from nobody, is a DSN, or says that it is a reply."""
    said = read_header(mail.octets).first("auto-submitted").lower()
    return has_sender and mail.parsed.form is not Form.DSN and not said.startswith(b"auto-replied")
