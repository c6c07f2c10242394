"""Next hops as the configuration says, with their passwords read from their files.

Raises ConfigurationError for a password file that cannot be read.
"""

from __future__ import annotations

from gateway.config.keyfiles import first_line, octets
from gateway.config.model import GatewayConfig, HopTls
from gateway.relay.settings import NextHopSettings, Timeouts, Tls

IMPLICIT_TLS_PORT = 465
"""A next hop on this port speaks TLS from the first octet (RFC 8314 section 3.3)."""


def configured_hops(config: GatewayConfig) -> tuple[NextHopSettings, ...]:
    """The next hops in order of preference."""
    return tuple(
        NextHopSettings(
            name=hop.name,
            host=hop.host,
            port=hop.port,
            hostname=config.hostname,
            tls=Tls(hop.tls.value),
            implicit_tls=hop.port == IMPLICIT_TLS_PORT and hop.tls is not HopTls.NONE,
            server_name=hop.server_name or "",
            ca_file=hop.ca_file,
            username=hop.auth.username if hop.auth else "",
            password=first_line(octets(hop.auth.password_file)) if hop.auth else "",
            max_connections=hop.max_connections,
            refusals_per_connection=hop.refusals_per_connection,
            messages_per_connection=hop.messages_per_connection,
            idle_seconds=hop.idle_seconds,
            timeouts=Timeouts(
                hop.timeouts.connect,
                hop.timeouts.greeting,
                hop.timeouts.command,
                hop.timeouts.data,
                hop.timeouts.dot,
            ),
        )
        for hop in config.next_hops
    )
