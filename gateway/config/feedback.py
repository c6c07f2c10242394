"""What `consentry.yaml` may say under `feedback`: mail that comes back, and what it may do.

Values with defaults and meanings, and `problems`, which judges them together with what else is
configured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from gateway.config.dkim import DkimKey
from gateway.config.notices import key_problems
from gateway.config.problem import GATEWAY, Problem, warning
from gateway.config.values import Count, Domain, Duration, Listen, Settings, Size

if TYPE_CHECKING:
    from gateway.config.model import GatewayConfig
    from gateway.config.tenant import TenantConfig

MAIL_OCTETS = 10_000_000
Percent = Annotated[float, Field(ge=0, le=100)]


class BounceSettings(Settings):
    """How many bounces of one recipient are believed; a delivery that is reported begins anew."""

    invalid_mailbox: Count = Field(
        default=1, description="`invalid-mailbox` bounces until a `hard_bounce` suppression."
    )
    dead_domain: Count = Field(
        default=2, description="`dead-domain` bounces on different days until `hard_bounce`."
    )
    mailbox_full: Count = Field(
        default=3, description="`mailbox-full` bounces on different days until `soft_bounce`."
    )
    routing: Count = Field(
        default=5, description="`routing` bounces on different days until `soft_bounce`."
    )
    within: Annotated[Duration, Field(ge=86_400)] = Field(
        default=14 * 86_400, description="Within how long they count together."
    )


class StormSettings(Settings):
    """When many unknown mailboxes of one provider are its trouble, and nobody's bounce."""

    count: Count = Field(default=25, description="So many `invalid-mailbox` bounces of a provider,")
    percent: Percent = Field(
        default=30, description="which are so many percent of what was sent there meanwhile,"
    )
    within: Annotated[Duration, Field(ge=1)] = Field(
        default=600,
        description="within that time are a storm: all are held until a person decides. A single "
        "bounce waits as long before it is believed.",
    )


class UnprovenSettings(Settings):
    """How many mails a day (UTC) are kept that no listed source has signed. Over it they are
    deferred. What has a token of ours is counted for that alone, and all else for its client and
    for everybody."""

    per_source: Count = Field(
        default=100,
        description="From one client: an IPv4 address, or a /64 of IPv6. Behind a relay of your "
        "own, which all mail comes from, write as many as in `per_day`.",
    )
    per_day: Count = Field(default=1_000, description="From everybody together.")
    per_token: Count = Field(
        default=100,
        description="With one token of ours: about one recipient, or only about a mailing.",
    )


class FeedbackSettings(Settings):
    """An SMTP listener for mail that comes back: complaints, bounces, requests to unsubscribe,
    replies to notices; see [feedback.md](feedback.md)."""

    listen: Listen = Field(description="Address and port, such as 0.0.0.0:25.")
    domain: Domain | None = Field(
        default=None,
        description="Mail to `fbl@`, `abuse@`, `bounce+<token>@` and `u+<token>@` this domain is "
        "taken; its MX leads to `listen`.",
    )
    max_bytes: Annotated[Size, Field(ge=65_536)] = Field(
        default=MAIL_OCTETS, description="Octets that one mail may have."
    )
    max_connections: Annotated[int, Field(ge=1)] = Field(
        default=20, description="Connections at a time."
    )
    dkim: tuple[DkimKey, ...] = Field(
        default=(),
        description="Keys of `domain`: with them copies carry CFBL-Address and CFBL-Feedback-ID "
        "(RFC 9477) and a second signature that covers them.",
    )
    bounces: BounceSettings = Field(
        default=BounceSettings(), description="What bounces lead to, by their class."
    )
    storm: StormSettings = Field(
        default=StormSettings(), description="When bounces are held instead of believed."
    )
    unproven: UnprovenSettings = Field(
        default=UnprovenSettings(),
        description="How much mail of strangers is kept for a person to read.",
    )


def problems(config: GatewayConfig, tenants: Mapping[str, TenantConfig]) -> Iterator[Problem]:
    """Everything wrong or unsafe about it."""
    feedback = config.feedback
    domain = feedback.domain if feedback else None
    for name, tenant in tenants.items():
        for stream, settings in tenant.streams.items():
            at = ("streams", stream, "verp")
            if settings.verp and domain is None:
                text = "bounces would have nowhere to go; write `feedback.domain`, or remove it"
                yield Problem(name, at, text)
            elif settings.verp and domain and (unsigned := _unsigned(tenant, domain)):
                text = (
                    f"mail from {', '.join(unsigned)} cannot pass DMARC, unsigned and with a "
                    f"return path at {domain}; give it a DKIM key, or remove this"
                )
                yield warning(name, at, text)
    if feedback is None:
        if config.web.mailto_domain is not None:
            text = (
                "nobody takes the wishes to unsubscribe that are mailed there; write `feedback`, "
                "or hand them in by `consentry feedback ingest`"
            )
            yield warning(GATEWAY, ("web", "mailto_domain"), text)
        return
    if config.notices.domain is None and feedback.domain is None:
        text = "nothing would be taken there; write `feedback.domain`, `notices.domain` or both"
        yield Problem(GATEWAY, ("feedback",), text)
    taken = [config.web.listen, *(listener.listen for listener in config.listeners)]
    if feedback.listen.port and feedback.listen in taken:
        text = f"{feedback.listen} is taken already; choose another port"
        yield Problem(GATEWAY, ("feedback", "listen"), text)
    if feedback.dkim and feedback.domain is None:
        text = "there is nothing to sign for; write `feedback.domain`"
        yield Problem(GATEWAY, ("feedback", "dkim"), text)
    for index, key in enumerate(feedback.dkim):
        if feedback.domain is not None:
            yield from key_problems(("feedback", "dkim", index), key, feedback.domain)


def _unsigned(tenant: TenantConfig, return_domain: str) -> list[str]:
    """The sender domains without a key whose SPF does not count either: with a return path at
    `return_domain` it is aligned only where that is the domain or below it (RFC 7489 section
    3.1.2)."""
    own = f".{return_domain.lower()}"
    return [
        domain
        for domain, settings in tenant.domains.items()
        if not settings.keys and not own.endswith(f".{domain.removeprefix('*.')}")
    ]
