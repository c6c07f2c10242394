"""Mail that comes back, for tests: a book that takes it in, with a clock that is a number."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from gateway.config.feedback import BounceSettings, StormSettings
from gateway.events import Event
from gateway.message.address import parse_mailbox
from gateway.records import figures
from gateway.records.bounces import Bounced, BounceTerms, settle, take_bounce
from gateway.records.returned import Match, Returned, Taken, take_returned
from gateway.records.suppressions import Entry, find
from gateway.words import Address
from policies.returned.classes import BounceClass
from policies.returned.words import FeedbackType, Form
from policies.sanctions.words import Grade

from .cases_world import FBL, Book
from .conftest import NOW

JAN = parse_mailbox("Jan.Kowalski@gmail.com")
WITHIN = 600


@dataclass
class Returns(Book):
    """What comes back, each mail in a transaction of its own."""

    terms: BounceTerms = field(default_factory=BounceTerms)
    mails: int = 0

    def key(self, address: Address = JAN) -> bytes:
        return self.rules.keyring.exact_key(address)

    def own(self, *domains: str) -> None:
        """The tenant has these sender domains."""
        acme = replace(self.rules.of("acme"), domains=domains)
        self.rules = replace(self.rules, tenants={**self.rules.tenants, "acme": acme})

    def match(self, person: Address = JAN, **more: Any) -> Match:
        """What our own token and the stated address say."""
        known = Match(
            "acme", "weekly", "m1", "acme.example", "r1", self.key(person), True, person.text
        )
        return replace(known, **more)

    def complaint(self, grade: Grade, **more: Any) -> Returned:
        """A complaint in a mail of its own."""
        self.mails += 1
        made = Returned(
            form=Form.ARF,
            mail=f"mail-{self.mails}",
            mailbox="fbl",
            grade=grade,
            way="smtp",
            received_at=self.now,
            type=FeedbackType.ABUSE,
            match=None if grade is Grade.D else self.match(),
            source=FBL if grade is Grade.A else "",
            address=JAN.text,
            said={"subject": "spam"},
            raw=b"From: fbl@fbl.example\r\n",
            original=b"To: jan@example.org\r\n",
        )
        return replace(made, **more)

    def come(self, returned: Returned) -> Taken:
        """It is taken in."""
        with self.database.transaction() as connection:
            return take_returned(connection, returned, self.rules, self.terms, self.now)

    def bounced(self, address: Address = JAN, **more: Any) -> Bounced:
        """The next hop's own reply about a recipient."""
        self.mails += 1
        made = Bounced(
            mark=f"reply-{self.mails}",
            tenant="acme",
            stream="weekly",
            mailing="m1",
            domain="acme.example",
            provider=address.domain,
            key=self.key(address),
            bounce_class=BounceClass.INVALID_MAILBOX,
            code=550,
            enhanced="5.1.1",
            text="no such user",
            at=self.now,
            ref="r1",
        )
        return replace(made, **more)

    def bounce(self, address: Address = JAN, **more: Any) -> tuple[Event, ...]:
        """A bounce comes, now."""
        with self.database.transaction() as connection:
            bounced = self.bounced(address, **more)
            return take_bounce(connection, bounced, self.rules, self.terms, self.now)

    def settle(self, after: float = WITHIN) -> list[Event]:
        """Time passes, and the job runs until there is nothing more to do."""
        self.now += after
        events: list[Event] = []
        while True:
            with self.database.transaction() as connection:
                found = settle(connection, self.rules, self.terms, self.now)
            if not found:
                return events
            events += found

    def sent(self, provider: str, amount: int) -> None:
        """So many copies were offered to a provider, now."""
        with self.database.transaction() as connection:
            figures.note_sent(connection, provider, self.now, amount)

    def entries_of(self, address: Address = JAN) -> list[Entry]:
        """Every suppression of an address."""
        with self.database.reading() as connection:
            return find(connection, self.rules.keyring, address)

    def reasons(self, address: Address = JAN) -> list[str]:
        """Why it is suppressed now."""
        return [one.reason.value for one in self.entries_of(address) if one.is_live(self.now)]


def terms(**storm: Any) -> BounceTerms:
    """Thresholds as they come, but a storm of these settings."""
    return BounceTerms(BounceSettings(), StormSettings(**storm))


def numbered(number: int, domain: str = "example.org") -> Address:
    """One of many people at a provider."""
    return parse_mailbox(f"user{number}@{domain}")


__all__ = ["JAN", "NOW", "WITHIN", "Returns", "numbered", "terms"]
