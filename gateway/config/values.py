"""The small notations of the configuration: sizes, durations, endpoints, domains, paths.

Each is an annotated type for pydantic that takes what an operator writes (`10GB`, `20s`,
`127.0.0.1:587`, `bücher.example`) and gives the value code wants (octets, seconds, `Endpoint`,
A-label). Relative paths are resolved against the folder of the gateway file, which the loader
passes as validation context `{"folder": Path}`. Raises ValueError saying what to write instead.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
)

from gateway.message.address import parse_mailbox
from suppression.address import a_label, exact_form

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)?")
_DECIMAL = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE_UNITS = _DECIMAL | {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_DURATION = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|m|h|d)?")
_DURATION_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"
LOGIN = r"^[a-z0-9][a-z0-9._@+-]{0,127}$"


class Settings(BaseModel):
    """Base of every configuration model: immutable, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def _size(value: object) -> int:
    match = None if isinstance(value, bool) else _SIZE.fullmatch(str(value).strip())
    if match is None:
        raise ValueError("write a size such as 512MiB, 10GB or a number of octets")
    return round(float(match[1]) * _SIZE_UNITS[match[2] or "B"])


def _duration(value: object) -> float:
    match = None if isinstance(value, bool) else _DURATION.fullmatch(str(value).strip())
    if match is None:
        raise ValueError("write a duration such as 20s, 5m, 1h, 2d or a number of seconds")
    return float(match[1]) * _DURATION_UNITS[match[2] or "s"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to listen: an IP address or host name and a port (0 takes any free one)."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """True when only programs on this machine can connect."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """True for `localhost` and loopback addresses (RFC 6761 section 6.3, RFC 1122 3.2.1.3)."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _endpoint(value: object) -> Endpoint:
    if isinstance(value, Endpoint):
        return value
    host, colon, port = str(value).rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65_536):
        raise ValueError('write address:port, such as 0.0.0.0:587 or "[::]:587"')
    if ":" in host and not bracketed:
        raise ValueError('write an IPv6 address in brackets and quotes: "[::]:587"')
    return Endpoint(host, int(port))


def machine_name() -> str:
    """The first label of this machine's host name as a `Name`; `node` when it cannot be one."""
    label = socket.gethostname().partition(".")[0].lower()
    return label if re.fullmatch(NAME, label) else "node"


def to_a_label(domain: str) -> str:
    """`domain` as a lower-case A-label (RFC 5890); raises ValueError when it is no host name."""
    text = a_label(domain.strip().rstrip("."))
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in text.split(".")):
        raise ValueError(f"{domain!r} is not a domain name")
    return text


def sender_domain(domain: str) -> str:
    """`domain` or `*.domain` with A-labels; raises ValueError when a tenant cannot have it."""
    if not domain.startswith("*."):
        return to_a_label(domain)
    parent = to_a_label(domain[2:])
    if "." not in parent:
        raise ValueError(f"{domain!r} stands for other people's domains too; name each of its own")
    return f"*.{parent}"


def _sender(address: str) -> str:
    return exact_form(parse_mailbox(address))


def _mailbox(address: str) -> str:
    return parse_mailbox(address).text


def _in_folder(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder")
    path = path.expanduser()
    return path if folder is None else Path(folder) / path


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Size = Annotated[
    int,
    BeforeValidator(_size),
    WithJsonSchema({"type": ["integer", "string"], "title": "size", "examples": ["10GB"]}),
]
"""Octets. kB, MB, GB are powers of 1000; KiB, MiB, GiB powers of 1024."""

Count = Annotated[int, Field(ge=1)]
"""A number of things, at least one."""

Duration = Annotated[
    float,
    BeforeValidator(_duration),
    WithJsonSchema({"type": ["number", "string"], "title": "duration", "examples": ["20s"]}),
]
"""Seconds."""

Listen = Annotated[
    Endpoint,
    BeforeValidator(_endpoint),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "title": "address:port", "examples": ["0.0.0.0:587"]}),
]

Domain = Annotated[
    str,
    AfterValidator(to_a_label),
    WithJsonSchema({"type": "string", "title": "domain", "examples": ["mail.example.com"]}),
]
"""A lower-case A-label; U-labels are converted."""

SenderDomain = Annotated[str, AfterValidator(sender_domain)]
"""A domain, or `*.domain` for everything under it."""

Sender = Annotated[
    str, AfterValidator(_sender), WithJsonSchema({"type": "string", "title": "address"})
]
"""A MAIL FROM address in its exact form: case-folded local part, A-label."""

Mailbox = Annotated[
    str, AfterValidator(_mailbox), WithJsonSchema({"type": "string", "title": "address"})
]
"""An address that mail goes to, as it was written."""

DisplayName = Annotated[
    str, StringConstraints(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")
]
"""One line that recipients read."""

Location = Annotated[
    Path, AfterValidator(_in_folder), WithJsonSchema({"type": "string", "title": "path"})
]
"""A path; relative ones start at the folder of the gateway file."""

Moment = Annotated[
    datetime,
    AfterValidator(_aware),
    WithJsonSchema({"type": "string", "title": "time", "examples": ["2030-01-01T09:00:00Z"]}),
]
"""A date and time; without a zone it is UTC."""

Network = Annotated[
    IPv4Network | IPv6Network,
    WithJsonSchema({"type": "string", "title": "network", "examples": ["192.0.2.0/24"]}),
]

Name = Annotated[
    str,
    StringConstraints(pattern=NAME),
    WithJsonSchema({"type": "string", "title": "name", "pattern": NAME}),
]
"""A tenant's or stream's name: lower-case letters, digits and hyphens."""

LoginName = Annotated[
    str,
    StringConstraints(pattern=LOGIN),
    WithJsonSchema({"type": "string", "title": "login", "pattern": LOGIN}),
]
"""A login: no slash, because what follows a slash names the stream."""
