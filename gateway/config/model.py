"""What `consentry.yaml` may say: listeners, next hops, policies and the limits of the house.

Pure values with defaults and meanings; docs/configuration.md and the JSON Schema are generated
from them. Times are seconds and sizes octets after validation. What needs more than one key or
file to judge is in `check`; tenants are in `tenant`.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import AnyHttpUrl, Field, field_validator

from gateway.config.api import ApiSettings
from gateway.config.clamav import ClamAvSettings
from gateway.config.desk import DeskSettings
from gateway.config.feedback import FeedbackSettings
from gateway.config.journal import JournalSettings, LedgerSettings
from gateway.config.notices import NoticeSettings
from gateway.config.pre_check import PreCheckSettings
from gateway.config.records import PostgresSettings
from gateway.config.redis import RedisSettings
from gateway.config.retention import RetentionSettings
from gateway.config.sanctions import SanctionSettings
from gateway.config.sender_dns import SenderDnsSettings
from gateway.config.session import SessionSettings
from gateway.config.values import (
    Count,
    Domain,
    Duration,
    Endpoint,
    Listen,
    Location,
    Name,
    Network,
    Settings,
    Size,
    is_loopback,
    machine_name,
)
from gateway.words import Mode
from policies.registry import REGISTRY

Port = Annotated[int, Field(ge=1, le=65_535)]
MessageBytes = Annotated[Size, Field(ge=1024)]
BytesPerDay = Annotated[Size, Field(ge=1000)]
"""Less is no limit but a slip: to send nothing there is `state: closed`."""


class ListenerTls(StrEnum):
    """How a listener encrypts."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"


class HopTls(StrEnum):
    """How the connection to a next hop is encrypted."""

    VERIFY = "verify"
    OPPORTUNISTIC = "opportunistic"
    NONE = "none"


class RateUnit(StrEnum):
    """What a rate counts."""

    MESSAGES = "messages"
    RECIPIENTS = "recipients"


class RateSettings(Settings):
    """At most `count` of `unit` in any `per`."""

    unit: RateUnit = Field(description="What is counted: messages or recipients.")
    count: Count = Field(description="How many are allowed.")
    per: Annotated[Duration, Field(ge=1)] = Field(
        description="Length of the rolling window, such as 1m, 1h or 1d."
    )


class LimitSettings(Settings):
    """Limits. What is left out is inherited: stream from tenant, tenant from gateway."""

    recipients_per_message: Count | None = Field(
        default=None,
        description="RCPT accepted in one transaction; RFC 5321 forbids fewer than 100.",
    )
    batches: Count | None = Field(
        default=None,
        description="Open transactions of one tenant at a time, over all its connections.",
    )
    batch_wait: Duration | None = Field(
        default=None,
        description="How long a further transaction waits in line before it is deferred.",
    )
    batch_idle: Duration | None = Field(
        default=None,
        description="How long a silent holder keeps others waiting before it is closed.",
    )
    bytes_per_day: BytesPerDay | None = Field(
        default=None, description="Octets relayed (size times copies) in any 24 hours."
    )
    message_bytes: MessageBytes | None = Field(
        default=None,
        description="Octets one message may have; RFC 5321 forbids fewer than 65,536.",
    )
    rates: tuple[RateSettings, ...] | None = Field(
        default=None, description="Windows over messages or recipients; several count at once."
    )


class TlsSettings(Settings):
    """The gateway's own certificate; read again on reload."""

    certificate: Location = Field(description="PEM file: the certificate and its chain.")
    key: Location = Field(description="PEM file: the private key, mode 0600.")


class WebSettings(Settings):
    """The web listener: unsubscribe pages, explanations of replies, metrics and health."""

    listen: Listen = Field(
        default=Endpoint("127.0.0.1", 8080),
        description="Address and port; put a TLS proxy in front of it.",
    )
    base_url: AnyHttpUrl | None = Field(
        default=None,
        description="Public address of the pages, as it stands in List-Unsubscribe and replies. "
        "RFC 8058 asks for https.",
    )
    mailto_domain: Domain | None = Field(
        default=None,
        description="Domain of the mailto form of List-Unsubscribe, whose mail is taken by "
        "`feedback`; `feedback.domain` when absent, and left out without either.",
    )
    proxy_from: tuple[Network, ...] = Field(
        default=(),
        description="TLS proxies whose X-Forwarded-For or Forwarded tells who a visitor is; from "
        "others these are ignored.",
    )

    @property
    def link(self) -> str:
        """`base_url` without a final slash, or an empty string."""
        return str(self.base_url).rstrip("/") if self.base_url else ""


class TrustedClients(Settings):
    """Client addresses that send without signing in."""

    networks: tuple[Network, ...] = Field(
        min_length=1, description="Client addresses, such as 192.0.2.7 or 2001:db8::/64."
    )
    tenant: Name = Field(description="The tenant they send for.")
    stream: Name | None = Field(
        default=None, description="Its stream; the tenant's default when absent."
    )


class ListenerSettings(Settings):
    """One SMTP listener."""

    name: Name = Field(description="Its name in logs and metrics.")
    listen: Listen = Field(description='Address and port, such as 0.0.0.0:587 or "[::]:465".')
    tls: ListenerTls = Field(
        default=ListenerTls.STARTTLS,
        description="starttls (587), implicit (465), or none for trusted networks.",
    )
    auth: bool = Field(
        default=True, description="Offer AUTH PLAIN and LOGIN (after TLS where there is TLS)."
    )
    require_tls: bool = Field(
        default_factory=lambda data: data.get("tls") is not ListenerTls.NONE,
        description="Refuse MAIL before TLS. Default: true unless `tls` is none.",
    )
    proxy_from: tuple[Network, ...] = Field(
        default=(), description="Balancers that must send a PROXY protocol header (v1 or v2)."
    )
    trusted: tuple[TrustedClients, ...] = Field(
        default=(), description="Client addresses that need no login; the first match counts."
    )


class HopAuth(Settings):
    """The gateway's login at the next hop."""

    username: str = Field(min_length=1, description="Login at the next hop.")
    password_file: Location = Field(description="File whose first line is the password, mode 0600.")


class HopTimeouts(Settings):
    """How long each phase with the next hop may take (RFC 5321 section 4.5.3.2)."""

    connect: Duration = Field(default=30.0, description="TCP connection and TLS handshake.")
    greeting: Duration = Field(default=60.0, description="The 220 banner.")
    command: Duration = Field(
        default=120.0, description="EHLO, STARTTLS, AUTH, MAIL, RCPT and RSET."
    )
    data: Duration = Field(default=180.0, description="The 354, and each block of the message.")
    dot: Duration = Field(default=600.0, description="The reply to the final dot.")


class NextHopSettings(Settings):
    """One mail server that accepted mail is handed to."""

    name: Name = Field(description="Its name in logs and metrics.")
    host: str = Field(min_length=1, description="Host name or IP address.")
    port: Port = Field(default=25, description="TCP port.")
    tls: HopTls = Field(
        default_factory=lambda data: (
            HopTls.NONE if is_loopback(data.get("host", "")) else HopTls.VERIFY
        ),
        description="verify (certificate checked), opportunistic (encrypted when offered, "
        "unchecked) or none. Default: verify, on loopback none.",
    )
    server_name: Domain | None = Field(
        default=None, description="Name the certificate must carry; `host` when absent."
    )
    ca_file: Location | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's."
    )
    auth: HopAuth | None = Field(default=None, description="Sign in with AUTH PLAIN or LOGIN.")
    max_connections: Count = Field(default=20, description="Connections held to this hop at most.")
    refusals_per_connection: Count = Field(
        default=8,
        description="Refused RCPTs after which a connection is retired; Postfix slows at 10.",
    )
    messages_per_connection: Count = Field(
        default=1000, description="Messages after which a connection is retired."
    )
    idle_seconds: Duration = Field(
        default=60.0, description="How long an unused connection is kept."
    )
    timeouts: HopTimeouts = Field(default=HopTimeouts(), description="Patience per phase.")


def _name_policies(schema: dict[str, Any]) -> None:
    """Let editors offer the names."""
    schema["items"] |= {"propertyNames": {"enum": list(REGISTRY)}, "maxProperties": 1}


class GatewayConfig(Settings):
    """Everything in `consentry.yaml`. Relative paths start at its folder."""

    hostname: Domain = Field(description="The gateway's own name: banner, EHLO, Received.")
    state_dir: Location = Field(
        default=Path("state"), description="Database, journal, control socket, ledger."
    )
    tenants_dir: Location = Field(
        default=Path("tenants"), description="Folder with one YAML file per tenant; must exist."
    )
    keyring: Location = Field(
        default=Path("keys/keyring.json"),
        description="Secrets behind address keys and tokens. Keep it out of the state folder and "
        "its backup, and never lose it.",
    )
    opt_out_log: Location = Field(
        default=Path("opt-outs/opt-outs.log"),
        description="Append-only log of every opt-out, written before the database has it; a "
        "restored backup replays it. Put it on another disk than the state folder.",
    )
    node: Name = Field(
        default_factory=machine_name,
        description="This machine's lasting name among those that share the records. Default: the "
        "first label of its host name.",
    )
    workers: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="SMTP processes on the same listeners; more than one need `redis`."
    )
    redis: RedisSettings | None = Field(
        default=None,
        description="Fast state that all workers and nodes share; in the process's memory when "
        "absent. See [scale.md](scale.md).",
    )
    postgresql: PostgresSettings | None = Field(
        default=None,
        description="Records that all nodes share; SQLite in `state_dir` when absent.",
    )
    tls: TlsSettings | None = Field(default=None, description="Certificate for listeners with TLS.")
    web: WebSettings = Field(default=WebSettings(), description="The web listener.")
    api: ApiSettings = Field(default=ApiSettings(), description="The HTTP API; [api.md](api.md).")
    desk: DeskSettings = Field(
        default=DeskSettings(), description="Pages for staff; [desk.md](desk.md)."
    )
    listeners: tuple[ListenerSettings, ...] = Field(min_length=1, description="SMTP listeners.")
    next_hops: tuple[NextHopSettings, ...] = Field(
        min_length=1, description="Mail servers in order of preference; the next is for failure."
    )
    policies: tuple[dict[str, Mode], ...] = Field(
        default=tuple({name: Mode.ENFORCE} for name in REGISTRY),
        description="Rules in the order they are asked, each `name: enforce` or `name: observe` "
        "(only report). Default: all of them, enforced. See [policies.md](policies.md).",
        json_schema_extra=_name_policies,
    )
    limits: LimitSettings = Field(
        default=LimitSettings(), description="Limits of tenants that set none."
    )
    session: SessionSettings = Field(
        default=SessionSettings(), description="Limits on connections."
    )
    pre_check: PreCheckSettings = Field(
        default=PreCheckSettings(), description="How much tenants may pre-check."
    )
    sanctions: SanctionSettings = Field(
        default=SanctionSettings(), description="What follows when a tenant breaks the rules."
    )
    notices: NoticeSettings = Field(
        default=NoticeSettings(), description="Mail to tenants about their cases."
    )
    feedback: FeedbackSettings | None = Field(
        default=None, description="Where mail that comes back arrives; nowhere when absent."
    )
    clamav: ClamAvSettings | None = Field(
        default=None, description="Virus scanner of uploads; they are not scanned when absent."
    )
    journal: JournalSettings = Field(default=JournalSettings(), description="The event journal.")
    retention: RetentionSettings = Field(
        default=RetentionSettings(), description="How long what is over is kept."
    )
    ledger: LedgerSettings = Field(
        default=LedgerSettings(), description="The record of what became of each copy."
    )
    sender_dns: SenderDnsSettings = Field(
        default=SenderDnsSettings(), description="How the desk looks sender domains up."
    )
    policy_deadline_seconds: Annotated[Duration, Field(gt=0)] = Field(
        default=5.0, description="How long one policy may take before the mail is deferred."
    )
    drain_seconds: Duration = Field(
        default=30.0, description="How long open transactions may go on after SIGTERM."
    )
    demo: bool = Field(
        default=False,
        description="The secrets in this folder are published: refuse to listen off loopback.",
    )

    @property
    def database(self) -> Path | PostgresSettings:
        """Where the records are: a file of this node's, or a server that all nodes share."""
        return self.postgresql or self.sqlite_file

    @property
    def sqlite_file(self) -> Path:
        """Where records are that are in SQLite."""
        return self.state_dir / "consentry.db"

    @property
    def has_index(self) -> bool:
        """Whether look-ups at RCPT are answered by an index in Redis."""
        if self.redis is None:
            return False
        return self.postgresql is not None if self.redis.index is None else self.redis.index

    @property
    def policy_modes(self) -> tuple[tuple[str, Mode], ...]:
        """The policies as (name, mode) pairs, in order."""
        return tuple(pair for entry in self.policies for pair in entry.items())

    @field_validator("policies", mode="after")
    @classmethod
    def _known_once(cls, entries: tuple[dict[str, Mode], ...]) -> tuple[dict[str, Mode], ...]:
        seen: set[str] = set()
        for entry in entries:
            if len(entry) != 1:
                raise ValueError("write one policy per item, such as `- suppression: enforce`")
            (name,) = entry
            if name not in REGISTRY:
                raise ValueError(f"{name} is no policy; known are {', '.join(REGISTRY)}")
            if name in seen:
                raise ValueError(f"{name} is listed twice; keep one")
            seen.add(name)
        return entries

    @field_validator("listeners", "next_hops", mode="after")
    @classmethod
    def _named_once(cls, items: tuple[Any, ...]) -> tuple[Any, ...]:
        names = [item.name for item in items]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"the name {min(twice)} is used twice; give each its own")
        return items
