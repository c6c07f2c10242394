"""Consent: its levels, what becomes of a proof, and what evidence is believed.

Pure. A proof's status follows from its steps by `TRANSITIONS`; a step that the table lacks raises
`WrongStep`. `check_evidence` judges what a customer supplies (levels 2 and 3) and raises
`EvidenceError`, which names the field. Instants are Unix seconds, durations seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from ipaddress import ip_address
from re import fullmatch

from gateway.errors import ConsentryError
from gateway.words import Address
from policies.terms import DAY
from suppression.precedence import highest
from suppression.standing import Match, Reason

LANGUAGES = ("en", "pl")
EXPIRES_AFTER = 7 * DAY
"""How long a confirmation mail may be answered unless a stream says otherwise."""
REQUEST_PAUSE = 7 * DAY
"""Between two confirmation requests to one address for one list."""
DECLINED_PAUSE = 180 * DAY
"""The same after somebody said that it was not they who asked."""
LONGEST_CONFIRMATION = 30 * DAY
"""Between a subscription and a confirmation that is believed to belong to it."""
EARLIEST = 788_918_400
"""1995-01-01: before that nobody subscribed by a form with an IP address."""
MAX_TEXT = 20_000
MAX_WORDS = 1_000
"""Characters of a consent text, and of any other text."""


class Level(IntEnum):
    """How well a consent is proven; a stream states the least it asks for."""

    NONE = 0
    ATTESTED = 1
    SINGLE = 2
    """Single opt-in with time and IP address, supplied by the tenant."""
    DOUBLE = 3
    """Double opt-in evidence supplied by the tenant."""
    HOSTED = 4
    """Double opt-in done by the gateway itself."""


class Status(StrEnum):
    """Where a proof stands."""

    REQUESTED = "requested"
    MAILED = "mailed"
    CONFIRMED = "confirmed"
    REVOKED = "revoked"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    """The next hop refused the confirmation mail for good, or the records forbade it."""

    @property
    def is_pending(self) -> bool:
        """Whether it still waits to be confirmed."""
        return self in (Status.REQUESTED, Status.MAILED)


class Step(StrEnum):
    """What happens to a proof; each one is a row of its chain."""

    REQUESTED = "requested"
    SENDING = "sending"
    """About to be handed to the next hop: noted before, so that a crash is known afterwards."""
    DEFERRED = "deferred"
    UNKNOWN = "unknown"
    """The mail may have been taken: no answer came after its last octet."""
    MAILED = "mailed"
    REMINDED = "reminded"
    FAILED = "failed"
    SUPPLIED = "supplied"
    CONFIRMED = "confirmed"
    REVOKED = "revoked"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


def _late(status: Status) -> dict[Step, Status]:
    """What the next hop says of a mail after the proof has gone on changes nothing."""
    return dict.fromkeys(
        (Step.DEFERRED, Step.UNKNOWN, Step.MAILED, Step.REMINDED, Step.FAILED), status
    )


_ENDS = {
    Step.CONFIRMED: Status.CONFIRMED,  # the mail may arrive before we hear that it was taken
    Step.REVOKED: Status.REVOKED,
    Step.EXPIRED: Status.EXPIRED,
    Step.SUPERSEDED: Status.SUPERSEDED,
    Step.FAILED: Status.FAILED,
}

TRANSITIONS: dict[Status | None, dict[Step, Status]] = {
    None: {Step.REQUESTED: Status.REQUESTED, Step.SUPPLIED: Status.CONFIRMED},
    Status.REQUESTED: {
        **dict.fromkeys((Step.SENDING, Step.DEFERRED, Step.UNKNOWN), Status.REQUESTED),
        Step.MAILED: Status.MAILED,
        **_ENDS,
    },
    Status.MAILED: {
        # A reminder that is refused takes nothing from the mail that was taken.
        **_late(Status.MAILED),
        Step.SENDING: Status.MAILED,
        **{step: status for step, status in _ENDS.items() if step is not Step.FAILED},
    },
    Status.CONFIRMED: {
        **_late(Status.CONFIRMED),
        Step.REVOKED: Status.REVOKED,
        Step.SUPERSEDED: Status.SUPERSEDED,
    },
    Status.REVOKED: _late(Status.REVOKED),
    Status.EXPIRED: _late(Status.EXPIRED),
    Status.SUPERSEDED: _late(Status.SUPERSEDED),
    Status.FAILED: _late(Status.FAILED),
}
"""Status and step to the status after it; None is before the first step."""


class WrongStep(ConsentryError):
    """A proof in this status cannot take this step."""


class EvidenceError(ConsentryError, ValueError):
    """Evidence that is not believed; `field` names what to mend."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a customer holds of one subscription. `level` is SINGLE or DOUBLE.

    `source` is the form's URL or the place; it, `confirmed_at` and `confirmed_ip` belong to double
    opt-in. `user_agent` and the confirmation mail's `message_id` may be left out.
    """

    level: Level
    text: str
    subscribed_at: float
    subscribed_ip: str
    source: str = ""
    confirmed_at: float | None = None
    confirmed_ip: str = ""
    user_agent: str = ""
    message_id: str = ""

    @property
    def given_at(self) -> float:
        """When the consent was given: at the last of its acts."""
        return self.subscribed_at if self.confirmed_at is None else self.confirmed_at


def after(status: Status | None, step: Step) -> Status:
    """The status that `step` leads to. Raises WrongStep."""
    following = TRANSITIONS[status].get(step)
    if following is None:
        raise WrongStep(f"a proof that is {status or 'new'} cannot be {step}")
    return following


def check_evidence(evidence: Evidence, address: Address, now: float) -> None:
    """Raise EvidenceError for what cannot be true or is missing at its level."""
    if evidence.level not in (Level.SINGLE, Level.DOUBLE):
        raise EvidenceError("level", "evidence is supplied at level 2 or 3")
    check_text(evidence.text, address)
    _check_instant("subscribed_at", evidence.subscribed_at, now)
    check_ip("subscribed_ip", evidence.subscribed_ip)
    for field in ("source", "user_agent", "message_id"):
        check_words(field, getattr(evidence, field))
    if evidence.level is Level.SINGLE:
        for field in ("confirmed_at", "confirmed_ip", "message_id"):
            if getattr(evidence, field):
                raise EvidenceError(field, "belongs to double opt-in; supply it at level 3")
        return
    if not evidence.source.strip():
        raise EvidenceError("source", "is missing; name the form's URL or the place")
    if evidence.confirmed_at is None:
        raise EvidenceError("confirmed_at", "is missing; without it this is level 2")
    _check_instant("confirmed_at", evidence.confirmed_at, now)
    if evidence.confirmed_at < evidence.subscribed_at:
        raise EvidenceError("confirmed_at", "lies before the subscription")
    if evidence.confirmed_at - evidence.subscribed_at > LONGEST_CONFIRMATION:
        raise EvidenceError("confirmed_at", "is more than 30 days after the subscription")
    check_ip("confirmed_ip", evidence.confirmed_ip)
    if evidence.message_id and not fullmatch(r"<[^<>@\s]+@[^<>@\s]+>", evidence.message_id):
        raise EvidenceError("message_id", "is written <left@right>, as in the mail's header")


def check_text(text: str, address: Address) -> None:
    """Raise EvidenceError unless `text` can be what the person of `address` agreed to.

    It is kept in plain for all who agreed to it, so it must not name one of them.
    """
    if not text.strip():
        raise EvidenceError("text", "is empty; give what the person agreed to, word for word")
    if len(text) > MAX_TEXT:
        raise EvidenceError("text", f"has more than {MAX_TEXT} characters")
    if not all(c.isprintable() or c in "\n\r\t" for c in text):
        raise EvidenceError("text", "has characters that cannot be shown")
    if address.text.casefold() in text.casefold():
        raise EvidenceError("text", "names the person; write it as all have read it")


def check_words(field: str, text: str) -> None:
    """Raise EvidenceError unless `text` is one line of at most MAX_WORDS characters."""
    if len(text) > MAX_WORDS:
        raise EvidenceError(field, f"has more than {MAX_WORDS} characters")
    if not text.isprintable():
        raise EvidenceError(field, "has characters that cannot be shown")


def check_ip(field: str, text: str) -> None:
    """Raise EvidenceError unless `text` is an IP address that a visitor can have."""
    if not text:
        raise EvidenceError(field, "is missing")
    try:
        address = ip_address(text)
    except ValueError:
        raise EvidenceError(field, "is no IP address") from None
    if address.is_unspecified or address.is_multicast or address.is_loopback:
        raise EvidenceError(field, f"{address} is no address that a visitor can have")


def check_act(at: float, ip: str, now: float) -> None:
    """Raise EvidenceError unless somebody can have filled a form in at `at` from `ip`."""
    _check_instant("form_at", at, now)
    if now - at > REQUEST_PAUSE:
        raise EvidenceError("form_at", "is more than 7 days ago; nobody expects that mail any more")
    check_ip("form_ip", ip)


def _check_instant(field: str, at: float, now: float) -> None:
    if not at > EARLIEST:  # also what is no number
        raise EvidenceError(field, "lies before 1995")
    if at > now:
        raise EvidenceError(field, "lies in the future")


def stopping_request(matches: Iterable[Match], is_own_act: bool) -> Match | None:
    """The entry that forbids a confirmation mail, or None.

    It is marketing until it is confirmed, so whatever stops anything stops it. Only from a list
    may one be asked back by an act of one's own (`is_own_act`): docs/decisions/asking-again.md.
    """
    return highest(
        match for match in matches if not (is_own_act and match.reason is Reason.UNSUBSCRIBE)
    )
