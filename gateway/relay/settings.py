"""What the relay must know of one next hop: plain values, built from the configuration.

Times are seconds. Nothing is read from files here: the password comes in as text, and only the
path of the authorities' file is kept, for `tls_context` to load.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from gateway.errors import ConfigurationError


class Tls(StrEnum):
    """How the connection to a next hop is encrypted."""

    VERIFY = "verify"
    """Encrypted, and the certificate must carry the next hop's name."""
    OPPORTUNISTIC = "opportunistic"
    """Encrypted when STARTTLS is offered; the certificate is not looked at."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each phase may take (RFC 5321 section 4.5.3.2 gives the reasons)."""

    connect: float = 30.0
    greeting: float = 60.0
    command: float = 120.0
    data: float = 180.0
    """The 354, and each stretch of the message that the next hop has to read."""
    dot: float = 600.0


@dataclass(frozen=True, slots=True)
class NextHopSettings:
    """One mail server that accepted mail is handed to. `hostname` is our own name in EHLO.

    A connection is retired after `refusals_per_connection` refused commands (stock Postfix slows
    down after 10 and hangs up after 20) and after `messages_per_connection` messages.
    """

    name: str
    host: str
    port: int = 25
    hostname: str = "localhost"
    tls: Tls = Tls.VERIFY
    implicit_tls: bool = False
    server_name: str = ""
    ca_file: Path | None = None
    username: str = ""
    password: str = field(default="", repr=False)
    max_connections: int = 20
    refusals_per_connection: int = 8
    messages_per_connection: int = 1000
    idle_seconds: float = 60.0
    timeouts: Timeouts = Timeouts()


def tls_context(settings: NextHopSettings) -> ssl.SSLContext | None:
    """The TLS client settings for one next hop, None when it is spoken to in clear.

    Raises ConfigurationError when the authorities' file cannot be used.
    """
    if settings.tls is Tls.NONE:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"next hop {settings.name}: ca_file {settings.ca_file}: {error}"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.tls is Tls.OPPORTUNISTIC:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
