"""What `tenants/<name>.yaml` may say: one customer's domains, logins, streams and limits.

Pure values with defaults and meanings. What is wrong within one file is refused here; what needs
other files (a login or domain that two tenants claim) is in `check`.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal, Self

from argon2 import extract_parameters
from argon2.exceptions import InvalidHashError
from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    Tag,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from gateway.config.dkim import DkimKey
from gateway.config.model import BytesPerDay, LimitSettings
from gateway.config.opt_in import OptInSettings
from gateway.config.pre_check import PreCheckRule, PreCheckSettings
from gateway.config.sanctions import PresetChoice
from gateway.config.values import (
    Count,
    DisplayName,
    Domain,
    LoginName,
    Mailbox,
    Moment,
    Name,
    Sender,
    SenderDomain,
    Settings,
    sender_domain,
)
from gateway.config.webhook import WebhookSettings
from gateway.words import StreamKind
from policies.terms import DAY, TenantState


def _argon2(text: str) -> str:
    try:
        extract_parameters(text)
    except InvalidHashError:
        raise ValueError(
            "this is no Argon2 hash; never write a password, set one with `consentry tenant passwd`"
        ) from None
    return text


class DomainSettings(Settings):
    """One sender domain."""

    dkim: Annotated[
        Annotated[Literal["none"], Tag("none")]
        | Annotated[tuple[DkimKey, ...], Field(min_length=1), Tag("keys")],
        Discriminator(lambda value: "none" if isinstance(value, str) else "keys"),
    ] = Field(
        description="Signing keys (`consentry dkim new` makes one), or `none` to send unsigned, "
        "which no tenant with a list stream may."
    )

    @property
    def keys(self) -> tuple[DkimKey, ...]:
        """The signing keys; empty for `dkim: none`."""
        return () if self.dkim == "none" else self.dkim


class LoginSettings(Settings):
    """One login for AUTH, written `name` or `name/stream` by the mailing software."""

    name: LoginName = Field(description="The login before the slash; unique over all tenants.")
    password_hash: Annotated[str, AfterValidator(_argon2)] = Field(
        description="Argon2 hash, written by `consentry tenant add` and `passwd`."
    )
    stream: Name | None = Field(
        default=None,
        description="The stream when none is named after a slash; else the tenant's default.",
    )


class Unsubscribe(StrEnum):
    """Whose unsubscribe header pair a stream's mail carries."""

    STAMP = "stamp"
    OWN = "own"


def _is_list(data: dict[str, object]) -> bool:
    return data.get("kind") is StreamKind.LIST


class StreamSettings(Settings):
    """One flow of mail with its own rules."""

    kind: StreamKind = Field(
        description="list (people who agreed), inquiry (unasked offers) or transactional."
    )
    default: bool = Field(
        default=False, description="Taken when nothing names a stream; needed with several streams."
    )
    open: bool = Field(
        default_factory=lambda data: data.get("kind") is not StreamKind.INQUIRY,
        description="Whether the stream may send. Default: true; inquiry streams false.",
    )
    verified: bool = Field(
        default=False,
        description="Transactional only: the operator has seen that this is contractual mail.",
    )
    consent_level: Annotated[int, Field(ge=0, le=4)] = Field(
        default_factory=lambda data: int(_is_list(data)),
        description="Least proof of consent: 0 none, 1 attested, 2 single opt-in, 3 double opt-in "
        "evidence, 4 hosted double opt-in. Default: 1 for list, else 0.",
    )
    pre_check: PreCheckRule = Field(
        default=PreCheckRule.OFFERED,
        description="required: only recipients that a pre-check of the last 24 hours has cleared.",
    )
    unsubscribe: Unsubscribe = Field(
        default_factory=lambda data: Unsubscribe.STAMP if _is_list(data) else Unsubscribe.OWN,
        description="stamp adds our List-Unsubscribe pair; own leaves it to the tenant. "
        "Default: stamp for list, else own.",
    )
    mail_from: tuple[Sender, ...] = Field(
        default=(),
        description="MAIL FROM addresses that choose this stream when the login does not.",
    )
    display_name: DisplayName | None = Field(
        default=None,
        description="What recipients know the list as, on pages and in mail; its name when absent.",
    )
    opt_in: OptInSettings | None = Field(
        default=None,
        description="Lists only: how people are asked by mail whether they agree.",
    )
    verp: bool = Field(
        default=False,
        description="Each copy goes out under a return path of its own at `feedback.domain`, so "
        "that bounces come to the gateway; DMARC then rests on DKIM. Else MAIL FROM stays.",
    )
    bounces_to: Sender | None = Field(
        default=None,
        description="With `verp`: where bounces are passed on to, once the gateway has read them.",
    )
    limits: LimitSettings = Field(default=LimitSettings(), description="Limits that differ for it.")

    @model_validator(mode="after")
    def _verified_is_transactional(self) -> Self:
        if self.verified and self.kind is not StreamKind.TRANSACTIONAL:
            raise ValueError("only a transactional stream can be verified; remove `verified`")
        if self.opt_in is not None and self.kind is not StreamKind.LIST:
            raise ValueError("only a list stream asks for consent; remove `opt_in`")
        if self.bounces_to is not None and not self.verp:
            raise ValueError("bounces come here with `verp: true` only; remove `bounces_to`")
        return self


class ContactSettings(Settings):
    """Where notices to the tenant go."""

    email: Mailbox = Field(description="Address for notices.")
    language: str = Field(
        default="en",
        pattern=r"^[a-z]{2}$",
        description="Language of notices: en or pl; others get English.",
    )
    verified: date | None = Field(
        default=None, description="Day on which the tenant last confirmed this address."
    )


class AnnouncementSettings(Settings):
    """A higher daily byte limit for some days, announced at least 24 hours ahead."""

    announced: Moment = Field(description="When the tenant announced it (UTC without a zone).")
    starts: Moment = Field(alias="from", description="From when the higher limit holds.")
    ends: Moment = Field(alias="to", description="Until when it holds.")
    bytes_per_day: BytesPerDay = Field(description="Octets in any 24 hours during that time.")

    @model_validator(mode="after")
    def _ahead(self) -> Self:
        if (self.starts - self.announced).total_seconds() < DAY:
            raise ValueError("`from` must be at least 24 hours after `announced`")
        if self.ends <= self.starts:
            raise ValueError("`to` must be after `from`")
        return self


class Confirmation(Settings):
    """Something the customer confirmed before sending was opened."""

    what: str = Field(min_length=1, description="What was confirmed.")
    recorded_at: Moment = Field(description="When it was recorded.")
    by: str = Field(min_length=1, description="Who recorded it.")


class TenantConfig(Settings):
    """Everything in a tenant's file. The file's name is the tenant's name."""

    name: Name = Field(description="The tenant's name; the same as the file's, so may be absent.")
    state: TenantState = Field(
        default=TenantState.CLOSED,
        description="closed (nothing passes yet), starter (slowly), open, or disabled.",
    )
    starter_messages_per_hour: Count = Field(
        default=100, description="Messages per hour in state starter."
    )
    contact: ContactSettings | None = Field(
        default=None, description="The principal contact, to whom notices go."
    )
    abuse_contact: ContactSettings | None = Field(
        default=None,
        description="Who gets notices first, where that is somebody else; the principal contact "
        "gets those that are refused there.",
    )
    display_name: DisplayName | None = Field(
        default=None,
        description="What recipients know the sender as, on pages and in mail; its name when "
        "absent.",
    )
    domains: dict[SenderDomain, DomainSettings] = Field(
        min_length=1,
        description="Sender domains; `*.domain` stands for all under it. One domain belongs to "
        "one tenant.",
    )
    logins: tuple[LoginSettings, ...] = Field(default=(), description="Logins for AUTH.")
    streams: dict[Name, StreamSettings] = Field(
        min_length=1, description="The tenant's streams by name."
    )
    limits: LimitSettings = Field(default=LimitSettings(), description="Limits that differ for it.")
    announcements: tuple[AnnouncementSettings, ...] = Field(
        default=(), description="Days with a higher byte limit."
    )
    unsubscribe_hosts: tuple[Domain, ...] = Field(
        default=(),
        description="Hosts of the tenant's own unsubscribe links; other links are replaced.",
    )
    confirmations: tuple[Confirmation, ...] = Field(
        default=(), description="What the customer confirmed; `consentry tenant open` adds one."
    )
    pre_check: PreCheckSettings | None = Field(
        default=None, description="How much may be pre-checked, where it differs."
    )
    sanctions: PresetChoice | None = Field(
        default=None,
        description="The contract that goes for it, as in the gateway file's `sanctions.preset`.",
    )
    webhook: WebhookSettings | None = Field(
        default=None, description="Where the tenant is told what happened to its recipients."
    )
    demo: bool = Field(
        default=False,
        description="The secrets in this file are published: refuse to listen off loopback.",
    )

    @property
    def default_stream(self) -> str:
        """The stream marked default, or the only one."""
        return next((n for n, s in self.streams.items() if s.default), next(iter(self.streams)))

    @property
    def contacts(self) -> tuple[ContactSettings, ...]:
        """Whom notices go to, first choice first."""
        return tuple(c for c in (self.abuse_contact, self.contact) if c is not None)

    @property
    def shown_name(self) -> str:
        """The sender's name for recipients."""
        return self.display_name or self.name

    def shown_stream(self, stream: str) -> str:
        """The name of one of its streams for recipients; also of one it no longer has."""
        settings = self.streams.get(stream)
        return (settings.display_name if settings else None) or stream

    def owns(self, domain: str) -> bool:
        """True when `domain` (A-label) is a sender domain, by itself or under a `*.` entry."""
        return any(
            domain == own or (own.startswith("*.") and domain.endswith(own[1:]))
            for own in self.domains
        )

    @field_validator("domains", mode="wrap")
    @classmethod
    def _spelt_once(
        cls, domains: dict[str, object], read: ValidatorFunctionWrapHandler
    ) -> dict[str, DomainSettings]:
        settings: dict[str, DomainSettings] = read(domains)
        spelt: dict[str, str] = {}
        for text in domains:
            first = spelt.setdefault(sender_domain(text), text)
            if first != text:
                raise ValueError(f"{first} and {text} are one domain; keep one")
        return settings

    @model_validator(mode="after")
    def _one_default(self) -> Self:
        marked = sum(stream.default for stream in self.streams.values())
        if marked > 1 or (len(self.streams) > 1 and marked == 0):
            raise ValueError("mark exactly one of the streams `default: true`")
        return self
