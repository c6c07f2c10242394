"""What `consentry.yaml` may say under `sender_dns`: whom to ask about sender domains, and how long.

Pure values with defaults and meanings. `gateway.sender_dns` does the asking, for the desk.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated

from pydantic import Field, IPvAnyAddress, field_validator

from gateway.config.values import Duration, Endpoint, Listen, Settings


class SenderDnsSettings(Settings):
    """How the desk asks for the DKIM, SPF, DMARC and MX records of sender domains."""

    resolvers: tuple[Listen, ...] = Field(
        default=(),
        description="Resolvers as IP address and port, such as 192.0.2.53:53; those of "
        "/etc/resolv.conf when there are none.",
    )
    patience: Annotated[Duration, Field(gt=0, le=30)] = Field(
        default=4.0, description="How long a check may take before its result is unknown."
    )
    outgoing: Annotated[tuple[IPvAnyAddress, ...], Field(max_length=64)] = Field(
        default=(),
        description="Addresses that mail leaves your next hops from. With them the desk tells "
        "whether a domain's SPF record covers each.",
    )

    @field_validator("resolvers", mode="after")
    @classmethod
    def _addresses(cls, resolvers: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
        for resolver in resolvers:
            try:
                ip_address(resolver.host)
            except ValueError:
                raise ValueError(
                    f"{resolver} cannot be asked; write the resolver's IP address"
                ) from None
        return resolvers
