"""Bodies of `/consents`: what is asked for, supplied and answered."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from gateway.records.proofs import Proof
from gateway.web.api.moments import Instant, Moment, moment
from gateway.web.api.suppressions import Outcome
from gateway.web.api.texts import Line, Mailbox, StreamText
from suppression.consent import MAX_TEXT, MAX_WORDS, Level, Status
from suppression.consent import Evidence as Believed
from suppression.masking import mask

ConsentText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_TEXT,
        description="What the person agrees to, word for word.",
        examples=["I agree to get the weekly letter of Acme by e-mail."],
    ),
]
Words = Annotated[str, Field(max_length=MAX_WORDS)]


def _ip(value: object) -> IPv4Address | IPv6Address:
    if not isinstance(value, str):  # a number would be one too
        raise ValueError("write an IP address as text")
    return ip_address(value)


Ip = Annotated[
    IPv4Address | IPv6Address,
    BeforeValidator(_ip),
    WithJsonSchema({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}),
]


class Language(StrEnum):
    """In which the person is addressed."""

    ENGLISH = "en"
    POLISH = "pl"


class Act(BaseModel):
    """One act of the person: when, and from which IP address."""

    model_config = ConfigDict(extra="forbid")
    at: Instant
    ip: Ip


class Form(Act):
    """The form that the person filled in to be asked."""

    source: Words = Field(default="", description="The form's URL, or the place.")
    user_agent: Words = ""


class ConsentRequest(BaseModel):
    """Whom to ask, and for what."""

    model_config = ConfigDict(extra="forbid")
    address: Mailbox
    scope: StreamText
    text: ConsentText
    language: Language
    form: Form | None = Field(
        default=None,
        description="What the person did to be asked; needed when an opted-out person asks to come "
        "back.",
    )


class Evidence(BaseModel):
    """What the tenant holds of a subscription."""

    model_config = ConfigDict(extra="forbid")
    address: Mailbox
    scope: StreamText
    level: Literal[2, 3] = Field(description="2: single opt-in with time and IP; 3: double opt-in.")
    text: ConsentText
    language: Language
    subscribed: Act
    confirmed: Act | None = Field(default=None, description="Needed at level 3, and only there.")
    source: Words = Field(default="", description="The form's URL, or the place; at level 3.")
    user_agent: Words = ""
    message_id: Words = Field(default="", description="Of the confirmation mail.")

    def believed(self) -> Believed:
        """As the rules judge it."""
        confirmed = self.confirmed
        return Believed(
            level=Level(self.level),
            text=self.text,
            subscribed_at=self.subscribed.at.timestamp(),
            subscribed_ip=str(self.subscribed.ip),
            source=self.source,
            confirmed_at=None if confirmed is None else confirmed.at.timestamp(),
            confirmed_ip="" if confirmed is None else str(confirmed.ip),
            user_agent=self.user_agent,
            message_id=self.message_id,
        )


class Revoke(BaseModel):
    """Why a consent ends."""

    model_config = ConfigDict(extra="forbid")
    why: Line = Field(description="The ground, for the record.")


class Progress(BaseModel):
    """Where a proof stands after the call."""

    tracking: str
    status: Status


class Supplied(Progress):
    """What became of evidence."""

    outcome: Outcome


class Consent(BaseModel):
    """A request for consent, or a proof of it."""

    tracking: str
    scope: str
    level: Level = Field(description="2, 3: supplied by the tenant; 4: hosted double opt-in.")
    status: Status
    address: str | None = Field(
        description="Masked for staff (`j***@example.org`); null when it was erased."
    )
    language: str
    text: str
    text_sha256: str
    requested: Moment
    mailed: Moment | None
    expires: Moment | None = Field(description="Until when it can be confirmed, while it can.")
    given: Moment | None
    ended: bool = Field(description="Whether the consent was given and is over.")


class ConsentSearch(BaseModel):
    """Whose consents to look for."""

    model_config = ConfigDict(extra="forbid")
    address: Mailbox


class ConsentsFound(BaseModel):
    """Every proof about an address."""

    items: list[Consent]


def consent_of(proof: Proof, is_masked: bool) -> Consent:
    """A proof, its address masked for staff."""
    return Consent(
        tracking=proof.number,
        scope=f"{proof.tenant}/{proof.stream}",
        level=proof.level,
        status=proof.status,
        address=(mask(proof.address) if is_masked else proof.address) or None,
        language=proof.language,
        text=proof.text,
        text_sha256=proof.text_digest.hex(),
        requested=moment(proof.requested_at),
        mailed=moment(proof.mailed_at),
        expires=moment(proof.expires_at),
        given=moment(proof.given_at),
        ended=proof.has_ended,
    )
